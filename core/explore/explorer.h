// SPDX-License-Identifier: GPL-3.0-or-later
// Every interleaving of a scenario's races, depth first.
//
//   Explorer explorer(scenario, options);
//   const ExploreResult result = explorer.run();
//
// Stateful: a state that was seen before is not entered again; a state is the machine's memory and, for each actor, where it stands and
// what it has read since its step began. Stateless: of all orders of micro-steps that commute only one is run (explore/reduction.h), and
// nothing is remembered but the present path. Between executions the journal is undone; the machine is never built anew.
#pragma once

#include "explore/hash_set.h"
#include "scenario/runner.h"

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace mirrorscope {

enum class ExploreMode : u8 { Auto, Stateless, Stateful };
std::string_view name(ExploreMode mode);

struct ExploreOptions {
    // Auto: stateless while that ends soon, else stateful.
    ExploreMode mode = ExploreMode::Auto;
    // At most so many times does another actor go on although the one before it could have. Only stateful.
    std::optional<unsigned> preemptions = {};
    bool all = false;       // go on after the first violation
    double seconds = 0;     // 0: no bound
    u64 maxTransitions = 0; // 0: no bound
    std::function<void(u64 states, u64 transitions)> progress = {};
    std::function<bool()> cancelled = {};
    // Told the hash of the machine at the end of each execution.
    std::function<void(u64 hash)> finalState = {};
};

struct ExploreFinding {
    std::string rule; // a rule's name, or "expect"
    std::string text;
    // Race by race: whole runs of micro-steps, actor by actor.
    std::vector<std::vector<std::pair<std::string, u64>>> schedule;
};

struct ExploreResult {
    ExploreMode mode = ExploreMode::Stateful; // the one that was used
    u64 executions = 0;                       // that reached the end of the script; stateless: no two of them are equivalent
    u64 states = 0;                           // stateful
    u64 redundant = 0;                        // stateless: begun, and given up because all that could follow was tried elsewhere
    u64 transitions = 0;                      // micro-steps taken for the first time
    u64 races = 0;
    bool complete = true;
    bool stopped = false; // by a bound
    bool cut = false;     // by the bound on preemptions
    std::vector<ExploreFinding> findings;
    std::vector<std::pair<std::string, bool>> sometimes;
    double seconds = 0;

    bool ok(bool judgeSometimes = true) const;
};

class Explorer {
public:
    Explorer(const Scenario& scenario, const ExploreOptions& options);
    ExploreResult run();

private:
    struct Snapshot {
        u64 position, marks, hash;
        std::size_t violations, expectations;
    };
    struct Stop {};

    void runOnce(ExploreMode mode);
    Snapshot snapshot() const;
    void restore(const Snapshot& at);
    void exploreFrom(std::size_t item);
    void exploreRace(std::size_t item);
    void raceByStates(std::size_t item, Race& race);
    void raceByTraces(std::size_t item, Race& race);
    void endOfRace(std::size_t item);
    void deadlock(const Race& race);
    void goBack(Race& race, const Snapshot& at, std::size_t length);
    void setSchedule(const Race& race, const std::vector<u8>& path);
    void endOfScript();
    // Was the present state not entered before?
    bool isNew(const Race& race, std::size_t item, u64 extra);
    u64 pathHash() const;
    void collectViolations();
    void record(const std::string& rule, const std::string& text, bool failing);
    void checkBounds();

    const Scenario& scenario_;
    ExploreOptions options_;
    Runner runner_;
    HashSet seen_, seenStacks_;
    std::unordered_map<u64, u64> executionsFrom_; // stateless: the end of a race, and how many executions followed from there
    u64 maxTransitions_ = 0;                      // of the present attempt
    ExploreResult result_;
    std::vector<std::vector<std::pair<std::string, u64>>> schedule_; // of the present execution
    std::chrono::steady_clock::time_point start_;
};

} // namespace mirrorscope
