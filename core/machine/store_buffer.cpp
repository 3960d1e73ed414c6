// SPDX-License-Identifier: GPL-3.0-or-later
#include "machine/store_buffer.h"

#include <algorithm>

namespace mirrorscope {

StoreBuffers::StoreBuffers(unsigned actors, Regions& regions)
    : actors_(actors), count_(regions.take(u64{actors} * kWords, "store-buffer")) {}

void StoreBuffers::layOutIndexes(Regions& indexes) { paths_ = indexes.take(u64{actors_} * kStores, "store-path"); }

void StoreBuffers::push(ActorId actor, Place place, u64 old, u64 value, u32 path) {
    const Place count = this->count(actor);
    if (machine_->peek(count) == kStores)
        drain(actor);
    const u32 n = static_cast<u32>(machine_->peek(count));
    const Place entry = count + (1 + 2 * n);
    machine_->set(entry, place.v);
    machine_->set(entry + 1, value);
    machine_->set(paths_ + (actor * kStores + n), path);
    machine_->set(count, n + 1);
    machine_->noteStore(place, old, value);
}

void StoreBuffers::drain(ActorId actor) {
    const Place count = this->count(actor);
    const u32 n = static_cast<u32>(machine_->get(count));
    const Place oldest = count + 1;
    machine_->set(Place{machine_->peek(oldest)}, machine_->peek(oldest + 1));
    // The others move up, so that what a buffer holds does not depend on what it has held.
    for (u32 i = 0; i < n; ++i)
        for (u32 word = 0; word < 2; ++word)
            machine_->set(oldest + (2 * i + word), i + 1 < n ? machine_->peek(oldest + (2 * i + 2 + word)) : 0);
    for (u32 i = 0; i < n; ++i)
        machine_->set(paths_ + (actor * kStores + i), i + 1 < n ? machine_->peek(paths_ + (actor * kStores + i + 1)) : 0);
    machine_->set(count, n - 1);
}

u32 StoreBuffers::oldestPath(ActorId actor) const { return static_cast<u32>(machine_->look(paths_ + actor * kStores)); }

void StoreBuffers::cover() {
    under_.clear();
    for (unsigned actor = 0; actor < actors_; ++actor) {
        const Place count = this->count(static_cast<ActorId>(actor));
        for (u32 i = 0; i < machine_->look(count); ++i) {
            const Place place{machine_->look(count + (1 + 2 * i))};
            under_.emplace_back(place, machine_->cover(place, machine_->look(count + (2 + 2 * i))));
        }
    }
}

void StoreBuffers::uncover() {
    for (auto word = under_.rbegin(); word != under_.rend(); ++word)
        machine_->cover(word->first, word->second);
    under_.clear();
}

bool StoreBuffers::isCovered(Place place) const {
    return std::any_of(under_.begin(), under_.end(), [&](const auto& word) { return word.first == place; });
}

} // namespace mirrorscope
