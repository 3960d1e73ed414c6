// SPDX-License-Identifier: GPL-3.0-or-later
#include "contrast/ends.h"

#include "base/text.h"
#include "explore/counterexample.h"
#include "scenario/runner.h"
#include "session/session.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <set>

namespace mirrorscope {

namespace {
using Features = std::map<std::string, std::string>;

// What a reader calls a step: its id, else who does what where.
std::string nameOf(const Session& session, const Step& step) {
    if (!step.id.empty())
        return step.id;
    std::string name = fmt::format("{} {}", session.actorName(step.actor), info(step.verb).name);
    if (step.has("gpa"))
        name += fmt::format(" {:#x}", step.number("gpa"));
    return fmt::format("{} (line {})", name, step.line);
}

const std::string kFails = "fails"; // not told: `violated` says what

Features featuresOf(Session& session) {
    Features features;
    session.seek(session.end());
    const auto& marks = session.system().sim().marks();
    for (std::size_t i = 0; i < marks.size(); ++i) {
        const Step* step = marks[i].kind == MarkKind::StepEnd ? session.scenario().step(marks[i].script) : nullptr;
        if (step == nullptr || step->verb == Verb::Race)
            continue;
        const Outcome outcome = outcomeOf(session.system().sim(), i);
        std::string text = outcomeName(outcome);
        if (marks[i].a[3] != 0 && outcome.kind == Outcome::Kind::Ok)
            text += fmt::format(", {}", outcome.value);
        features.emplace(nameOf(session, *step), text);
    }
    for (const TreeRow& row : session.rows())
        for (unsigned c = 0; c < kColumns && row.more == 0; ++c) {
            const auto column = static_cast<Column>(c);
            if (row.cells[c].exists && !row.cells[c].initial(column))
                features.emplace(session.nameOf({column, row.gfn, row.level}), session.contentName(column, row.cells[c]));
        }
    for (const TlbLine& line : session.cachedTranslations())
        features[fmt::format("{}'s TLB", session.actorName(line.vcpu))] +=
            fmt::format("{} {}{} ", line.address, line.rights, line.stale ? " not flushed" : "");
    std::set<std::string> rules;
    for (const Violation& v : session.violations())
        rules.insert(fmt::format("{}{}", info(v.rule).name, session.runner().namesViolation(v.rule) ? " (expected)" : ""));
    if (!session.failures().empty())
        rules.insert("expect"); // as a finding calls it
    if (std::any_of(rules.begin(), rules.end(), [](const std::string& rule) { return !rule.ends_with(" (expected)"); }))
        features[kFails] = "yes";
    for (const std::string& rule : rules)
        features["violated"] += (features["violated"].empty() ? "" : ", ") + rule;
    if (session.vmIsDead())
        features["the VM"] = "dead";
    return features;
}

std::string partsFrom(const Session& first, const Session& other) {
    const u64 most = std::min(first.end(), other.end());
    for (u64 n = 0; n < most; ++n) {
        const auto [a, siteA] = first.stepBrief(n);
        const auto [b, siteB] = other.stepBrief(n);
        if (a != b || siteA != siteB)
            return fmt::format("position {}: {} goes on ({}), there {} ({})", n, other.actorName(b), info(siteB).name, first.actorName(a),
                               info(siteA).name);
    }
    return {};
}
} // namespace

u64 switchesOf(const Schedule& schedule) {
    u64 switches = 0;
    for (const auto& race : schedule)
        switches += race.size();
    return switches;
}

EndTable endTable(const Scenario& scenario, const std::vector<ExploreEnd>& ends, const std::function<bool()>& cancelled) {
    EndTable table;
    table.all = ends.size();
    std::vector<Features> all;
    std::set<std::string> names;
    for (std::size_t i = 0; i < std::min(ends.size(), kMostRunAgain) && !(cancelled && cancelled()); ++i) {
        Session session(inOrder(scenario, ends[i].schedule));
        all.push_back(featuresOf(session));
        for (const auto& [name, value] : all.back())
            names.insert(name);
    }
    table.looked = all.size();
    const auto at = [&](std::size_t i, const std::string& name) {
        const auto found = all[i].find(name);
        return found == all[i].end() ? std::string("–") : found->second;
    };
    for (const std::string& name : names) {
        bool differs = false;
        for (std::size_t i = 1; i < all.size() && !differs; ++i)
            differs = at(i, name) != at(0, name);
        if (differs && name != "violated" && name != kFails)
            table.features.push_back(name);
    }
    std::map<std::pair<std::string, std::vector<std::string>>, EndRow> rows;
    for (std::size_t i = 0; i < all.size(); ++i) {
        std::vector<std::string> values;
        for (const std::string& name : table.features)
            values.push_back(at(i, name));
        const std::string violated = all[i].contains("violated") ? all[i]["violated"] : std::string();
        EndRow& row = rows[{violated, values}];
        if (row.count++ == 0 || switchesOf(ends[i].schedule) < switchesOf(ends[row.end].schedule))
            row.end = i;
        row.values = values;
        row.violated = violated;
        row.fails = all[i].contains(kFails);
    }
    for (auto& [key, row] : rows)
        table.rows.push_back(std::move(row));
    std::stable_sort(table.rows.begin(), table.rows.end(), [](const EndRow& a, const EndRow& b) {
        return a.violated.empty() != b.violated.empty() ? b.violated.empty() : a.count > b.count;
    });
    if (table.rows.size() > 1) {
        const Session first(inOrder(scenario, ends[table.rows[0].end].schedule));
        for (std::size_t i = 1; i < table.rows.size() && !(cancelled && cancelled()); ++i)
            table.rows[i].parts = partsFrom(first, Session(inOrder(scenario, ends[table.rows[i].end].schedule)));
    }
    return table;
}

} // namespace mirrorscope
