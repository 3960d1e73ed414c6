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

// "ok", "EIO", "KVM_EXIT_MEMORY_FAULT", "TDX_PAGE_ALREADY_ACCEPTED", …
std::string outcomeName(const Outcome& outcome);

} // namespace mirrorscope
