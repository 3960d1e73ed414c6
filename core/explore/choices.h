// SPDX-License-Identifier: GPL-3.0-or-later
// Inside of a race: who could take the next micro-step, and what it would be.
#pragma once

#include "explore/result.h"
#include "scenario/scenario.h"

#include <optional>
#include <string>
#include <vector>

namespace mirrorscope {

struct Choice {
    std::string actor;
    Site site = Site::VmState;
    std::vector<std::string> where; // call path, outermost first
    bool enabled = false;           // else it waits at that site
};

// A position of a recorded run that lies in a race: which race of the script, and who took the micro-steps of each race up to there.
struct RacePosition {
    std::size_t race = 0; // counts the races of the script from 0
    Schedule soFar;       // of the races before it whole, of this one up to the position
};

// The script is run again with that order, up to there.
std::vector<Choice> choicesAt(const Scenario& scenario, const RacePosition& at);

} // namespace mirrorscope
