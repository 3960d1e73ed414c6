// SPDX-License-Identifier: GPL-3.0-or-later
// A small race explored to its end, with everything that its actors were answered on the way.
#pragma once

#include "explore/explorer.h"
#include "review/review.h"

#include <map>
#include <string>

namespace mirrorscope::review_tables {

// One answer, and the first order in which it came.
struct Answer {
    Schedule order;
    u64 step = 0;
};
struct Outcomes {
    ExploreResult result;
    std::map<std::string, Answer> answers;
};
// `told` names what a mark says, or nothing where it is not asked about. `everyOrder`: those that come to the same, too.
Outcomes outcomesOf(const Scenario& scenario, const ReviewOptions& options,
                    const std::function<std::string(const System& system, const Mark& mark)>& told, bool everyOrder = false);
// The scenario in that order.
std::string witnessOf(const Scenario& scenario, const Answer& answer, const std::string& what);

// One's own scenario: a cell for each row that its answers name, with all of that row's. `told` says "row\nanswer".
ReviewTable ofOneScenario(ReviewKind kind, const ReviewOptions& options, std::vector<std::string> column,
                          const std::function<std::string(const System& system, const Mark& mark)>& told);

} // namespace mirrorscope::review_tables
