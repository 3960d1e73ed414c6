// SPDX-License-Identifier: GPL-3.0-or-later
// What the script's steps returned.
#include "session/session.h"

#include "base/text.h"
#include "scenario/runner.h"
#include "scenario/verbs.h"

#include <fmt/format.h>

#include <algorithm>

namespace mirrorscope {

u64 Session::positionAfter(const Mark& mark) const { return std::min(mark.n + 1, end()); }

std::optional<StepResult> Session::resultOf(std::size_t mark) const {
    const Sim& sim = system().sim();
    const Mark& end = sim.marks()[mark];
    const Step* step = scenario_.step(end.script);
    if (step == nullptr || !std::binary_search(returns_.begin(), returns_.end(), mark))
        return std::nullopt;
    const Outcome outcome = outcomeOf(sim, mark);
    StepResult result{positionAfter(end),   step, step->path, actorName(step->actor), std::string(info(step->verb).name),
                      outcomeName(outcome), {}};
    if (step->has("gpa"))
        result.call += fmt::format(" {:#x}{}", step->number("gpa"), step->number("smm") != 0 ? " in SMM" : "");
    if (step->has("level"))
        result.call += fmt::format(" at {}", levelName(levelOf(static_cast<unsigned>(step->number("level")))));
    if (step->verb == Verb::Seamcall)
        result.call += " " + step->text;
    if (end.a[3] != 0 && outcome.kind == Outcome::Kind::Ok)
        result.outcome += fmt::format(", value {}", outcome.value);
    if (outcome.kind != Outcome::Kind::Ok)
        result.details = detailsText(outcome.details);
    return result;
}

std::span<const std::size_t> Session::returnsIn(u64 from, u64 to) const {
    const auto& marks = system().sim().marks();
    const auto before = [&](std::size_t mark, u64 position) { return positionAfter(marks[mark]) < position; };
    const auto begin = std::lower_bound(returns_.begin(), returns_.end(), from, before);
    const auto end = std::lower_bound(begin, returns_.end(), to + 1, before);
    return {begin, end};
}

} // namespace mirrorscope
