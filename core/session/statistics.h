// SPDX-License-Identifier: GPL-3.0-or-later
// How often what happened over a run, in equal parts of it: the numbers behind the charts. Counted in slices, so that a window never
// waits for it.
#pragma once

#include "session/gpa_map.h"
#include "session/lanes.h"

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace mirrorscope {

enum class Statistic : u8 { PageStates, SeamcallsByLeaf, SeamcallsByStatus, Retries, TlbAndKicks, Faults, LockWaits, Time, Count_ };
inline constexpr unsigned kStatistics = static_cast<unsigned>(Statistic::Count_);
std::string_view name(Statistic statistic);

struct Series {
    std::string name;
    std::string light, dark;    // #rrggbb
    std::vector<double> values; // by part; pages, times or micro-steps
    std::vector<u64> first;     // the position that a part leads to: after the first such micro-step; ~0: none
};

// What a run's micro-steps and calls take (cost/run_cost.h), for Statistic::Time. A row is a name of the cost table.
class StepCosts {
public:
    using Count = std::function<void(std::string_view row, u64 n, u64 times)>; // n: the micro-step
    virtual ~StepCosts() = default;
    virtual void step(u64 n, const Count& count) = 0; // of micro-step n; all of them are asked for once, in order
    // Of the SEAMCALLs and TDCALLs (Lanes::seamcalls()) from `first` to before `end`.
    virtual void calls(const Count& count, std::size_t first, std::size_t end) = 0;
    virtual double ns(std::string_view row) const = 0;
};

class Statistics {
public:
    // Of a session's whole run. Without `costs` nothing is known of its time.
    Statistics(Session& session, const GpaMap& map, unsigned parts, std::unique_ptr<StepCosts> costs = nullptr);

    unsigned parts() const { return parts_; }
    // The position at which a part begins.
    u64 positionOf(unsigned part) const { return end_ * part / parts_; }
    // Goes on until then; true once everything is counted. The session is put back to its position.
    bool advance(std::chrono::steady_clock::time_point until);
    bool complete() const { return phase_ == Phase::Done; }
    // 0 to 1.
    double progress() const;
    const std::vector<Series>& series(Statistic statistic) const { return series_[static_cast<unsigned>(statistic)]; }
    // "part,position,NAME,NAME…"
    std::string csv(Statistic statistic) const;

private:
    enum class Phase : u8 { Steps, Spans, Pages, Done };
    Series& of(Statistic statistic, const std::string& name, const std::string& light, const std::string& dark);
    Series& of(Statistic statistic, const std::string& name); // a colour of its own
    void count(Series& series, u64 n, double by);
    unsigned partOf(u64 n) const { return end_ == 0 ? 0 : static_cast<unsigned>(std::min<u64>(parts_ - 1, n * parts_ / end_)); }
    std::span<const Span> spansOf(unsigned list) const;
    void countSpan(unsigned list, const Span& span);
    bool countSpans(std::chrono::steady_clock::time_point until, const StepCosts::Count& cost);
    void countCost(std::string_view row, u64 n, u64 times);

    Session& session_;
    const GpaMap& map_;
    std::unique_ptr<StepCosts> costs_;
    unsigned parts_;
    u64 end_;
    Phase phase_ = Phase::Steps;
    u64 step_ = 0;
    unsigned list_ = 0; // of spans: SEAMCALLs, faults, and each lock's
    std::size_t span_ = 0;
    unsigned part_ = 0;
    std::array<std::vector<Series>, kStatistics> series_;
};

} // namespace mirrorscope
