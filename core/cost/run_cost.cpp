// SPDX-License-Identifier: GPL-3.0-or-later
#include "cost/run_cost.h"

#include "base/text.h"
#include "session/lanes.h"
#include "system/system.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <map>

namespace mirrorscope {

namespace {
// What a micro-step outside of every call stands for in the table; of what the guest and its CPU do, nothing.
std::string_view rowOf(Site site, bool isTd) {
    switch (site) {
    case Site::EptWalk:
    case Site::TlbFill:
    case Site::TlbHit:
    case Site::EptAd:
    case Site::TlbEvict: return "";
    case Site::TlbFlush: return "tlb-flush";
    case Site::KickSend: return "ipi";
    case Site::VcpuExit: return isTd ? "micro-step" : "exit"; // a TD leaves by TDH.VP.ENTER
    default: return "micro-step";
    }
}
} // namespace

const CostLine* RunCost::line(std::string_view name) const {
    const auto found = std::find_if(lines.begin(), lines.end(), [&](const CostLine& one) { return one.name == name; });
    return found == lines.end() ? nullptr : &*found;
}

void RunCosts::step(u64 n, const Count& count) {
    const Machine& machine = session_.system().machine();
    const Kvm& kvm = session_.system().kvm();
    const StepRecord& step = machine.step(n);
    unsigned& depth = inside_[step.actor];
    const bool ends = step.site == Site::SeamcallLeave || step.site == Site::TdcallLeave;
    if (step.site == Site::SeamcallEnter || step.site == Site::TdcallEnter)
        ++depth;
    if (depth == 0)
        if (const std::string_view row = rowOf(step.site, session_.system().isTdx()); !row.empty())
            count(row, n, 1);
    if (ends && depth > 0)
        --depth;
    // A page comes, beside what looked for it: a table's, or one behind the guest's memory.
    if (step.site == Site::PageAlloc)
        count("page", n, 1);
    machine.forEachChange(n, [&](Place place, u64 delta) {
        if ((delta & Kvm::kHostPfn) == 0 || !kvm.gfnOfPageWord(place))
            return;
        u64& word = behind_[place.v];
        word ^= delta;
        if ((word & Kvm::kHostPfn) != 0)
            count("page", n, 1);
    });
}

void RunCosts::calls(const Count& count, std::size_t first, std::size_t end) {
    const auto& marks = session_.system().sim().marks();
    for (const Span& span : std::span(session_.lanes().seamcalls()).subspan(first, end - first)) {
        count(leafName(span), span.begin, 1);
        const u64 level = marks[span.entered].a[0] & 7; // as the module counts them
        if (span.kind == Span::Kind::Tdcall && span.closed && !span.exits && span.detail == tdx::kSuccess && level != 0)
            count("cleared", span.begin, pagesPer(levelOf(static_cast<unsigned>(level) + 1)) - 1); // the row of the leaf is of 4K
    }
}

RunCost costOf(const Session& session, const CostTable& table) {
    const Machine& machine = session.system().machine();
    std::map<std::string, u64, std::less<>> times;
    const StepCosts::Count count = [&](std::string_view name, u64, u64 more) {
        const auto found = times.find(name);
        (found == times.end() ? times.emplace(std::string(name), 0).first : found)->second += more;
    };
    RunCosts costs(session, table);
    for (u64 n = 0; n < machine.steps(); ++n)
        costs.step(n, count);
    costs.calls(count, 0, session.lanes().seamcalls().size());
    RunCost out;
    out.microSteps = machine.steps();
    for (const auto& [name, n] : times)
        out.lines.push_back({name, n, static_cast<double>(n) * table.ns(name)});
    std::stable_sort(out.lines.begin(), out.lines.end(), [](const CostLine& a, const CostLine& b) { return a.ns > b.ns; });
    for (const CostLine& line : out.lines)
        out.ns += line.ns;
    for (unsigned lock = 0; lock < kLocks; ++lock) {
        LockCost cost{std::string(name(static_cast<LockId>(lock)))};
        for (const Span& span : session.lanes().locks(lock)) {
            const u64 length = span.end - span.begin;
            if (span.kind == Span::Kind::Wait) {
                ++cost.waits;
                cost.waited += length;
                continue;
            }
            const unsigned mode = span.write ? 1 : 0;
            ++cost.times[mode];
            cost.held[mode] += length;
            cost.longest[mode] = std::max(cost.longest[mode], length);
        }
        if (cost.times[0] + cost.times[1] + cost.waits != 0)
            out.locks.push_back(std::move(cost));
    }
    return out;
}

namespace {
// At most five characters: 99999, 207k, 44M. The other formats have all digits.
std::string shortCount(u64 count) {
    return count < 100'000          ? std::to_string(count)
           : count < 10'000'000     ? fmt::format("{}k", count / 1000)
           : count < 10'000'000'000 ? fmt::format("{}M", count / 1'000'000)
                                    : fmt::format("{}G", count / 1'000'000'000);
}

} // namespace

std::string durationText(double ns) {
    return ns < 1e3   ? fmt::format("{:.0f} ns", ns)
           : ns < 1e6 ? fmt::format("{:.1f} µs", ns / 1e3)
           : ns < 1e9 ? fmt::format("{:.1f} ms", ns / 1e6)
                      : fmt::format("{:.1f} s", ns / 1e9);
}

std::string costText(const std::string& title, const RunCost& cost, const CostTable& table) {
    // A µ is two bytes and one column.
    const auto right = [](const std::string& text, std::size_t width) {
        const std::size_t columns = characters(text);
        return std::string(columns < width ? width - columns : 0, ' ') + text;
    };
    std::string out = wrapped(fmt::format("{}: {} micro-steps; {} on one CPU, by {}", title, cost.microSteps, durationText(cost.ns),
                                          table.isDefault() ? "the default costs" : "the given costs"),
                              "", 2);
    out += fmt::format("\n  {:<28}{:>10}{}{}\n", "what", "times", right("each", 14), right("all", 14));
    for (const CostLine& line : cost.lines)
        out += fmt::format("  {:<28}{:>10}{}{}\n", line.name, line.times, right(durationText(table.ns(line.name)), 14),
                           right(durationText(line.ns), 14));
    if (!cost.locks.empty())
        out += "\n  lock (in micro-steps)      for reading          for writing          waited\n"
               "                           times   all  most    times   all  most    times   all\n";
    for (const LockCost& lock : cost.locks) {
        out += fmt::format("  {:<24}", lock.name);
        for (const unsigned mode : {0u, 1u})
            out += fmt::format("{:>{}}{:>6}{:>6}", shortCount(lock.times[mode]), mode == 0 ? 6 : 9, shortCount(lock.held[mode]),
                               shortCount(lock.longest[mode]));
        out += fmt::format("{:>9}{:>6}\n", shortCount(lock.waits), shortCount(lock.waited));
    }
    return out;
}

std::string costCsv(const RunCost& cost) {
    std::string out = "what,times,ns\n";
    for (const CostLine& line : cost.lines)
        out += fmt::format("{},{},{:.0f}\n", line.name, line.times, line.ns);
    return out;
}

std::string costJson(const RunCost& cost, const CostTable& table) {
    nlohmann::ordered_json json{{"kind", "cost"}, {"micro_steps", cost.microSteps}, {"ns", cost.ns}};
    json["lines"] = json["locks"] = nlohmann::ordered_json::array();
    for (const CostLine& line : cost.lines)
        json["lines"].push_back({{"what", line.name}, {"times", line.times}, {"each_ns", table.ns(line.name)}, {"ns", line.ns}});
    for (const LockCost& lock : cost.locks)
        json["locks"].push_back({{"lock", lock.name},
                                 {"read", {{"times", lock.times[0]}, {"held", lock.held[0]}, {"longest", lock.longest[0]}}},
                                 {"write", {{"times", lock.times[1]}, {"held", lock.held[1]}, {"longest", lock.longest[1]}}},
                                 {"waits", lock.waits},
                                 {"waited", lock.waited}});
    return json.dump(2) + "\n";
}

} // namespace mirrorscope
