// SPDX-License-Identifier: GPL-3.0-or-later
// Every interleaving of a scenario's races, depth first.
//
//   Explorer explorer(scenario, options);
//   const ExploreResult result = explorer.run();
//
// Stateful: a state that was seen before is not entered again; a state is the machine's memory and, for each actor, where it stands and
// what it has read since its step began. Stateless: of all orders of micro-steps that commute only one is run (explore/reduction.h), and
// nothing is remembered but the present path. Between executions the journal is undone; the machine is never built anew. Plain
// (explore/plain.h) has none of that and judges the others.
#pragma once

#include "explore/ample.h"
#include "explore/crew.h"
#include "explore/hash_set.h"
#include "explore/reduction.h"
#include "explore/result.h"
#include "scenario/runner.h"

#include <chrono>
#include <functional>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

namespace mirrorscope {

// The search contradicts itself: a fault of the program, never of what it was given.
struct InternalError : std::logic_error {
    using std::logic_error::logic_error;
};

// The search cut into tasks, so that they can be shared out: what follows each way in which the first race's first `depth` micro-steps can
// go (stateless: each that is not equivalent to another; stateful: each state that they lead to). The same cut always gives the same tasks
// in the same order.
struct ExploreSplit {
    unsigned depth = 0;
    std::function<bool(u64 task)> take = {};
    std::function<void(u64 task, const ExploreResult& soFar)> done = {};
    bool countsTop = true;  // what all have in common counts here
    bool backwards = false; // stateful: the last actor first, so that two who share what they have seen begin at different ends
    HashSet *seen = nullptr, *seenStacks = nullptr; // shared with others
};

struct ExploreOptions {
    // Auto: stateless while that ends soon, else stateful. What stateless proves is searched statefully, too, and must come out the same.
    ExploreMode mode = ExploreMode::Auto;
    // At most so many times does another actor go on although the one before it could have. Only stateful.
    std::optional<unsigned> preemptions = {};
    // For those who look for a bug and not for a proof: first all executions without a preemption, then those with one, with two, and then
    // the rest. With a bound of its own it has no meaning.
    bool fewestFirst = false;
    bool all = false;                                              // go on after the first violation
    double seconds = 0;                                            // 0: no bound
    u64 maxTransitions = 0;                                        // 0: no bound
    bool attempt = false;                                          // as Auto tries: given up when it is laborious
    std::function<void(const ExploreResult& soFar)> progress = {}; // told every thousand micro-steps or so
    std::function<bool()> cancelled = {};
    // Counts what calls are made, in every execution (kvm/census.h).
    Census* census = nullptr;
    // Told after each micro-step of a race, and after each step outside of one: the machine, and which of its marks are new. `order` is how
    // the execution came there.
    std::function<void(const System&, u64 firstMark, const std::function<Schedule()>& order)> look = {};
    // Told the hash of the machine at the end of each execution.
    std::function<void(u64 hash)> finalState = {};
    std::optional<ExploreSplit> split = {};
    // One of several searches at once (explore/together.h), and which.
    Crew* crew = nullptr;
    unsigned member = 0;
    // For tests: done to the machine before anything runs.
    std::function<void(System&)> prepare = {};
    // For tests: a part of the reduction that is left out.
    Reduction::Part without = Reduction::Part::All;
    std::optional<Rule> deafTo = {}; // a rule that reports nothing
    // Stateful: only the micro-steps of actors whom the others cannot disturb (explore/ample.h).
    enum class Reduce : u8 { WhereItPays, Always, Never };
    Reduce reduce = Reduce::WhereItPays;
    Ample::Part ampleWithout = Ample::Part::All; // for tests
    // Stateful: whose micro-step commutes with all that came since it was tried is not tried again (sleep sets). The others are for tests:
    // nobody sleeps; nobody wakes.
    enum class Sleep : u8 { All, Nobody, WithoutWaking };
    Sleep sleep = Sleep::All;
};

// The results of the steps that have an id, as ExploreEnd has them.
std::string resultsText(const Scenario& scenario, const System& system);

class Explorer {
public:
    Explorer(const Scenario& scenario, const ExploreOptions& options);
    ExploreResult run();
    const System& system() const { return runner_.system(); }
    // So many micro-steps does Auto try without remembering states; did such an attempt end without an answer?
    static constexpr u64 kTry = 20'000;
    // Nor does it go on when so many micro-steps were held against others: in executions of many thousands each is held against all.
    static constexpr u64 kCompare = 50'000'000;
    static bool undecided(const ExploreResult& attempt) { return attempt.stopped && (attempt.transitions >= kTry || attempt.laborious); }
    static u64 racesOf(const Scenario& scenario);
    // Is a stateful search of it reduced in any case, as far as it is not cut into tasks? (Of races of two: only while that pays.)
    static bool isReduced(const Scenario& scenario, const ExploreOptions& options);

private:
    struct Snapshot {
        u64 position, marks, hash;
        std::size_t violations, expectations;
        Touched::Moment quiet;
    };
    struct Stop {};
    struct Again {}; // a decision of Ample turned out to be wrong
    class RaceWorld;
    class ByStates;
    static constexpr unsigned kFewActors = 2;
    // In a path: the actor woke up, read on to its next site and had to wait there. A schedule counts micro-steps only.
    static constexpr u16 kNoMicroStep = 0x8000;

