// SPDX-License-Identifier: GPL-3.0-or-later
// A violation that exploring found, made small and handed back as a scenario that steps in the window.
//
//   const Counterexample small = shrink(scenario, finding);
//   writeFile(out, scenarioOf(scenario, small));   // runs with exit 0: it expects its violation
#pragma once

#include "explore/result.h"
#include "scenario/scenario.h"

#include <optional>
#include <string>
#include <vector>

namespace mirrorscope {

struct Counterexample {
    // A violation; another of the ends that were found; an order that somebody chose step by step; an order in which something happens.
    enum class Kind : u8 { Violation, End, Chosen, Moment } kind = Kind::Violation;
    std::string rule; // a rule's name, or "expect"; of a moment what happens
    std::string text;
    // Race by race: how many micro-steps of whom. What they leave open runs in the order of the file.
    std::vector<std::vector<std::pair<std::string, u64>>> schedule;
    std::vector<std::string> also; // rules that are violated on the way, too
    u64 switches = 0;              // from one actor to another
    u64 steps = 0;                 // micro-steps that the schedule fixes
    bool confirmed = false;        // replayed, and it showed the same rule
    bool shortened = false;        // from the order in which it was found
};

// The scenario with its races run in that order, as far as it goes.
Scenario inOrder(const Scenario& scenario, const Schedule& schedule);

// Fewest switches first, then fewest micro-steps; every candidate is run. Deterministic.
Counterexample shrink(const Scenario& scenario, const ExploreFinding& finding);

// The scenario with that schedule, expecting that violation and nothing else. Of "expect", and where nothing is violated, the expectations
// stay as they are, but for those inside of a race, which are about the file's own order. A moment without a schedule leaves all of it as
// it is.
std::string scenarioOf(const Scenario& scenario, const Counterexample& example);

} // namespace mirrorscope
