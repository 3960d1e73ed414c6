// SPDX-License-Identifier: GPL-3.0-or-later
#include "machine/machine.h"

#include <algorithm>
#include <stdexcept>

namespace mirrorscope {

Machine::Machine(u64 words, u64 hashedWords, u64 frames)
    : words_(words < kFill ? words : throw std::length_error("the machine has more words than a place can name"), frames),
      hashed_(hashedWords) {
    places_.fitFor(words);
}

void Machine::haveParts(Place first, u64 count, u64 bits) {
    parts_.push_back({first.v, first.v + count, bits});
    partsBegin_ = std::min<u64>(partsBegin_, first.v);
    partsEnd_ = std::max<u64>(partsEnd_, first.v + count);
}

u64 Machine::withoutPart(u64 id, u64 value) const {
    for (const Parts& p : parts_)
        if (id >= p.begin && id < p.end && (id - p.begin) % 2 == 0)
            return value & ~p.bits;
    return value;
}

Place Machine::waitingStore(Place place) const {
    for (u64 i = words_[ownStores_.v]; i > 0; --i)
        if (const Place entry = ownStores_ + (2 * i - 1); words_[entry.v] == place.v)
            return entry + 1;
    return place;
}

u64 Machine::getWatched(Place place) const {
    place = seen(place);
    const u64 value = words_[place.v];
    note(value);
    logged(place.v, WordAccess::Kind::Read, value, value);
    return value;
}

u64 Machine::peekWatched(Place place) const {
    place = seen(place);
    const u64 value = words_[place.v];
    logged(place.v, WordAccess::Kind::Read, value, value);
    return value;
}

u64 Machine::lookAt(u64 id) const {
    const u64 value = words_[WordAccess::wordOf(id)];
    if ((id & WordAccess::kLockPart) != 0)
        return value & 0xffff;
    if ((id & WordAccess::kCountPart) != 0)
        return value >> 8 & 0xffff;
    return ofId(id, value);
}

u64 Machine::frameHash(u64 first, u64 value) const {
    if (value == 0 || first >= hashed_)
        return 0;
    FrameSum& known = frameSums_[(first >> 9 ^ value) % frameSums_.size()];
    if (known.first != first || known.value != value) {
        known = {first, value, 0};
        for (u32 k = 0; k < 512; ++k)
            known.sum += wordHash(first + k, value);
    }
    return known.sum;
}

u64 Machine::frameHash(u64 first, const Memory::FrameWords& words) const {
    if (first >= hashed_)
        return 0;
    // Of a table most entries are alike: only the others are hashed.
    const u64 common = words.mixed.empty() ? words.rest : words[100] == words[200] || words[100] == words[300] ? words[100] : words[200];
    u64 sum = frameHash(first, common);
    const u32 end = words.mixed.empty() ? 1 : Memory::kFrameWords;
    for (u32 k = 0; k < end; ++k)
        if (words[k] != common)
            sum += wordHash(first + k, words[k]) - wordHash(first + k, common);
    return sum;
}

void Machine::fill(Pfn pfn, u64 value) {
    const u64 first = wordOf(pfn, 0).v;
    Memory::FrameWords old = words_.frame(first);
    if (accesses_ != nullptr)
        for (u32 k = 0; k < Memory::kFrameWords; ++k)
            accesses_->push_back({first + k, WordAccess::Kind::Write, old[k], value});
    if (old.all(value))
        return;
    hash_ += frameHash(first, value) - frameHash(first, old);
    words_.putFrame(first, {value, value, {}});
    if (recording_) {
        places_.push(kFill);
        deltas_.push(fills_.size());
        fills_.push_back({first, std::move(old), value});
    }
}

u64 Machine::hashFromScratch() const {
    u64 hash = 0;
    for (u64 place = 0; place < hashed_; ++place)
        hash += wordHash(place, words_[place]);
    return hash;
}

u64 Machine::journalBytes() const {
    return places_.bytes() + deltas_.bytes() + steps_.bytes() + leaps_.bytes() + fills_.size() * sizeof(Fill);
}

void Machine::baseline() {
    siteCounts_.fill(0);
    beginHistory();
}

void Machine::beginHistory() {
    places_.truncate(0);
    deltas_.truncate(0);
    fills_.clear();
    steps_.truncate(0);
    leaps_.clear();
    position_ = 0;
    recording_ = true;
}

void Machine::writeUnjournalled(u64 place, u64 value) {
    if (place < hashed_)
        hash_ += wordHash(place, value) - wordHash(place, words_[place]);
    words_.put(place, value);
    flagged(place);
}

void Machine::apply(u64 change, bool forward) {
    const u64 place = places_[change];
    if (place != kFill) {
        writeUnjournalled(place, words_[place] ^ deltas_[change]);
        return;
    }
    const Fill& fill = fills_[deltas_[change]];
    const u64 before = frameHash(fill.first, fill.old);
    const u64 after = frameHash(fill.first, fill.now);
    hash_ += forward ? after - before : before - after;
    if (forward)
        words_.putFrame(fill.first, {fill.now, fill.now, {}});
    else
        words_.putFrame(fill.first, fill.old);
    flagged(fill.first);
}

void Machine::leap(const Leaps::Stride& stride) {
    for (std::size_t i = 0; i < stride.places.size(); ++i)
        if (stride.deltas[i] != 0) {
            words_.put(stride.places[i], words_[stride.places[i]] ^ stride.deltas[i]);
            flagged(stride.places[i]);
        }
}

void Machine::seek(u64 position) {
    position = std::min(position, steps());
    const u64 target = changesUpTo(position);
    u64 at = changesUpTo(position_);
    while (at > target) {
        const Leaps::Stride* stride = leaps_.from(at, target, false);
        if (stride == nullptr) {
            apply(--at, false);
            continue;
        }
        leap(*stride);
        at = stride->begin;
        leaps_.hashAt(at, hash_);
    }
    while (at < target) {
        const Leaps::Stride* stride = leaps_.from(at, target, true);
        if (stride == nullptr) {
            apply(at++, true);
            continue;
        }
        leap(*stride);
        at = stride->end;
        leaps_.hashAt(at, hash_);
    }
    position_ = position;
}

void Machine::packLeaps() {
    leaps_.clear();
    seek(steps());
    const u64 total = places_.size();
    if (total < Leaps::kChanges * 4) {
        seek(0);
        return; // walking that costs nothing
    }
    const u64 hashAtEnd = hash_;
    Leaps strides;
    Compactor sums;
    for (u64 end = total; end > 0;) {
        const u64 begin = (end - 1) / Leaps::kChanges * Leaps::kChanges;
        forEachChangeIn(begin, end, [&](Place place, u64 delta) { sums.add(place.v, delta); });
        Leaps::Stride stride{begin, end, {}, {}};
        sums.finish(true, stride.places, stride.deltas);
        for (std::size_t i = 0; i < stride.places.size(); ++i)
            if (stride.deltas[i] != 0)
                writeUnjournalled(stride.places[i], words_[stride.places[i]] ^ stride.deltas[i]);
        strides.addBackwards(std::move(stride), hash_);
        end = begin;
    }
    strides.finish(hashAtEnd);
    leaps_ = std::move(strides);
    position_ = 0;
}

std::vector<std::pair<u64, u64>> Machine::difference(u64 from, u64 to) const {
    u64 at = changesUpTo(std::min(from, to));
    const u64 target = changesUpTo(std::max(from, to));
    Compactor sums;
    while (at < target) {
        const Leaps::Stride* stride = leaps_.from(at, target, true);
        const u64 end = stride != nullptr ? stride->end : at + 1;
        if (stride == nullptr)
            forEachChangeIn(at, end, [&](Place place, u64 delta) { sums.add(place.v, delta); });
        else
            for (std::size_t i = 0; i < stride->places.size(); ++i)
                if (stride->deltas[i] != 0)
                    sums.add(stride->places[i], stride->deltas[i]);
        at = end;
    }
    AscendingPlaces places;
    std::vector<u64> deltas;
    sums.finish(false, places, deltas);
    std::vector<std::pair<u64, u64>> result;
    result.reserve(places.size());
    for (std::size_t i = 0; i < places.size(); ++i)
        result.emplace_back(places[i], deltas[i]);
    return result;
}

void Machine::rewind(u64 position) {
    leaps_.clear();
    seek(position);
    for (u64 n = position; n < steps_.size(); ++n)
        --siteCounts_[static_cast<unsigned>(steps_[n].site)];
    forgetAfter(position);
}

void Machine::forgetAfter(u64 position) {
    const u64 changes = changesUpTo(position);
    for (u64 i = changes; i < places_.size(); ++i)
        if (places_[i] == kFill) {
            fills_.resize(deltas_[i]);
            break;
        }
    places_.truncate(changes);
    deltas_.truncate(changes);
    steps_.truncate(position);
    position_ = position;
}

void Machine::overwrite(u64 position, const std::vector<std::pair<u64, u64>>& words, const std::array<u64, kSites>& siteCounts) {
    leaps_.clear();
    forgetAfter(position);
    for (const auto& [place, value] : words)
        writeUnjournalled(place, value);
    siteCounts_ = siteCounts;
}

u64 Machine::stepOfChange(u64 change) const {
    u64 low = 0;
    u64 high = steps_.size();
    while (high - low > 1) {
        const u64 middle = (low + high) / 2;
        (steps_[middle].change <= change ? low : high) = middle;
    }
    return low;
}

std::vector<Machine::Write> Machine::history(Place place) const {
    // From the present value backwards and forwards: the journal keeps only differences.
    std::vector<Write> writes;
    const u64 here = changesUpTo(position_);
    const auto deltaAt = [&](u64 i, u64 known, bool forward, u64& other) {
        if (places_[i] == place.v) {
            other = known ^ deltas_[i];
            return true;
        }
        if (places_[i] != kFill)
            return false;
        const Fill& fill = fills_[deltas_[i]];
        if (place.v < fill.first || place.v >= fill.first + 512)
            return false;
        const u64 old = fill.old[place.v - fill.first];
        other = forward ? fill.now : old;
        return old != fill.now;
    };
    // A stride of the lowest level knows which places it has.
    static const std::vector<Leaps::Stride> kNone;
    const std::vector<Leaps::Stride>& strides = leaps_.empty() ? kNone : leaps_.lowest();
    const auto hasIt = [&](u64 change) {
        const std::size_t index = change / Leaps::kChanges;
        return index >= strides.size() || strides[index].places.contains(place.v);
    };
    u64 value = words_[place.v];
    u64 other = 0;
    for (u64 i = here; i > 0;) {
        if (!hasIt(i - 1)) {
            i = (i - 1) / Leaps::kChanges * Leaps::kChanges;
            continue;
        }
        --i;
        if (deltaAt(i, value, false, other)) {
            writes.push_back({stepOfChange(i), other, value});
            value = other;
        }
    }
    std::reverse(writes.begin(), writes.end());
    value = words_[place.v];
    for (u64 i = here; i < places_.size(); ++i) {
        if (!hasIt(i)) {
            i = (i / Leaps::kChanges + 1) * Leaps::kChanges - 1;
            continue;
        }
        if (deltaAt(i, value, true, other)) {
            writes.push_back({stepOfChange(i), value, other});
            value = other;
        }
    }
    return writes;
}

} // namespace mirrorscope
