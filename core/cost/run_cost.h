// SPDX-License-Identifier: GPL-3.0-or-later
// What a run cost: how often each thing happened that takes time, how long that takes by a table, and how long locks were held.
#pragma once

#include "cost/cost_table.h"
#include "session/session.h"
#include "session/statistics.h"

#include <array>
#include <unordered_map>

namespace mirrorscope {

// "page": one that comes, a table's or one behind the guest's memory, beside the micro-step that looks for it.
struct CostLine {
    std::string name; // as in the table
    u64 times = 0;
    double ns = 0; // of all of them
};

struct LockCost {
    std::string name;
    // How often it was taken, and for how many micro-steps it was held in all and at most: for reading, for writing. Up to the store that
    // gives it back; where stores wait in a buffer others see that later.
    std::array<u64, 2> times{}, held{}, longest{};
    u64 waits = 0, waited = 0; // micro-steps that somebody else's hold took from whoever waited
};

struct RunCost {
    u64 microSteps = 0;
    std::vector<CostLine> lines; // the dearest first
    std::vector<LockCost> locks; // those that were taken
    double ns = 0;

    const CostLine* line(std::string_view name) const;
};

// The micro-steps and calls of a run by the rows of the table, also for the chart of them.
class RunCosts final : public StepCosts {
public:
    // The session outlives it.
    RunCosts(const Session& session, const CostTable& table) : session_(session), table_(table) {}
    void step(u64 n, const Count& count) override;
    void calls(const Count& count, std::size_t first, std::size_t end) override;
    double ns(std::string_view row) const override { return table_.ns(row); }

private:
    const Session& session_;
    CostTable table_;
    std::unordered_map<u64, u64> behind_;          // the words that say which frame is behind a page of the guest; none when it begins
    std::unordered_map<ActorId, unsigned> inside_; // how many calls an actor is inside of: what lies there is the call's
};

// One actor at a time does something in the model, so that the time is that of one CPU which does all of it.
RunCost costOf(const Session& session, const CostTable& table);
std::string durationText(double ns);                                                         // "8.1 µs", "3.2 s"
std::string costText(const std::string& title, const RunCost& cost, const CostTable& table); // 78 columns
std::string costCsv(const RunCost& cost);
std::string costJson(const RunCost& cost, const CostTable& table);

} // namespace mirrorscope
