// SPDX-License-Identifier: GPL-3.0-or-later
// The journal in strides: what a run of changes came to, place by place, so that seeking costs the distance in places and not in
// changes. The journal keeps differences (old ^ new), so a stride is the same in both directions and strides add up by XOR.
#pragma once

#include "machine/places.h"

#include <utility>
#include <vector>

namespace mirrorscope {

class Leaps {
public:
    // The changes [begin, end) of one stride.
    struct Stride {
        u64 begin = 0, end = 0;
        AscendingPlaces places; // ascending; in strides of the lowest level those whose changes cancel out, too
        std::vector<u64> deltas;
    };
    static constexpr u64 kChanges = 4096; // of a stride of level 0
    static constexpr unsigned kFan = 8;   // strides of one level in one of the next
    static constexpr unsigned kLevels = 8;

    bool empty() const { return levels_.empty() || levels_[0].empty(); }
    void clear();
    // From the end of the journal to its begin: `hash` is that of the machine before the stride's first change.
    void addBackwards(Stride stride, u64 hash);
    // All level-0 strides are in; makes the others.
    void finish(u64 hashAtEnd);

    // The largest stride that begins (forward) or ends (backward) at `change` and does not pass `target`; null if there is none.
    const Stride* from(u64 change, u64 target, bool forward) const;
    // The machine's hash at that change, if a stride begins or ends there.
    bool hashAt(u64 change, u64& hash) const;
    const std::vector<Stride>& lowest() const { return levels_[0]; }
    u64 bytes() const;

private:
    std::vector<std::vector<Stride>> levels_;
    std::vector<u64> hashes_; // at change i * kChanges, and at the end
    u64 end_ = 0;             // changes covered
};

// Adds the deltas of equal places up.
class Compactor {
public:
    Compactor() : slots_(1 << 14, 0) {}
    void add(u64 place, u64 delta);
    // Ascending by place, and empty again; `keepZero`: a place whose changes cancel out stays.
    void finish(bool keepZero, AscendingPlaces& places, std::vector<u64>& deltas);

private:
    std::size_t slotOf(u64 place) const { return place * 0x9e3779b1u & (slots_.size() - 1); }
    void grow();
    std::vector<u32> slots_; // 1 + index of an entry; 0: free
    std::vector<std::pair<u64, u64>> entries_;
};

} // namespace mirrorscope
