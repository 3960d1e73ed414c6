// SPDX-License-Identifier: GPL-3.0-or-later
#include "session/statistics.h"

#include "scenario/runner.h"
#include "session/style.h"
#include "tdx/module/leaves.h"

#include <fmt/format.h>

#include <algorithm>

namespace mirrorscope {

namespace {
using Clock = std::chrono::steady_clock;
constexpr u64 kNowhere = ~u64{0};
struct Pair {
    const char *light, *dark;
};
// Okabe and Ito's, and what can be told from them.
constexpr Pair kPalette[] = {{"#0072B2", "#56B4E9"}, {"#D55E00", "#FF9A57"}, {"#009E73", "#3FD0A5"}, {"#9E5B86", "#CC79A7"},
                             {"#B58900", "#F0E442"}, {"#00A3C4", "#7FE3F5"}, {"#56799B", "#8FB4D9"}, {"#9A5B00", "#E69F00"},
                             {"#6B5B95", "#B3A2DB"}, {"#57606A", "#8B949E"}};
constexpr Pair kError{"#C1121F", "#FF6B6B"};
} // namespace

std::string_view name(Statistic statistic) {
    constexpr std::string_view names[] = {"Page states",           "SEAMCALLs by leaf", "SEAMCALLs by status", "Retries and busy",
                                          "TLB flushes and kicks", "Faults by result",  "Lock waits",          "Predicted time in µs"};
    static_assert(std::size(names) == kStatistics);
    return names[static_cast<unsigned>(statistic)];
}

Statistics::Statistics(Session& session, const GpaMap& map, unsigned parts, std::unique_ptr<StepCosts> costs)
    : session_(session), map_(map), costs_(std::move(costs)), parts_(static_cast<unsigned>(std::clamp<u64>(session.end(), 1, parts))),
      end_(session.end()) {}

Series& Statistics::of(Statistic statistic, const std::string& name, const std::string& light, const std::string& dark) {
    auto& list = series_[static_cast<unsigned>(statistic)];
    const auto found = std::find_if(list.begin(), list.end(), [&](const Series& s) { return s.name == name; });
    if (found != list.end())
        return *found;
    list.push_back({name, light, dark, std::vector<double>(parts_, 0), std::vector<u64>(parts_, kNowhere)});
    return list.back();
}

Series& Statistics::of(Statistic statistic, const std::string& name) {
    const Pair& colour = kPalette[series_[static_cast<unsigned>(statistic)].size() % std::size(kPalette)];
    return of(statistic, name, colour.light, colour.dark);
}

void Statistics::count(Series& series, u64 n, double by) {
    const unsigned part = partOf(n);
    series.values[part] += by;
    series.first[part] = std::min(series.first[part], n + 1);
}

void Statistics::countCost(std::string_view row, u64 n, u64 times) {
    constexpr double kMicro = 1000;
    if (const double ns = costs_->ns(row); ns > 0)
        count(of(Statistic::Time, std::string(row)), n, static_cast<double>(times) * ns / kMicro);
}

namespace {
enum List : unsigned { kSeamcalls, kFaults, kFirstLock };
}

std::span<const Span> Statistics::spansOf(unsigned list) const {
    const Lanes& lanes = session_.lanes();
    return list == kSeamcalls ? lanes.seamcalls() : list == kFaults ? lanes.faults() : lanes.locks(list - kFirstLock);
}

void Statistics::countSpan(unsigned list, const Span& span) {
    if (list == kSeamcalls) {
        count(of(Statistic::SeamcallsByLeaf, std::string(info(static_cast<Leaf>(span.code)).name)), span.begin, 1);
        if (!span.closed)
            return;
        const std::string status = statusName(span);
        Series& s = span.detail >> 63 != 0 && series_[static_cast<unsigned>(Statistic::SeamcallsByStatus)].size() < 2
                        ? of(Statistic::SeamcallsByStatus, status, kError.light, kError.dark)
                        : of(Statistic::SeamcallsByStatus, status);
        count(s, span.end - 1, 1);
        if (status.find("BUSY") != std::string::npos)
            count(of(Statistic::Retries, "SEAMCALL " + status), span.end - 1, 1);
    } else if (list == kFaults) {
        const std::string result(retPfName(static_cast<int>(span.detail)));
        count(of(Statistic::Faults, result.empty() ? std::to_string(static_cast<std::int64_t>(span.detail)) : result), span.end - 1, 1);
        if (result == "RET_PF_RETRY")
            count(of(Statistic::Retries, "fault: RET_PF_RETRY"), span.end - 1, 1);
    } else if (span.kind == Span::Kind::Wait) {
        count(of(Statistic::LockWaits, std::string(mirrorscope::name(static_cast<LockId>(list - kFirstLock)))), span.begin,
              static_cast<double>(span.end - span.begin));
    }
}

// True when all are counted.
bool Statistics::countSpans(Clock::time_point until, const StepCosts::Count& cost) {
    constexpr std::size_t kSlice = 1024;
    while (list_ < kFirstLock + kLocks) {
        const std::span<const Span> spans = spansOf(list_);
        const std::size_t end = std::min(spans.size(), span_ + kSlice);
        if (costs_ && list_ == kSeamcalls)
            costs_->calls(cost, span_, end);
        for (; span_ < end; ++span_)
            countSpan(list_, spans[span_]);
        if (span_ == spans.size()) {
            ++list_;
            span_ = 0;
        }
        if (Clock::now() > until)
            break;
    }
    return list_ == kFirstLock + kLocks;
}

bool Statistics::advance(Clock::time_point until) {
    const Machine& machine = session_.system().machine();
    constexpr u64 kSlice = 4096;
    const StepCosts::Count cost = [this](std::string_view row, u64 n, u64 times) { countCost(row, n, times); };
    while (phase_ == Phase::Steps) {
        const u64 to = std::min(end_, step_ + kSlice);
        for (; step_ < to; ++step_) {
            if (costs_)
                costs_->step(step_, cost);
            switch (const Site site = machine.step(step_).site) {
            case Site::TlbFlush: count(of(Statistic::TlbAndKicks, "TLB flushes"), step_, 1); break;
            case Site::TlbRequest: count(of(Statistic::TlbAndKicks, "flush requests"), step_, 1); break;
            case Site::KickSend: count(of(Statistic::TlbAndKicks, "kicks"), step_, 1); break;
            case Site::SpteRestore: count(of(Statistic::Retries, "spte.restore"), step_, 1); break;
            default: static_cast<void>(site); break;
            }
        }
        if (step_ == end_)
            phase_ = Phase::Spans;
        if (Clock::now() > until)
            return false;
    }
    if (phase_ == Phase::Spans) {
        if (!countSpans(until, cost))
            return false;
        phase_ = Phase::Pages;
        if (Clock::now() > until)
            return false;
    }
    if (phase_ == Phase::Pages) {
        Machine& moved = session_.machineToRead();
        const u64 here = session_.position();
        const bool tdx = session_.hasColumn(Column::Mirror);
        while (part_ < parts_) {
            // At the end of the part, so that the last one shows how it ended.
            moved.seek(positionOf(part_ + 1));
            for (const Column column : {Column::Shared, Column::Private}) {
                if (column == Column::Private && !tdx)
                    continue;
                // Without a bound in time: a sample is whole or it is wrong.
                const MapStrip strip = map_.strip(column, {0}, map_.size(), 1, Clock::time_point::max());
                for (unsigned state = 0; state < kMapStates; ++state) {
                    if (state == kStyleNone || state == kStyleTable || strip.buckets[0].pages[state] == 0)
                        continue;
                    const StateStyle& style = styleAt(state);
                    Series& s = of(Statistic::PageStates,
                                   fmt::format("{} {}", tdx ? (column == Column::Shared ? "shared" : "private") : "direct", style.name),
                                   std::string(style.light), std::string(style.dark));
                    s.values[part_] = strip.buckets[0].pages[state];
                    s.first[part_] = positionOf(part_ + 1);
                }
            }
            ++part_;
            if (Clock::now() > until)
                break;
        }
        moved.seek(here);
        if (part_ == parts_)
            phase_ = Phase::Done;
    }
    return phase_ == Phase::Done;
}

double Statistics::progress() const {
    if (phase_ == Phase::Done || end_ == 0)
        return 1;
    return 0.3 * static_cast<double>(step_) / static_cast<double>(end_) + 0.7 * part_ / parts_;
}

std::string Statistics::csv(Statistic statistic) const {
    std::string out = "part,position";
    for (const Series& s : series(statistic))
        out += "," + s.name;
    out += "\n";
    for (unsigned p = 0; p < parts_; ++p) {
        out += fmt::format("{},{}", p, positionOf(p));
        for (const Series& s : series(statistic))
            out += fmt::format(",{:g}", s.values[p]);
        out += "\n";
    }
    return out;
}

} // namespace mirrorscope
