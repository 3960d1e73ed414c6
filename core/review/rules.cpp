// SPDX-License-Identifier: GPL-3.0-or-later
// `review --table rules`: each step of the protocol that can be left out, and the rules that notice.
#include "explore/mutants.h"
#include "review/tables.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <map>

namespace mirrorscope::review_tables {

namespace {
// One scenario with steps left out, explored.
struct Piece {
    Scenario scenario;
    std::string name; // where it is from
    ExploreResult result;
    std::map<std::string, Counterexample> smallest; // by rule
};

void exploreAll(Piece& piece, const ReviewOptions& options) {
    piece.result = Explorer(piece.scenario, exploration(options)).run();
    for (const ExploreFinding& finding : piece.result.findings)
        if (!piece.smallest.contains(finding.rule))
            piece.smallest.emplace(finding.rule, shrink(piece.scenario, finding));
}

bool isSmaller(const Counterexample& a, const Counterexample& b) { return std::pair(a.switches, a.steps) < std::pair(b.switches, b.steps); }
} // namespace

ReviewTable rules(const ReviewOptions& options) {
    ReviewTable table{ReviewKind::Rules, {}, true};
    std::vector<std::string> breaks;
    for (const std::string_view name : breakNames())
        if (wanted(options, std::string(name)))
            breaks.emplace_back(name);
    std::vector<Piece> pieces;
    if (options.scenario) {
        for (const std::string& name : breaks) {
            Piece piece;
            std::vector<Override> overrides = options.scenario->overrides;
            overrides.push_back({"machine.break", "[" + name + "]"});
            piece.scenario = bindScenario(options.scenario->file, options.scenario->source, overrides);
            pieces.push_back(std::move(piece));
        }
    } else {
        for (const std::string& file : shippedFiles(options)) {
            Piece piece;
            try {
                std::vector<Override> overrides;
                if (options.kernel != Kernel::V6_16)
                    overrides.push_back({"machine.kernel", std::string(name(options.kernel))});
                piece.scenario = loadScenario(file, overrides);
            } catch (const InputError&) {
                continue;
            }
            const auto asked = [&](const std::string& name) { return piece.scenario.machine.broken(*breakFromName(name)); };
            piece.name = std::filesystem::path(file).filename().string();
            if (std::any_of(breaks.begin(), breaks.end(), asked))
                pieces.push_back(std::move(piece));
        }
    }
    for (Piece& piece : pieces)
        forgetExpectations(piece.scenario);
    table.whole = work(options, pieces.size(), [&](std::size_t i) { exploreAll(pieces[i], options); });

    for (const std::string& name : breaks) {
        std::map<std::string, const Piece*> best; // by rule
        u64 executions = 0, races = 0;
        bool cut = !table.whole;
        for (const Piece& piece : pieces) {
            if (!piece.scenario.machine.broken(*breakFromName(name)))
                continue;
            executions += piece.result.executions;
            races += piece.result.races;
            cut |= piece.result.stopped;
            for (const auto& [rule, example] : piece.smallest) {
                const auto [at, isNew] = best.try_emplace(rule, &piece);
                if (!isNew && isSmaller(example, at->second->smallest.at(rule)))
                    at->second = &piece;
            }
        }
        const auto begin = [&](const std::string& rule) -> ReviewCell& {
            ReviewCell& cell = table.cells.emplace_back();
            cell.row = {name};
            cell.column = {rule};
            cell.executions = executions;
            cell.races = races;
            return cell;
        };
        if (const std::string why =
                cannotBeBroken(*breakFromName(name), options.scenario ? options.scenario->machine.kernel : options.kernel);
            best.empty() && !why.empty()) {
            notThere(begin("none"), why);
            continue;
        }
        if (best.empty()) {
            ReviewCell& cell = begin("none");
            cell.outcome = cut ? "unknown" : info(*breakFromName(name)).holds ? "holds" : "unnoticed";
            cell.why = fmt::format("no rule is broken in {} executions of {} races", executions, races);
        }
        for (const auto& [rule, piece] : best) {
            const Counterexample& example = piece->smallest.at(rule);
            ReviewCell& cell = begin(rule);
            cell.outcome = "noticed";
            cell.rule = rule;
            const std::string in = piece->name.empty() ? "" : piece->name + ", ";
            cell.why = example.switches == 0 ? fmt::format("{}in the file's own order: {}", in, example.text)
                                             : fmt::format("{}after {} of actors and {} micro-steps: {}", in,
                                                           example.switches == 1 ? "1 run" : fmt::format("{} runs", example.switches),
                                                           example.steps, example.text);
            cell.details = {
                {"scenario", piece->name}, {"switches", std::to_string(example.switches)}, {"micro-steps", std::to_string(example.steps)}};
            cell.witness = witnessText(piece->scenario, example);
        }
    }
    return table;
}

} // namespace mirrorscope::review_tables
