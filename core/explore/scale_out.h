// SPDX-License-Identifier: GPL-3.0-or-later
// One exploration shared out: among processes on this machine, among shards that run anywhere, and over several runs by a frontier that
// says which parts are done.
//
// The search is cut into tasks (ExploreSplit). Worker processes take them one after another; in stateful mode they share what they have
// seen. A shard takes every N-th task. A finished task's result goes into the frontier at once, so that whatever ends the exploration,
// the next one goes on with the tasks that are left.
#pragma once

#include "explore/explorer.h"
#include "explore/together.h"

#include <stdexcept>
#include <string>

namespace mirrorscope {

struct ScaleOut {
    unsigned jobs = 1;
    unsigned shard = 1, shards = 1; // the first is 1
    // Which exploration this is (scenario and overrides), so that a frontier is not taken for another's.
    std::string identity = {};
    std::string frontier = {};                              // what an earlier run left; empty at first
    std::function<void(const std::string& json)> save = {}; // told the new frontier now and then, and at the end
    std::function<void(u64 done, u64 tasks)> progress = {}; // of this shard, every few seconds
    // With threads a stateful search of one race is shared out among them, and needs no processes (explore/together.h).
    OnThreads onThreads = {};
};

// The frontier is not one of this exploration.
struct FrontierMismatch : std::runtime_error {
    using std::runtime_error::runtime_error;
};

// What Auto comes to for this scenario: a short attempt, bounded in micro-steps, so that everybody decides alike.
ExploreMode modeFor(const Scenario& scenario, const ExploreOptions& options);
// Where to cut for that many tasks, if the first race has as many ways to go; the mode must not be Auto.
struct Cut {
    unsigned depth = 1;
    u64 tasks = 1;
};
Cut cutInto(const Scenario& scenario, const ExploreOptions& options, u64 wanted);

ExploreResult exploreShared(const Scenario& scenario, const ExploreOptions& options, const ScaleOut& scale);

} // namespace mirrorscope
