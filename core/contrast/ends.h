// SPDX-License-Identifier: GPL-3.0-or-later
// The ends that exploring found, told apart by what differs: results, entries, what vCPUs have cached, violated rules. Those that agree in
// all of that (they differ in frame numbers, counters) are one row.
#pragma once

#include "explore/result.h"
#include "scenario/scenario.h"

#include <functional>
#include <string>
#include <vector>

namespace mirrorscope {

struct EndRow {
    std::vector<std::string> values; // one for each feature
    u64 count = 0;                   // ends that look like this
    std::size_t end = 0;             // of them the one that switches least from actor to actor, as an index
    std::string violated;            // rules, expected ones marked, and `expect`; empty: none
    bool fails = false;              // one of them is not as the scenario says
    std::string parts;               // where its order parts from that of the first row
};

struct EndTable {
    std::vector<std::string> features; // those in which ends differ
    std::vector<EndRow> rows;          // violating ones first, then the most frequent ones
    u64 looked = 0, all = 0;           // so many of so many ends were run again
};

// Runs each end's order once more, at most `kMostRunAgain` of them.
inline constexpr std::size_t kMostRunAgain = 200;
EndTable endTable(const Scenario& scenario, const std::vector<ExploreEnd>& ends, const std::function<bool()>& cancelled = {});

// Switches from one actor to another.
u64 switchesOf(const Schedule& schedule);

} // namespace mirrorscope
