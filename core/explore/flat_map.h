// SPDX-License-Identifier: GPL-3.0-or-later
// Hashes with a number each, in one piece of memory: a look-up is one access to it, where std::unordered_map follows a list. Nothing is
// taken out.
#pragma once

#include "base/types.h"

#include <utility>
#include <vector>

namespace mirrorscope {

class FlatMap {
public:
    static constexpr u64 kNone = ~u64{0};

    // The number kept with the hash, to be read or written; kNone where the hash is new. Valid until the next call.
    u64& operator[](u64 hash) {
        if ((used_ + 1) * 2 > slots_.size())
            grow();
        hash = hash == kFree ? 1 : hash; // one hash more or less that is taken for another
        Slot& slot = find(hash);
        if (slot.hash == kFree) {
            slot.hash = hash;
            ++used_;
        }
        return slot.number;
    }

private:
    static constexpr u64 kFree = 0;
    struct Slot {
        u64 hash = kFree, number = kNone;
    };
    Slot& find(u64 hash) {
        std::size_t i = hash & (slots_.size() - 1);
        while (slots_[i].hash != kFree && slots_[i].hash != hash)
            i = (i + 1) & (slots_.size() - 1);
        return slots_[i];
    }
    void grow() {
        const std::vector<Slot> old = std::exchange(slots_, std::vector<Slot>(slots_.empty() ? 64 : slots_.size() * 2));
        for (const Slot& slot : old)
            if (slot.hash != kFree)
                find(slot.hash) = slot;
    }

    std::vector<Slot> slots_;
    std::size_t used_ = 0;
};

} // namespace mirrorscope
