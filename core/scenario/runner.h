// SPDX-License-Identifier: GPL-3.0-or-later
// Runs a scenario: one machine, the script's steps in order, races by their schedule.
//
//   Runner runner(scenario);
//   runner.runAll();
//   runner.ok();  runner.expectations();  runner.checker().violations();
#pragma once

#include "rules/checker.h"
#include "scenario/evaluate.h"
#include "scenario/run_options.h"
#include "scenario/scenario.h"
#include "sim/race.h"

#include <array>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace mirrorscope {

// Thrown when a bound was reached: what was done so far stands.
struct BoundReached {
    std::string what;
};

struct ExpectationResult {
    u64 n = 0; // position at which it was looked at
    unsigned line = 0;
    u32 script = 0;
    bool holds = false;
    std::string text;
    std::string found;
};

class Runner {
public:
    explicit Runner(const Scenario& scenario, const RunOptions& options = {}); // of a scenario that lives as long
    explicit Runner(const Scenario&& scenario, const RunOptions& options = {}) = delete;

    const Scenario& scenario() const { return scenario_; }
    System& system() { return system_; }
    const System& system() const { return system_; }
    Checker& checker() { return checker_; }
    const Checker& checker() const { return checker_; }

    // The whole script and the final expectations. False when a bound or a deadlock ended it early.
    bool runAll();
    // One item of the top level; a race runs by its schedule.
    void runItem(const Step& step);
    // What stands before `begin-history`, and that: the number of the item behind it. 0 if it does not stand in the script.
    std::size_t runToHistory();
    // The final expectations in the present state.
    void finish();

    // Pieces for the explorer, which drives races itself.
    std::vector<Race::Actor> raceActors(const Step& race);
    void quiet();
    void setIgnoreRaceExpectations(bool on) { ignoreRaceExpectations_ = on; }

    const std::vector<ExpectationResult>& expectations() const { return expectations_; }
    void truncateExpectations(std::size_t size) { expectations_.resize(size); }
    std::size_t failed() const;
    // Violations that no `{violation: RULE}` names.
    std::size_t unnamedViolations() const;
    bool ok() const { return failed() == 0 && unnamedViolations() == 0 && (stopped_.empty() || demonstrated_); }
    // Why the run ended early; empty if it did not.
    const std::string& stopped() const { return stopped_; }
    bool bounded() const { return bounded_; }
    // Micro-steps that were taken before the history began.
    u64 before() const { return before_; }
    // Sites that a schedule waited for in vain.
    const std::vector<std::string>& remarks() const { return remarks_; }

    bool namesViolation(Rule rule) const;

private:
    void noteNamed();
    void beginHistory();
    bool checking() const;
    void checkBound(u64 steps, u64 forOne, std::string_view where);
    [[gnu::noinline]] void endIfAsked(bool tooMany, u64 steps, std::string_view where) const;
    void execute(const Step& step);
    Outcome call(const Step& step);
    Outcome perform(const Step& step);
    Outcome rawSeamcall(const Step& step);
    int gmemFile(const Step& step);
    static u64 contentWord(const void* context, u64 offset); // of a step's `content`
    std::optional<Pfn> operandPage(const Step& step, const char* name, Level size, FrameKind kind);
    void runRace(const Step& step);
    void runSchedule(const Step& step, Race& race);
    void expectation(const Expectation& e);
    void deadlock(const Race& race);
    // What was asked before the step that has just ended gets its answer: by that actor in a race, else by whoever.
    void answer(std::optional<ActorId> whose = std::nullopt);

    const Scenario& scenario_;
    RunOptions options_;
    System system_;
    Checker checker_;
    std::array<bool, kRules> named_{}; // by expectations of the scenario
    bool ignoreRaceExpectations_ = false;
    bool bounded_ = false;
    u64 before_ = 0;                         // micro-steps before the history began
    u64 askedAt_ = 0;                        // at which of them somebody was asked whether that is enough
    static constexpr u64 kBeforeForOne = 32; // of these count as one that is recorded
    std::string stopped_;
    bool demonstrated_ = false;                          // it ended because nobody can go on, which is what the scenario wants to show
    static constexpr ActorId kOfTheScript = 0xffff;      // no actor
    std::vector<std::pair<ActorId, const Step*>> asked_; // and not answered yet; only of a recorded run
    std::vector<ExpectationResult> expectations_;
    std::vector<std::string> remarks_;
};

} // namespace mirrorscope
