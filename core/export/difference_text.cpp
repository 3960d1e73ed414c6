// SPDX-License-Identifier: GPL-3.0-or-later
#include "base/text.h"
#include "export/difference.h"

#include <fmt/format.h>

namespace mirrorscope {

namespace {
constexpr std::size_t kWidth = 78, kMostLines = 40;

std::string pairs(const char* what, const std::vector<Difference::Pair>& list) {
    if (list.empty())
        return fmt::format("{}: the same\n", what);
    std::string out = fmt::format("{}: {} differ{}\n", what, list.size(), list.size() == 1 ? "s" : "");
    for (const Difference::Pair& pair : list) {
        out += wrapped(pair.name, "  ", 4);
        out += wrapped(pair.a, "    A  ", 7) + wrapped(pair.b, "    B  ", 7);
    }
    return out;
}

std::string sequence(const char* what, const Difference::Sequence& list, bool ofOneRun) {
    if (ofOneRun) {
        std::string out = fmt::format("{} between them: {}\n", what, list.missing.size());
        for (std::size_t i = 0; i < std::min(list.missing.size(), kMostLines); ++i)
            out += wrapped(list.missing[i].text, fmt::format("  {:>7}  ", list.missing[i].n), 11);
        return out + (list.missing.size() > kMostLines ? fmt::format("  … {} more\n", list.missing.size() - kMostLines) : "");
    }
    if (list.missing.empty())
        return fmt::format("{}: the same ({})\n", what, list.a);
    std::string out = fmt::format("{}: A has {}, B has {}\n", what, list.a, list.b);
    if (!list.aligned)
        out +=
            wrapped("They differ in too much to be laid side by side: what follows is all between what is common at both ends.", "  ", 2);
    for (std::size_t i = 0; i < std::min(list.missing.size(), kMostLines); ++i) {
        const Difference::Missing& one = list.missing[i];
        out += wrapped(one.text, fmt::format("  {} {:>7}  ", one.inB ? "B" : "A", one.n), 13);
    }
    return out + (list.missing.size() > kMostLines ? fmt::format("  … {} more\n", list.missing.size() - kMostLines) : "");
}

nlohmann::ordered_json json(const std::vector<Difference::Pair>& list) {
    auto out = nlohmann::ordered_json::array();
    for (const Difference::Pair& pair : list)
        out.push_back({{"name", pair.name}, {"a", pair.a}, {"b", pair.b}});
    return out;
}

nlohmann::ordered_json json(const Difference::Sequence& list) {
    auto missing = nlohmann::ordered_json::array();
    for (const Difference::Missing& one : list.missing)
        missing.push_back({{"only", one.inB ? "b" : "a"}, {"n", one.n}, {"text", one.text}});
    return {{"a", list.a}, {"b", list.b}, {"aligned", list.aligned}, {"differ", missing}};
}
} // namespace

std::string differenceText(const Difference& d) {
    std::string out = wrapped(d.nameA, "A  ", 3) + wrapped(d.nameB, "B  ", 3);
    if (d.parting) {
        const auto side = [&](const char* name, const std::string& what) {
            return wrapped(what.empty() ? "has ended" : what, fmt::format("  {}  ", name), 5);
        };
        out += fmt::format("they part at micro-step {}\n", d.parting->n) + side("A", d.parting->a) + side("B", d.parting->b);
    } else if (!d.ofOneRun && !d.ofTables) {
        out += fmt::format("micro-steps: the same ({})\n", d.stepsA);
    }
    if (d.parting)
        out += fmt::format("micro-steps: A has {}, B has {}\n", d.stepsA, d.stepsB);
    out += pairs("trees", d.trees);
    if (d.ofTables)
        return out + (d.equal() ? "equal\n" : "different\n");
    if (!d.ofOneRun)
        out += pairs("results", d.results);
    out += sequence("SEAMCALLs", d.seamcalls, d.ofOneRun) + sequence("locks", d.locks, d.ofOneRun) +
           sequence("kicks", d.kicks, d.ofOneRun) + sequence("frozen entries", d.frozen, d.ofOneRun) +
           sequence("trace lines", d.lines, d.ofOneRun);
    if (d.costs)
        out += pairs("cost", *d.costs);
    return out + (d.equal() ? "equal\n" : "different\n");
}

nlohmann::ordered_json differenceJson(const Difference& d) {
    nlohmann::ordered_json out = {{"kind", "difference"}, {"equal", d.equal()}, {"a", d.nameA}, {"b", d.nameB}};
    out["micro_steps"] = {{"a", d.stepsA}, {"b", d.stepsB}};
    out["parting"] = nullptr;
    if (d.parting)
        out["parting"] = {{"n", d.parting->n}, {"a", d.parting->a}, {"b", d.parting->b}};
    out["trees"] = json(d.trees);
    out["results"] = json(d.results);
    out["seamcalls"] = json(d.seamcalls);
    out["locks"] = json(d.locks);
    out["kicks"] = json(d.kicks);
    out["frozen"] = json(d.frozen);
    out["trace_lines"] = json(d.lines);
    out["cost"] = d.costs ? json(*d.costs) : nlohmann::ordered_json(nullptr);
    return out;
}

} // namespace mirrorscope
