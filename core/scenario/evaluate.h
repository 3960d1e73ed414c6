// SPDX-License-Identifier: GPL-3.0-or-later
// Does an expectation hold in the present state, and what was found instead?
#pragma once

#include "rules/checker.h"
#include "scenario/scenario.h"

namespace mirrorscope {

struct Evaluation {
    bool holds = false;
    std::string found;
};

Evaluation evaluate(const Expectation& expectation, const System& system, const Checker& checker);

// How often that has happened, of events.
u64 eventsCounted(Expectation::Count what, unsigned id, const System& system);
// All that the scenario counts of events, in its order, each up to its `most`.
std::vector<u64> countedEvents(const Scenario& scenario, const System& system);

// "ok", "EIO", "KVM_EXIT_MEMORY_FAULT", "TDX_PAGE_ALREADY_ACCEPTED", …
std::string outcomeName(const Outcome& outcome);
// "gpa 0x4000, size 0x1000, errno EFAULT"; empty where there are none.
std::string detailsText(const Details& details);
// How the step ended whose MarkKind::StepEnd stands there.
Outcome outcomeOf(const Sim& sim, std::size_t mark);

} // namespace mirrorscope
