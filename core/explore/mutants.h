// SPDX-License-Identifier: GPL-3.0-or-later
// Each value of `break`, tried on the scenarios that ask for it: which rule caught it, and after how much exploring. The same scenario with
// the step followed (and `kernel: fixed`) must hold to its end.
#pragma once

#include "explore/explorer.h"

#include <functional>
#include <string>
#include <vector>

namespace mirrorscope {

struct Mutant {
    std::string name; // of the `break`
    std::string scenario;
    std::string rule; // that caught it; empty: nobody did
    std::string text;
    u64 executions = 0, transitions = 0; // up to then
    bool honest = false;                 // the same scenario without the break holds
    bool honestComplete = false;         // in every interleaving
    u64 honestExecutions = 0, honestStates = 0;
};

// Takes out what the scenario expects: it is about the run as it was written.
void forgetExpectations(Scenario& scenario);

// `files`: scenarios, those without a `break` are passed over, and values that hold (BreakInfo::holds) are no mutants. `names`: which
// values; empty for all. Bounded by `limit` transitions each.
std::vector<Mutant> tryMutants(const std::vector<std::string>& files, const std::vector<std::string>& names, u64 limit,
                               const std::function<void(const Mutant&)>& done = {});

} // namespace mirrorscope
