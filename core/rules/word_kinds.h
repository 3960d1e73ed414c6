// SPDX-License-Identifier: GPL-3.0-or-later
// What each word of a machine is about, by the run of records that it lies in: which rules a change of it may concern.
#pragma once

#include "machine/config.h"

#include <array>
#include <vector>

namespace mirrorscope {

enum class About : u8 {
    None,
    Memory,
    Tlb,
    Held,
    Vm,
    Assert,
    Tdx,
    Actor,
    Frame,
    Rmp,
    Pamt,
    PamtPages,
    PamtCache,
    Slot,
    GmemState,
    GmemPinned,
    Page,
    Attributes,
    Keeper // it keeps frames in use, and is of no other rule
};

class WordKinds {
public:
    // Of the words before `end`; those behind are indexes, which follow from the others. Throws std::logic_error for a run of a name that
    // nobody has said anything about: no rule may be blind to what is new.
    WordKinds(const Regions& regions, u64 end);

    About of(Place place) const {
        Known& known = known_[place.v % known_.size()];
        if (known.place != place.v)
            known = {place.v, search(place)};
        return known.about;
    }

private:
    About search(Place place) const {
        const Words* words = words_.data();
        // By halves, without a branch that nobody could foretell.
        for (std::size_t left = words_.size(); left > 1;) {
            const std::size_t half = left / 2;
            words += words[half - 1].end <= place.v ? half : 0;
            left -= half;
        }
        return words->about;
    }

    struct Words {
        u64 end;
        About about;
    };
    std::vector<Words> words_; // ascending, the last one without end
    struct Known {
        u64 place = ~u64{0};
        About about = About::None;
    };
    mutable std::array<Known, 256> known_; // what was asked for lately: most micro-steps change the same few words
};

} // namespace mirrorscope
