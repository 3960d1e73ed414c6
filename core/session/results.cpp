// SPDX-License-Identifier: GPL-3.0-or-later
// What the script's steps returned.
#include "session/session.h"

#include "base/text.h"
#include "scenario/runner.h"
#include "scenario/verbs.h"

#include <fmt/format.h>

#include <algorithm>

namespace mirrorscope {

StepResult Session::resultOfMark(u64 position, std::size_t index) const {
    const Sim& sim = system().sim();
    const Mark& mark = sim.marks()[index];
    const Outcome outcome = outcomeOf(sim, index);
    StepResult result;
    result.position = position;
    result.outcome = outcomeName(outcome);
    if (mark.a[3] != 0 && outcome.kind == Outcome::Kind::Ok)
        result.outcome += fmt::format(", value {}", outcome.value);
    if (outcome.kind != Outcome::Kind::Ok)
        result.details = detailsText(outcome.details);
    const Step* step = result.step = scenario_.step(mark.script);
    if (step == nullptr)
        return result;
    result.path = step->path;
    result.actor = actorName(step->actor);
    result.call = info(step->verb).name;
    if (step->has("gpa"))
        result.call += fmt::format(" {:#x}{}", step->number("gpa"), step->number("smm") != 0 ? " in SMM" : "");
    if (step->has("level"))
        result.call += fmt::format(" at {}", levelName(levelOf(static_cast<unsigned>(step->number("level")))));
    if (step->verb == Verb::Seamcall)
        result.call += " " + step->text;
    return result;
}

std::vector<StepResult> Session::resultsIn(u64 from, u64 to) const {
    std::vector<StepResult> results;
    for (auto at = std::lower_bound(returns_.begin(), returns_.end(), from, [](const auto&r, u64 n) { return r.first < n; });
         at != returns_.end() && at->first <= to; ++at)
        results.push_back(resultOfMark(at->first, at->second));
    return results;
}

} // namespace mirrorscope