    void search();
    bool searchWithFew(const Snapshot& beginning, const ExploreResult& empty);
    void beginAnew(const Snapshot& at, const ExploreResult& empty);
    // Anew; the result so far.
    ExploreResult begin(const Snapshot& at, const ExploreResult& result);
    void runOnce(ExploreMode mode);
    Snapshot snapshot() const;
    void restore(const Snapshot& at);
    bool reachHistory();
    void exploreFrom(std::size_t item);
    void exploreRace(std::size_t item);
    void raceByStates(std::size_t item, Race& race);
    void raceByTraces(std::size_t item, Race& race);
    void endOfRace(std::size_t item);
    void deadlock(const Race& race);
    // To the state `at`, where so much was saved in the race; since then whoever moved was saved before.
    void goBack(Race& race, const Snapshot& at, std::size_t saved);
    // From the present state `at` that actor's next micro-step; it joins the path.
    void advance(std::size_t item, Race& race, const Snapshot& at, std::vector<u16>& path, unsigned choice);
    void setSchedule(const Race& race, const std::vector<u16>& path);
    void look(u64 firstMark, const std::function<Schedule()>& order) const {
        if (options_.look)
            options_.look(runner_.system(), firstMark, order);
    }
    // Is that length of the first race's path above, or at, the cut into tasks?
    bool inTop(std::size_t length) const { return options_.split && schedule_.size() == 1 && length < options_.split->depth; }
    bool atCut(std::size_t length) const { return options_.split && schedule_.size() == 1 && length == options_.split->depth; }
    bool takeTask();
    void taskDone();
    bool counts(std::size_t length) const { return !inTop(length) || options_.split->countsTop; }
    void endOfScript();
    // The present state; was it not entered before?
    struct StateHash {
        u64 byReads = 0, byStacks = 0;
    };
    // `stacks`: told by what they hold as well.
    StateHash stateHash(const Race& race, std::size_t item, u64 extra, bool stacks) const;
    // Of an old one: whom everybody has left out there who entered it, told by either hash.
    HashSet::Entered enter(const StateHash& state, HashSet::Left asleep);
    // What follows the end of a race is looked at once.
    bool isNewEnd(u64 hash) { return options_.crew != nullptr ? options_.crew->isFirst(hash) : seen_.insert(hash); }
    [[noreturn]] void callAnew();
    // Others may have called for an end, or for a new beginning.
    void heedCall() const;
    // Told now and then: is it too long?
    bool isOver();
    void takeNews();
    // Is the search of that race to be reduced?
    bool reduces(const Race& race) const;
    // Is it time to ask again whether all that was decided holds?
    bool looksAgain() {
        if (result_.transitions < lookAgain_)
            return false;
        constexpr u64 kPart = 10;
        lookAgain_ = result_.transitions + result_.transitions / kPart + kPart;
        return true;
    }
    u64 memoryHash() const { return runner_.system().machine().hash() + pathHash(); }
    // The same with where the actors stand; `memory` is memoryHash().
    static u64 stateHash(const Race& race, u64 memory, bool byStacks);
    u64 pathHash() const;
    void collectViolations();
    void record(const std::string& rule, const std::string& text, bool failing);
    void checkBounds();
    void heedCompared(u64 more);

    const Scenario& scenario_;
    ExploreOptions options_;
    Runner runner_;
    HashSet ownSeen_, ownSeenStacks_, top_{HashSet::Use::Own, HashSet::kMost / 8};
    std::unordered_set<u64> finals_;
    HashSet& seen_;
    HashSet& seenStacks_;
    Ample ample_;
    const bool hasOneRace_;
    std::size_t first_ = 0; // item of the script that is not done yet when the search begins
    u64 walk_ = 0;          // micro-steps in random order before the next search
    Branches ownBranches_;
    Branches& branches_;
    bool pays_ = true;  // in races of few
    u64 lookAgain_ = 0; // at how many micro-steps ample_ is asked whether all that it decided holds
    u64 tasks_ = 0;
    std::unordered_map<u64, u64> executionsFrom_; // stateless: the end of a race, and how many executions followed from there
    u64 maxTransitions_ = 0;                      // of the present attempt
    u64 maxCompared_ = 0;                         // of the present attempt; 0: no bound
    u64 compared_ = 0;
    ExploreResult result_;
    Schedule schedule_; // of the present execution
    std::chrono::steady_clock::time_point start_;
};

} // namespace mirrorscope
