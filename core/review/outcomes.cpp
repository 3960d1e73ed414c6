// SPDX-License-Identifier: GPL-3.0-or-later
#include "review/outcomes.h"

#include "review/tables.h"

namespace mirrorscope::review_tables {

Outcomes outcomesOf(const Scenario& scenario, const ReviewOptions& options,
                    const std::function<std::string(const System& system, const Mark& mark)>& told, bool everyOrder) {
    Outcomes outcomes;
    ExploreOptions explore = exploration(options);
    explore.mode = ExploreMode::Stateful;
    if (everyOrder)
        explore.reduce = ExploreOptions::Reduce::Never;
    explore.look = [&](const System& system, u64 firstMark, const std::function<Schedule()>& order) {
        const auto& marks = system.sim().marks();
        for (u64 i = firstMark; i < marks.size(); ++i) {
            const std::string what = told(system, marks[i]);
            if (what.empty())
                continue;
            if (const auto [at, isNew] = outcomes.answers.try_emplace(what); isNew)
                at->second = {order(), marks[i].n};
        }
    };
    outcomes.result = Explorer(scenario, explore).run();
    return outcomes;
}

std::string witnessOf(const Scenario& scenario, const Answer& answer, const std::string& what) {
    Counterexample moment;
    moment.kind = Counterexample::Kind::Moment;
    moment.rule = what;
    moment.text = "The first order in which this comes: " + what + ".";
    moment.schedule = answer.order;
    return witnessText(scenario, moment);
}

ReviewTable ofOneScenario(ReviewKind kind, const ReviewOptions& options, std::vector<std::string> column,
                          const std::function<std::string(const System& system, const Mark& mark)>& told) {
    const Outcomes outcomes = outcomesOf(*options.scenario, options, told);
    ReviewTable table{kind, {}, !(options.cancelled && options.cancelled())};
    for (const auto& [key, answer] : outcomes.answers) {
        const std::size_t cut = key.find('\n');
        const std::string row = key.substr(0, cut), what = key.substr(cut + 1);
        if (!wanted(options, row))
            continue;
        if (table.cells.empty() || table.cells.back().row[0] != row) {
            ReviewCell& cell = table.cells.emplace_back();
            cell.row = {row};
            cell.column = column;
            cell.executions = outcomes.result.executions;
            cell.races = outcomes.result.races;
            cell.why = outcomes.result.stopped ? "as far as a bound let it be explored" : "in every interleaving";
        }
        ReviewCell& cell = table.cells.back();
        cell.outcome += (cell.outcome.empty() ? "" : ", ") + what;
        cell.witness = witnessOf(*options.scenario, answer, what);
        cell.step = answer.step;
    }
    if (outcomes.result.stopped)
        for (ReviewCell& cell : table.cells)
            cell.outcome += ", unknown";
    return table;
}

} // namespace mirrorscope::review_tables
