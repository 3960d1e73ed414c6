// SPDX-License-Identifier: GPL-3.0-or-later
// Every interleaving of a scenario's races, depth first. A state that was seen before is not entered again; a state is
// the machine's memory and, for each actor, where it stands and what it has read since its step began.
//
//   Explorer explorer(scenario, options);
//   const ExploreResult result = explorer.run();
//
// Between executions the journal is undone; the machine is never built anew.
#pragma once

#include "scenario/runner.h"

#include <chrono>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace mirrorscope {

struct ExploreOptions {
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
    u64 executions = 0; // that reached the end of the script
    u64 states = 0;
    u64 transitions = 0; // micro-steps taken for the first time
    u64 races = 0;
    bool complete = true;
    bool stopped = false; // by a bound
    std::vector<ExploreFinding> findings;
    std::vector<std::pair<std::string, bool>> sometimes;
    double seconds = 0;

    bool ok(bool judgeSometimes = true) const;
};

// A set of 64-bit hashes in one flat table.
class HashSet {
public:
    HashSet();
    bool insert(u64 hash); // false if it was there
    u64 size() const { return size_; }

private:
    void grow();
    std::vector<u64> slots_;
    u64 size_ = 0;
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
    struct Node {
        std::vector<u8> choices;
        unsigned next = 0;
    };

    Snapshot snapshot() const;
    void restore(const Snapshot& at);
    void exploreFrom(std::size_t item);
    void exploreRace(std::size_t item);
    void endOfRace(std::size_t item);
    void endOfScript();
    // Was the present state not entered before?
    bool isNew(const Race& race, std::size_t item);
    u64 pathHash() const;
    void collectViolations();
    void record(const std::string& rule, const std::string& text, bool failing);
    void checkBounds();

    const Scenario& scenario_;
    ExploreOptions options_;
    Runner runner_;
    HashSet seen_, seenStacks_;
    ExploreResult result_;
    std::vector<std::vector<std::pair<std::string, u64>>> schedule_; // of the present execution
    std::chrono::steady_clock::time_point start_;
};

} // namespace mirrorscope
