// SPDX-License-Identifier: GPL-3.0-or-later
// How the states of a search were reached and which decisions it made there, so that where one turns out to be wrong the search can
// go on from there, instead of beginning anew.
#pragma once

#include "base/types.h"

#include <cstddef>
#include <span>
#include <unordered_set>
#include <vector>

namespace mirrorscope {

class Ways {
public:
    using Way = u32; // to a state that was kept; the first is none, to where the race begins
    // A state on a way or at its end: so many of the last part's micro-steps.
    struct Place {
        Way way = 0;
        u32 moves = 0;
    };

    // The way that will be made next.
    Way next() const { return static_cast<Way>(ways_.size()); }
    // From where `from` ends by these actors' micro-steps (flags above the low byte are not kept).
    Way add(Way from, std::span<const u16> moves);
    Place end(Way way) const { return {way, ways_[way].count}; }
    // What was left out at that place rests on that decision.
    void rests(u64 decision, Place place) { uses_.push_back({decision, place}); }
    // All where one of them was made. They are not asked about again.
    std::vector<Place> take(const std::unordered_set<u64>& decisions);
    std::size_t length(Place place) const { return ways_[place.way].before + place.moves; }
    // Who moves, from the beginning of the race.
    std::vector<u16> moves(Place place) const;
    // A way of its own to a place on another.
    Way branch(Place place);
    // More would cost too much memory.
    bool full() const { return moves_.size() + sizeof(Use) * uses_.size() + sizeof(Part) * ways_.size() > kMostBytes; }

private:
    static constexpr std::size_t kMostBytes = std::size_t{256} << 20;
    struct Part {
        Way from = 0;
        u32 count = 0;          // of its own moves
        std::size_t begin = 0;  // of these in moves_
        std::size_t before = 0; // how many precede them
    };
    struct Use {
        u64 decision;
        Place place;
    };
    std::vector<Part> ways_{1};
    std::vector<u8> moves_;
    std::vector<Use> uses_;
};

} // namespace mirrorscope
