// SPDX-License-Identifier: GPL-3.0-or-later
// What one search has learned of what actors do, in words that mean the same to another search of the same race (explore/ample.h).
#pragma once

#include "machine/access.h"
#include "sim/race.h"

#include <utility>
#include <vector>

namespace mirrorscope {

struct Fact {
    // An actor's standing, by a hash that does not depend on who searches; 0 is that of whoever is done.
    struct Standing {
        u64 key = 0;
        Race::Locks wants = 0;
    };
    enum class Kind : u8 { MicroStep, Guard }; // one that leads from the first standing to the second; what is waited for at the first
    Kind kind = Kind::MicroStep;
    Standing from, to;
    std::vector<std::pair<u64, WordAccess::Kind>> words; // that it accesses
};

} // namespace mirrorscope
