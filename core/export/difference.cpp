// SPDX-License-Identifier: GPL-3.0-or-later
#include "export/difference.h"

#include "base/alignment.h"
#include "cost/run_cost.h"
#include "export/story.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <sstream>
#include <utility>

namespace mirrorscope {

namespace {
using Json = nlohmann::ordered_json;

// Entries that are not in their initial state, by name; the frame apart, since it is compared up to renaming.
struct Entry {
    std::string state;
    std::string bits; // what the state does not say
    std::optional<u64> pfn;
    bool isPage = false; // it leads to no table
};
std::map<std::string, Entry> entriesOf(Session& session) {
    std::map<std::string, Entry> entries;
    RowOptions each;
    each.alikeAsOne = false;
    for (const TreeRow& row : session.rows(each))
        for (unsigned c = 0; c < kColumns; ++c) {
            const auto column = static_cast<Column>(c);
            const TreeCell& cell = row.cells[c];
            if (!cell.exists || cell.initial(column))
                continue;
            Entry entry{session.contentName(column, cell), fmt::format("{:#018x}", cell.raw & ~u64{ept::kPfnMask}), std::nullopt};
            if (cell.pfn.v != 0)
                entry.pfn = cell.pfn.v;
            entry.isPage = !cell.leadsToTable(column);
            entries.emplace(session.nameOf({column, row.gfn, row.level}), std::move(entry));
        }
    return entries;
}

// `numbered`: frames of the guest's pages have numbers of their own.
std::vector<Difference::Pair> treesBetween(const std::map<std::string, Entry>& a, const std::map<std::string, Entry>& b, bool numbered) {
    std::vector<Difference::Pair> out;
    std::set<std::string> names;
    for (const auto* side : {&a, &b})
        for (const auto& [name, entry] : *side)
            names.insert(name);
    std::map<u64, u64> toB, toA;
    for (const std::string& name : names) {
        const auto inA = a.find(name), inB = b.find(name);
        if (inA == a.end() || inB == b.end()) {
            out.push_back({name, inA == a.end() ? "–" : inA->second.state, inB == b.end() ? "–" : inB->second.state});
            continue;
        }
        const Entry &x = inA->second, &y = inB->second;
        if (x.state != y.state)
            out.push_back({name, x.state, y.state});
        else if (x.bits != y.bits)
            out.push_back({name, x.state + " " + x.bits, y.state + " " + y.bits});
        else if (numbered && x.isPage && x.pfn != y.pfn)
            out.push_back({name, fmt::format("{}, frame {:#x}", x.state, x.pfn.value_or(0)),
                           fmt::format("{}, frame {:#x}", y.state, y.pfn.value_or(0))});
        else if (!numbered && x.pfn && y.pfn &&
                 (toB.try_emplace(*x.pfn, *y.pfn).first->second != *y.pfn || toA.try_emplace(*y.pfn, *x.pfn).first->second != *x.pfn))
            out.push_back({name, fmt::format("{}, frame {}", x.state, *x.pfn), fmt::format("{}, frame {}", y.state, *y.pfn)});
    }
    return out;
}

// What the one has beside what both have, and the other, in order.
Difference::Sequence align(const std::vector<Told>& a, const std::vector<Told>& b) {
    const auto textsOf = [](const std::vector<Told>& told) {
        std::vector<std::string_view> texts;
        texts.reserve(told.size());
        for (const Told& one : told)
            texts.push_back(one.text);
        return texts;
    };
    const Alignment alignment = alignmentOf(textsOf(a), textsOf(b));
    Difference::Sequence out;
    out.a = a.size();
    out.b = b.size();
    out.aligned = alignment.whole;
    std::size_t i = 0, j = 0;
    const auto upTo = [&](std::size_t endA, std::size_t endB) {
        for (; i < endA; ++i)
            out.missing.push_back({false, a[i].n, a[i].text});
        for (; j < endB; ++j)
            out.missing.push_back({true, b[j].n, b[j].text});
    };
    for (const auto& [inA, inB] : alignment.common) {
        upTo(inA, inB);
        ++i, ++j;
    }
    upTo(a.size(), b.size());
    return out;
}

std::vector<Difference::Pair> resultsBetween(const Story& a, const Story& b) {
    std::vector<Difference::Pair> out;
    std::map<std::string, std::array<std::string, 2>> all;
    std::vector<std::string> order;
    for (unsigned side = 0; side < 2; ++side)
        for (const auto& [name, text] : (side == 0 ? a : b).results) {
            const auto [at, isNew] = all.try_emplace(name);
            if (isNew)
                order.push_back(name);
            at->second[side] += (at->second[side].empty() ? "" : "; ") + (text.empty() ? std::string("done") : text);
        }
    for (const std::string& name : order)
        if (const auto& [x, y] = all.at(name); x != y)
            out.push_back({name, x.empty() ? "–" : x, y.empty() ? "–" : y});
    return out;
}
} // namespace

namespace {
// A micro-step, and of what it did the first that the other one did not do.
std::string told(const Story& story, std::size_t n, const Story& other) {
    if (n >= story.brief.size())
        return "";
    std::string out = story.brief[n];
    std::istringstream lines(story.micro[n]);
    const std::string theirs = n < other.micro.size() ? "\n" + other.micro[n] + "\n" : "\n";
    for (std::string line; std::getline(lines, line);) {
        if (!line.starts_with('{') || theirs.find("\n" + line + "\n") != std::string::npos)
            continue;
        out += ":";
        const Json event = Json::parse(line);
        for (const auto& [key, value] : event.items())
            if (key != "actor" && !value.is_null())
                out += " " + (key == "kind" ? std::string() : key + " ") + (value.is_string() ? value.get<std::string>() : value.dump());
        break;
    }
    return out;
}
} // namespace

namespace {
// The tables of both where they are to stand. `numbered`: treesBetween().
Difference standingAt(const Side& a, const Side& b, bool numbered) {
    Difference out;
    out.nameA = a.name;
    out.nameB = b.name;
    out.stepsA = a.position;
    out.stepsB = b.position;
    a.session.seek(a.position);
    b.session.seek(b.position);
    out.trees = treesBetween(entriesOf(a.session), entriesOf(b.session), numbered);
    return out;
}
// By the default table; only what differs.
std::vector<Difference::Pair> costsBetween(const Session& a, const Session& b) {
    const CostTable table;
    const RunCost costs[2] = {costOf(a, table), costOf(b, table)};
    std::vector<Difference::Pair> out;
    if (costs[0].ns != costs[1].ns)
        out.push_back({"all on one CPU", durationText(costs[0].ns), durationText(costs[1].ns)});
    std::vector<std::string> names;
    for (const RunCost& cost : costs)
        for (const CostLine& line : cost.lines)
            if (std::find(names.begin(), names.end(), line.name) == names.end())
                names.push_back(line.name);
    const auto told = [](const CostLine* line) {
        return line == nullptr ? std::string("–") : fmt::format("{} times, {}", line->times, durationText(line->ns));
    };
    for (const std::string& name : names) {
        const std::string x = told(costs[0].line(name)), y = told(costs[1].line(name));
        if (x != y)
            out.push_back({name, x, y});
    }
    return out;
}
} // namespace

Difference differenceOf(const Side& a, const Side& b) {
    const Story first = storyOf(a.session, a.position), second = storyOf(b.session, b.position);
    Difference out = standingAt(a, b, false);
    const std::size_t most = std::max(first.micro.size(), second.micro.size());
    for (std::size_t n = 0; n < most && !out.parting; ++n)
        if (n >= first.micro.size() || n >= second.micro.size() || first.micro[n] != second.micro[n])
            out.parting = {n, told(first, n, second), told(second, n, first)};
    out.results = resultsBetween(first, second);
    out.seamcalls = align(first.seamcalls, second.seamcalls);
    out.locks = align(first.locks, second.locks);
    out.kicks = align(first.kicks, second.kicks);
    out.frozen = align(first.frozen, second.frozen);
    out.lines = align(first.lines, second.lines);
    if (a.position == a.session.end() && b.position == b.session.end())
        out.costs = costsBetween(a.session, b.session);
    return out;
}

Difference differenceOfTables(const Side& a, const Side& b) {
    Difference out = standingAt(a, b, true);
    out.ofTables = true;
    return out;
}

Difference differenceWithin(Session& session, u64 first, u64 second) {
    Difference out;
    out.ofOneRun = true;
    out.nameA = fmt::format("position {}", first);
    out.nameB = fmt::format("position {}", second);
    out.stepsA = first;
    out.stepsB = second;
    session.seek(first);
    const auto before = entriesOf(session);
    session.seek(second);
    const auto after = entriesOf(session);
    out.trees = treesBetween(before, after, false);
    const Story story = storyOf(session, std::max(first, second));
    const auto between = [&](const std::vector<Told>& told) {
        Difference::Sequence sequence;
        for (const Told& one : told)
            if (one.n >= std::min(first, second))
                sequence.missing.push_back({second > first, one.n, one.text});
        (second > first ? sequence.b : sequence.a) = sequence.missing.size();
        return sequence;
    };
    out.seamcalls = between(story.seamcalls);
    out.locks = between(story.locks);
    out.kicks = between(story.kicks);
    out.frozen = between(story.frozen);
    out.lines = between(story.lines);
    session.seek(second);
    return out;
}

} // namespace mirrorscope
