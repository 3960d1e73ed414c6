// SPDX-License-Identifier: GPL-3.0-or-later
#include "export/difference.h"

#include "export/export.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <sstream>
#include <string_view>
#include <unordered_map>
#include <utility>

namespace mirrorscope {

namespace {
using Json = nlohmann::ordered_json;

struct Told {
    u64 n;
    std::string text;
};

// What a run did, without frame numbers.
struct Story {
    std::vector<std::string> micro; // of each micro-step, all that is compared
    std::vector<std::string> brief; // "vcpu0 spte.freeze in set_external_spte_present()"
    std::vector<Told> seamcalls, locks, kicks;
    std::vector<std::pair<std::string, std::string>> results; // of each step that returned
};

// Frames in the order in which they are met.
class FramesMet {
public:
    std::string operator()(u64 pfn) { return fmt::format("frame {}", known_.try_emplace(pfn, known_.size()).first->second); }

private:
    std::unordered_map<u64, std::size_t> known_;
};

constexpr std::array<std::string_view, 4> kAddressesOfFrames{"tdr", "tdvpr", "page", "source"};
constexpr std::array<std::string_view, 5> kNotCompared{"n", "line", "step", "where", "site"};

template <std::size_t N>
bool isOne(const std::array<std::string_view, N>& of, const std::string& key) {
    return std::find(of.begin(), of.end(), key) != of.end();
}

u64 numberOf(const Json& value) { return value.is_string() ? std::stoull(value.get<std::string>(), nullptr, 0) : value.get<u64>(); }

Json withoutFrames(const Json& event, FramesMet& frames) {
    Json out = Json::object();
    const std::string kind = event.at("kind");
    for (const auto& [key, value] : event.items()) {
        if (isOne(kNotCompared, key))
            continue;
        if (value.is_null() || value.is_structured())
            out[key] = value;
        else if (key == "pfn" || key == "root" || (key == "owner" && value.is_number()))
            out[key] = frames(numberOf(value));
        else if (kind == "seamcall" && isOne(kAddressesOfFrames, key))
            out[key] = frames(numberOf(value) >> 12);
        else if ((kind == "spte" || kind == "sept") && (key == "old" || key == "new"))
            out[key] = fmt::format("{:#x}", numberOf(value) & ~u64{ept::kPfnMask});
        else
            out[key] = value;
    }
    return out;
}

Story storyOf(Session& session, u64 end) {
    Story story;
    for (u64 n = 0; n < end; ++n) {
        const StepView step = session.step(n);
        const std::string who = session.actorName(step.actor) + " " + std::string(info(step.site).name);
        story.brief.push_back(who + (step.where.empty() ? "" : " in " + step.where.back() + "()"));
        story.micro.push_back(who);
        for (const std::string& function : step.where)
            story.micro.back() += "\n" + function;
        if (const std::string_view site = info(step.site).name; site.starts_with("kick.") || site == "tlb.request")
            story.kicks.push_back({n, story.brief.back()});
    }
    FramesMet frames;
    std::map<std::string, std::string> entered; // by actor: the gpa of the leaf that it is in
    std::map<std::string, unsigned> returned;   // how often who has done what
    writeJsonl(session, [&](const std::string& line) {
        const Json event = Json::parse(line);
        const std::string kind = event.at("kind");
        const u64 n = event.at("n").get<u64>();
        if (n >= end || kind == "begin" || kind == "end" || kind == "expect" || kind == "note" || kind == "violation")
            return;
        const std::string actor = event.value("actor", "");
        story.micro[n] += "\n" + withoutFrames(event, frames).dump();
        if (kind == "seamcall") {
            if (event.at("phase") == "enter") {
                entered[actor] = event.contains("gpa") ? " " + event.at("gpa").get<std::string>() : "";
                return;
            }
            std::string text = actor + " " + event.at("leaf").get<std::string>() + entered[actor] + " → " + event.value("status", "");
            if (const auto operand = event.find("operand"); operand != event.end() && operand->is_string())
                text += " " + operand->get<std::string>();
            story.seamcalls.push_back({n, text});
        } else if (kind == "lock" && event.at("do") != "wait") {
            story.locks.push_back(
                {n, fmt::format("{} {} {} for {}", actor, event.at("do") == "acquire" ? "takes" : "releases",
                                event.at("lock").get<std::string>(), event.value("mode", "") == "read" ? "reading" : "writing")});
        } else if (kind == "step" && event.at("phase") == "end") {
            std::string text = event.contains("result") && event.at("result").is_string() ? event.at("result").get<std::string>() : "";
            for (const char* more : {"value", "details"})
                if (const auto found = event.find(more); found != event.end())
                    text += ", " + (found->is_string() ? found->get<std::string>() : found->dump());
            if (event.at("verb") == "race")
                return;
            const std::string name = actor + " " + event.at("verb").get<std::string>();
            const unsigned times = ++returned[name];
            story.results.emplace_back(times == 1 ? name : fmt::format("{} #{}", name, times), text);
        }
    });
    return story;
}

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

// The longest common subsequence of what lies between the common beginning and the common end.
Difference::Sequence align(const std::vector<Told>& a, const std::vector<Told>& b) {
    Difference::Sequence out;
    out.a = a.size();
    out.b = b.size();
    std::size_t begin = 0, ends = 0;
    while (begin < std::min(a.size(), b.size()) && a[begin].text == b[begin].text)
        ++begin;
    while (ends < std::min(a.size(), b.size()) - begin && a[a.size() - 1 - ends].text == b[b.size() - 1 - ends].text)
        ++ends;
    const std::size_t n = a.size() - begin - ends, m = b.size() - begin - ends;
    constexpr std::size_t kMost = 4'000'000;
    out.aligned = n * m <= kMost;
    std::vector<u32> common(out.aligned ? (n + 1) * (m + 1) : 0); // of what follows
    const auto at = [&](std::size_t i, std::size_t j) -> u32& { return common[i * (m + 1) + j]; };
    for (std::size_t i = n; out.aligned && i-- > 0;)
        for (std::size_t j = m; j-- > 0;)
            at(i, j) = a[begin + i].text == b[begin + j].text ? at(i + 1, j + 1) + 1 : std::max(at(i + 1, j), at(i, j + 1));
    for (std::size_t i = 0, j = 0; i < n || j < m;) {
        if (out.aligned && i < n && j < m && a[begin + i].text == b[begin + j].text)
            ++i, ++j;
        else if (i < n && (j == m || !out.aligned || at(i + 1, j) >= at(i, j + 1)))
            out.missing.push_back({false, a[begin + i].n, a[begin + i].text}), ++i;
        else
            out.missing.push_back({true, b[begin + j].n, b[begin + j].text}), ++j;
    }
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
    session.seek(second);
    return out;
}

} // namespace mirrorscope
