// SPDX-License-Identifier: GPL-3.0-or-later
#include "explore/explorer.h"
#include "explore/reduction.h"
#include "explore/scale_out.h"
#include "support/effort.h"
#include "support/run.h"
#include "support/seed.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <iostream>
#include <optional>
#include <random>
#include <set>
#include <unordered_map>

namespace mirrorscope::test {

namespace {
// Every final state of a race, found by trying each schedule from the beginning, with no reduction and no hashes of
// states on the way.
std::set<u64> bruteForce(const Scenario& scenario, u64& executions) {
    std::set<u64> finals;
    std::vector<unsigned> path, width;
    executions = 0;
    while (true) {
        Runner runner(scenario, {.check = false});
        std::size_t item = 0;
        for (; scenario.script[item].verb != Verb::Race; ++item)
            runner.runItem(scenario.script[item]);
        runner.system().sim().setScript(scenario.script[item].index);
        {
            Race race(runner.system().sim(), runner.raceActors(scenario.script[item]));
            for (unsigned i = 0; i < race.actors(); ++i)
                race.start(i);
            std::size_t depth = 0;
            while (!race.over() || race.enabled(race.count() - 1)) {
                const std::vector<unsigned> enabled = race.movable();
                if (enabled.empty())
                    break;
                if (depth == path.size()) {
                    path.push_back(0);
                    width.push_back(static_cast<unsigned>(enabled.size()));
                }
                race.run(enabled[path[depth++]]);
            }
        }
        runner.quiet();
        finals.insert(runner.system().machine().hash());
        ++executions;
        while (!path.empty() && path.back() + 1 == width.back()) {
            path.pop_back();
            width.pop_back();
        }
        if (path.empty())
            return finals;
        ++path.back();
    }
}

std::set<u64> explored(const Scenario& scenario, ExploreResult& result, ExploreMode mode) {
    ExploreOptions options;
    options.mode = mode;
    options.all = true;
    std::set<u64> finals;
    options.finalState = [&](u64 hash) { finals.insert(hash); };
    result = Explorer(scenario, options).run();
    return finals;
}
} // namespace

// Folder by folder, so that they run beside each other.
class ShippedScenarios : public testing::TestWithParam<std::string> {};

TEST_P(ShippedScenarios, hold_in_all_interleavings) {
    // (The selftests are as many as all others.)
    const auto files = shippedScenarios(GetParam());
    for (const auto& file : GetParam() == "selftests" ? someOf(files) : files) {
        SCOPED_TRACE(file);
        const Scenario scenario = loadScenario(file.string());
        ExploreOptions options;
        options.maxTransitions = effort(0, 10'000);
        std::set<u64> finals;
        options.finalState = [&](u64 hash) { finals.insert(hash); };
        const ExploreResult result = Explorer(scenario, options).run();
        const bool inPart = !wholeEffort() && result.stopped;
        EXPECT_EQ(result.complete, !inPart);
        EXPECT_EQ(result.stopped, inPart);
        EXPECT_TRUE(result.findings.empty());
        if (!inPart) {
            EXPECT_TRUE(result.ok());
        }
        // Where the reduction did it alone, entering every state must find the same.
        if (result.complete && result.mode == ExploreMode::Stateless && result.races != 0) {
            ExploreResult states;
            EXPECT_EQ(explored(scenario, states, ExploreMode::Stateful), finals);
            EXPECT_EQ(states.sometimes, result.sometimes);
        }
        for (const auto& f : result.findings)
            ADD_FAILURE() << f.rule << ": " << f.text;
    }
}

std::vector<std::string> foldersOfScenarios() {
    std::set<std::string> folders;
    for (const auto& file : shippedScenarios())
        folders.insert(std::filesystem::relative(file.parent_path(), kSource / "scenarios").string());
    return {folders.begin(), folders.end()};
}
INSTANTIATE_TEST_SUITE_P(Every, ShippedScenarios, testing::ValuesIn(foldersOfScenarios()), [](const auto& folder) { return folder.param; });

TEST(Explorer, finds_every_final_state_that_brute_force_finds) {
    const std::string head = "mirrorscope: 1\nmachine: {vm: default, vcpus: 2, slots: [{id: 0, gpa: 0, size: 4M}]}\nscript:\n"
                             "  - vcpu0: {write: 0x1000}\n  - vcpu1: {write: 0x1000}\n";
    for (const char* race : {"vcpu0: [{write: {gpa: 0x1000, value: 7}}], vcpu1: [{write: {gpa: 0x1000, value: 8}}]",
                             "vcpu0: [{read: 0x1000}], vcpu1: [{write: {gpa: 0x1000, value: 9}}]"}) {
        SCOPED_TRACE(race);
        const Scenario scenario = bindScenario("t.yaml", head + "  - race: {" + race + "}\n");
        u64 executions = 0;
        const auto all = bruteForce(scenario, executions);
        ExploreResult result;
        EXPECT_EQ(explored(scenario, result, ExploreMode::Stateful), all);
        EXPECT_TRUE(result.complete);
        EXPECT_LE(result.executions, executions);
        EXPECT_GT(executions, 10u);
    }
}

// The order of a whole execution, up to exchanging micro-steps that commute, as a number: for each access, which conflicting ones came last
// before it.
class TraceHash {
public:
    void add(unsigned actor, unsigned n, const Footprint& footprint) {
        const u64 label = mix(actor + 1, n + 1);
        hash_ += label;
        for (const auto& [place, kind, reads, old] : footprint) {
            Seen& seen = places_[place];
            const u64 at = mix(place, label);
            switch (kind) {
            case WordAccess::Kind::Read:
                hash_ += mix(at, seen.write + 3 * seen.adds);
                seen.reads += mix(label, 1);
                break;
            case WordAccess::Kind::Add:
                hash_ += mix(at, seen.write + 5 * seen.reads);
                seen.adds += mix(label, 2);
                break;
            case WordAccess::Kind::Write:
                hash_ += mix(at, seen.write + 3 * seen.adds + 5 * seen.reads);
                seen = {mix(label, 3), 0, 0};
                break;
            }
        }
    }
    u64 value() const { return hash_; }

private:
    struct Seen {
        u64 write = 0, reads = 0, adds = 0;
    };
    std::unordered_map<u64, Seen> places_;
    u64 hash_ = 0;
};

struct Brute {
    std::set<u64> finals, traces;
    u64 executions = 0;
};

// Every schedule by going back instead of running again, so that thousands of schedules cost little; nothing when there are more than
// `most`. All rules run, as what they look at counts as read.
std::optional<Brute> bruteForceByUndo(const Scenario& scenario, u64 most) {
    Brute brute;
    Runner runner(scenario);
    std::size_t item = 0;
    for (; scenario.script[item].verb != Verb::Race; ++item)
        runner.runItem(scenario.script[item]);
    Sim& sim = runner.system().sim();
    Machine& machine = runner.system().machine();
    sim.setScript(scenario.script[item].index);
    Race race(sim, runner.raceActors(scenario.script[item]));
    for (unsigned i = 0; i < race.actors(); ++i)
        race.start(i);
    std::vector<std::pair<unsigned, Footprint>> path;
    const auto endOfExecution = [&] {
        // Deferred frees are done at a quiet point; here they were steps of the race.
        brute.finals.insert(machine.hash());
        TraceHash trace;
        std::vector<unsigned> steps(race.count());
        for (const auto& [actor, accesses] : path)
            trace.add(actor, steps[actor]++, accesses);
        brute.traces.insert(trace.value());
        return ++brute.executions <= most;
    };
    const auto visit = [&](const auto& self) -> bool {
        const std::vector<unsigned> movable = race.movable();
        for (const unsigned i : movable) {
            const u64 at = machine.steps();
            const std::size_t violations = runner.checker().violations().size(), before = race.accesses(i).size();
            race.save(i);
            race.run(i);
            const AccessLog& log = race.accesses(i);
            path.emplace_back(i, footprint(log.data() + before, log.data() + log.size()));
            const bool go = self(self);
            path.pop_back();
            machine.rewind(at);
            runner.checker().truncate(violations);
            runner.checker().reset();
            sim.setScript(scenario.script[item].index);
            race.undo();
            if (!go)
                return false;
        }
        return !movable.empty() || endOfExecution();
    };
    return visit(visit) ? std::optional(brute) : std::nullopt;
}

void expectTheSameOf(const Scenario& scenario, const Brute& brute) {
    ExploreResult states, traces;
    EXPECT_EQ(explored(scenario, states, ExploreMode::Stateful), brute.finals);
    EXPECT_TRUE(states.complete);
    EXPECT_LE(states.executions, brute.executions);
    EXPECT_EQ(explored(scenario, traces, ExploreMode::Stateless), brute.finals);
    EXPECT_TRUE(traces.complete);
    EXPECT_EQ(traces.executions, brute.traces.size());
}

// Races of which brute force can try every schedule.
TEST(Explorer, counts_every_trace_once_and_misses_no_final_state) {
    const std::string ordinary = "mirrorscope: 1\nmachine: {vm: default, vcpus: 2, slots: [{id: 0, gpa: 0, size: 4M}]}\nscript:\n"
                                 "  - vcpu0: {write: {gpa: 0x1000, pages: 2}}\n  - vcpu1: {write: 0x1000}\n";
    const std::string td = "mirrorscope: 1\nmachine: {vm: tdx, vcpus: 2, slots: [{id: 0, gpa: 0, size: 4M}]}\nscript:\n"
                           "  - {init-mem-region: {gpa: 0, size: 8K}}\n  - finalize-vm\n"
                           "  - vcpu0: {write: 0x0}\n  - vcpu1: {write: 0x0}\n";
    const std::pair<const std::string*, const char*> races[] = {
        {&ordinary, "vcpu0: [{write: {gpa: 0x1000, value: 7}}], vcpu1: [{write: {gpa: 0x1000, value: 8}}]"},
        {&ordinary, "vcpu0: [{write: {gpa: 0x1000, value: 7}}], vcpu1: [{write: {gpa: 0x2000, value: 8}}]"},
        {&ordinary, "vcpu0: [{read: 0x1000}], vcpu1: [{write: {gpa: 0x1000, value: 9}}]"},
        {&ordinary, "vcpu0: [{write: 0x1000}], host: [{kernel: {call: kvm_tdp_mmu_age_gfn_range, gpa: 0x1000}}]"},
        {&ordinary, "vcpu0: [{write: 0x1000}], host: [{kernel: {call: kvm_tdp_mmu_write_protect_gfn, gpa: 0x1000}}]"},
        {&ordinary, "vcpu0: [{write: 0x1000}, {write: 0x2000}], host: [{kernel: {call: kvm_tdp_mmu_zap_leafs, gpa: 0x2000}}]"},
        {&ordinary, "host: [{kernel: {call: kvm_tdp_mmu_age_gfn_range, gpa: 0x1000}}], "
                    "host1: [{kernel: {call: kvm_tdp_mmu_age_gfn_range, gpa: 0x1000}}]"},
        {&td, "vcpu0: [{read: 0x0}], vcpu1: [{write: {gpa: 0x0, value: 1}}]"},
        {&td, "vcpu0: [{read: 0x0}], host: [{seamcall: {leaf: TDH.MEM.TRACK}}]"},
        {&td, "host: [{seamcall: {leaf: TDH.MEM.TRACK}}], host1: [{seamcall: {leaf: TDH.MEM.RANGE.BLOCK, gpa: 0x1000, level: 4K}}]"},
    };
    unsigned compared = 0;
    for (const auto& [head, race] : races) {
        SCOPED_TRACE(race);
        const Scenario scenario = bindScenario("t.yaml", *head + "  - race: {" + race + "}\n");
        const auto brute = bruteForceByUndo(scenario, 50'000);
        if (!brute) {
            std::cout << race << ": too many schedules for brute force\n";
            continue;
        }
        expectTheSameOf(scenario, *brute);
        ++compared;
        std::cout << race << ": " << brute->executions << " executions, " << brute->traces.size() << " traces, " << brute->finals.size()
                  << " final states\n";
    }
    EXPECT_GE(compared, 7u);
}

TEST(Explorer, does_so_for_generated_races) {
    const u64 seed = propertySeed();
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    const std::vector<std::string> guest{
        "{read: 0x1000}", "{write: {gpa: 0x1000, value: 7}}", "{write: {gpa: 0x1000, value: 9}}", "hypercall",
        "{read: 0x2000}", "{write: {gpa: 0x2000, value: 5}}"};
    const std::vector<std::string> host{"{kernel: {call: kvm_tdp_mmu_test_age_gfn, gpa: 0x1000}}",
                                        "{kernel: {call: kvm_tdp_mmu_age_gfn_range, gpa: 0x1000}}",
                                        "{kernel: {call: kvm_tdp_mmu_write_protect_gfn, gpa: 0x1000}}",
                                        "{kernel: {call: kvm_tdp_mmu_clear_dirty_pt_masked, gpa: 0x1000, mask: 1}}",
                                        "{kernel: {call: kvm_tdp_mmu_zap_leafs, gpa: 0x2000}}"};
    const std::vector<std::string> seamcall{"TRACK}}",
                                            "RANGE.BLOCK, gpa: 0x1000, level: 4K}}",
                                            "RANGE.UNBLOCK, gpa: 0x1000, level: 4K}}",
                                            "RANGE.BLOCK, gpa: 0, level: 4K}}",
                                            "PAGE.REMOVE, gpa: 0x1000, level: 4K}}",
                                            "PAGE.AUG, gpa: 0x2000, level: 4K}}",
                                            "PAGE.AUG, gpa: 0x3000, level: 4K}}",
                                            "SEPT.RD, gpa: 0x1000}}"};
    const u64 races = effort(60, 8);
    unsigned compared = 0, severalStates = 0;
    u64 total = 0, traces = 0;
    for (unsigned n = 0; n < 1200 && compared < races; ++n) {
        const auto list = [&](const std::vector<std::string>& from, const std::string& before = "") {
            std::string steps = before + from[random() % from.size()];
            if (random() % 3 == 0)
                steps += ", " + before + from[random() % from.size()];
            return "[" + steps + "]";
        };
        std::string race, vm = random() % 2 == 0 ? "default" : "sw-protected", load;
        if (n % 2 == 0) {
            vm = "tdx";
            load = "  - {init-mem-region: {gpa: 0, size: 8K}}\n  - finalize-vm\n  - vcpu0: {read: 0x1000}\n";
            const std::string leaf = "{seamcall: {leaf: TDH.MEM.";
            race = "host: " + list(seamcall, leaf) + ", ";
            switch (random() % 3) {
            case 0: race += "host1: " + list(seamcall, leaf); break;
            case 1: race += "vcpu0: [{read: 0x1000}]"; break;
            default: race += "host1: [" + leaf + seamcall[random() % seamcall.size()] + "], host2: [" + leaf + "TRACK}}]"; break;
            }
        } else {
            load = "  - vcpu0: {write: {gpa: 0x1000, pages: 2}}\n  - vcpu1: {write: 0x1000}\n";
            const bool guests = random() % 3 == 0;
            race = "vcpu0: " + list(guest) + (guests ? ", vcpu1: " + list(guest) : ", host: " + list(host));
        }
        const Scenario scenario =
            bindScenario("t.yaml", "mirrorscope: 1\nmachine: {vm: " + vm + ", vcpus: 2, slots: [{id: 0, gpa: 0, size: 4M}]}\nscript:\n" +
                                       load + "  - race: {" + race + "}\n");
        SCOPED_TRACE(race);
        const auto brute = bruteForceByUndo(scenario, 3'000);
        if (!brute)
            continue;
        expectTheSameOf(scenario, *brute);
        ++compared;
        total += brute->executions;
        traces += brute->traces.size();
        severalStates += brute->finals.size() > 1;
    }
    EXPECT_GE(compared, races);
    EXPECT_GT(severalStates, races / 6);
    std::cout << compared << " races, " << total << " executions, " << traces << " traces, " << severalStates
              << " with several final states\n";
}

TEST(Explorer, says_which_schedule_breaks_it) {
    const std::string text =
        "mirrorscope: 1\nmachine: {vm: default, vcpus: 1, BREAK slots: [{id: 0, gpa: 0, size: 4M}]}\nscript:\n  - race:\n"
        "      vcpu0: [{write: 0x1000}]\n      host: [{discard: {gpa: 0x1000}}]\n";
    std::string broken = text, honest = text;
    broken.replace(broken.find("BREAK"), 5, "break: [ignore-invalidate-seq],");
    honest.replace(honest.find("BREAK"), 5, "");
    const Scenario bad = bindScenario("t.yaml", broken);
    const ExploreResult result = Explorer(bad, {}).run();
    ASSERT_EQ(result.findings.size(), 1u);
    EXPECT_EQ(result.findings[0].rule, "no-stale-tlb");
    ASSERT_EQ(result.findings[0].schedule.size(), 1u);

    // The schedule is a scenario's: replayed, it shows the same.
    std::string schedule;
    for (const auto& [actor, steps] : result.findings[0].schedule[0])
        schedule += (schedule.empty() ? "{" : ", {") + actor + ": " + std::to_string(steps) + "}";
    Ran replay(broken + "    schedule: [" + schedule + "]\nexpect: [{violation: no-stale-tlb}]\n");
    EXPECT_TRUE(replay.violated(Rule::NoStaleTlb)) << replay.failures();

    const Scenario good = bindScenario("t.yaml", honest);
    EXPECT_TRUE(Explorer(good, {}).run().ok());
}

// What the attempt without remembering found is not missing in the result of the one that remembers.
TEST(Explorer, auto_tells_every_final_state_whichever_mode_it_takes) {
    for (const char* name : {"05-fault-and-punch-hole.yaml", "04-fault-and-discard.yaml"}) {
        const Scenario scenario = loadScenario((kSource / "scenarios/races" / name).string());
        ExploreResult result;
        const std::set<u64> finals = explored(scenario, result, ExploreMode::Stateful);
        const ExploreResult picked = Explorer(scenario, {}).run();
        std::set<u64> told;
        for (const ExploreEnd& end : picked.ends)
            told.insert(end.hash);
        EXPECT_EQ(told, finals) << name << ", " << mirrorscope::name(picked.mode);
        EXPECT_EQ(picked.ends.size(), finals.size());
    }
}

TEST(Explorer, a_bound_ends_it_and_says_so) {
    const Scenario scenario = loadScenario((kSource / "scenarios/lessons/05-two-vcpus-one-page.yaml").string());
    ExploreOptions options;
    options.maxTransitions = 100;
    const ExploreResult result = Explorer(scenario, options).run();
    EXPECT_FALSE(result.complete);
    EXPECT_TRUE(result.stopped);
    EXPECT_EQ(result.transitions, 100u);
}

// In executions of thousands of micro-steps each is held against all before it: what then takes time is not how many are taken.
TEST(Explorer, auto_gives_up_an_attempt_that_only_compares) {
    const Scenario scenario = bindScenario(
        "t.yaml", "mirrorscope: 1\nmachine: {vm: sw-protected, vcpus: 2, kernel: fixed, attributes: private, memory-model: tso, pml: "
                  "false, levels: 5, slots: [{id: 0, gpa: 0, "
                  "size: 4M, backing: 2M, gmem: f}]}\nscript:\n  - vcpu0: {read: 0x1000}\n  - race:\n"
                  "      host: [{discard: {gpa: 0x2000, size: 8K}, id: s0}]\n"
                  "      host1: [{discard: {gpa: 0x200000, size: 2M}, id: s1}, {discard: {gpa: 0x201000, size: 4K}, id: s2}]\n");
    ExploreOptions options;
    options.mode = ExploreMode::Stateless;
    options.attempt = true;
    options.maxTransitions = Explorer::kTry;
    const ExploreResult attempt = Explorer(scenario, options).run();
    EXPECT_TRUE(attempt.laborious);
    EXPECT_LT(attempt.transitions, Explorer::kTry);
    EXPECT_TRUE(Explorer::undecided(attempt));
    EXPECT_EQ(modeFor(scenario, {}), ExploreMode::Stateful);
}

// What the attempt without states saw is not forgotten where the search with them is ended before it comes there.
TEST(Explorer, what_an_attempt_saw_was_seen) {
    const Scenario scenario = loadScenario((kSource / "scenarios/history/flush-from-the-last-gfn.yaml").string());
    ExploreOptions options{.mode = ExploreMode::Stateless, .all = true, .maxTransitions = Explorer::kTry};
    const auto seen = [&] { return Explorer(scenario, options).run().sometimes.at(0).second; };
    ASSERT_TRUE(seen());
    options.mode = ExploreMode::Auto;
    options.maxTransitions += 1'000;
    EXPECT_TRUE(seen());
}

// What is lost at an end follows from the machine there, and not from what was tried before or touched on the way: where the TD cannot be
// torn down, all 13 pages that are still its own.
TEST(Explorer, what_is_lost_at_an_end_does_not_depend_on_the_order_of_the_search) {
    for (const char* after : {"", ", after: 1"}) {
        const Scenario scenario = bindScenario(
            "t.yaml",
            std::string("mirrorscope: 1\nmachine: {vm: tdx, vcpus: 1, slots: [{id: 0, gpa: 0, size: 64K}]}\nscript:\n  - finalize-vm\n"
                        "  - race:\n      host: [{inject: {seamcall: TDH.MNG.VPFLUSHDONE, status: TDX_OPERAND_BUSY") +
                after + "}}]\n      host1: [{seamcall: {leaf: TDH.MNG.VPFLUSHDONE}}]\n  - destroy-vm\n");
        for (const ExploreMode mode : {ExploreMode::Auto, ExploreMode::Stateless, ExploreMode::Stateful, ExploreMode::Plain}) {
            SCOPED_TRACE(std::string(name(mode)) + after);
            const ExploreResult result = Explorer(scenario, {.mode = mode, .all = true}).run();
            EXPECT_TRUE(result.complete);
            EXPECT_EQ(std::count_if(result.findings.begin(), result.findings.end(), [](const auto& f) { return f.rule == "no-leak"; }), 13);
        }
    }
}

// A vCPU that asks again and again for a table that another keeps busy takes other pages each time, so that its loop closes to a ring and
// never waits: the other one must have its turn.
TEST(Explorer, a_loop_that_is_never_twice_the_same_does_not_keep_the_others_from_their_turn) {
    const Scenario scenario = bindScenario(
        "t.yaml", "mirrorscope: 1\nmachine: {vm: tdx, vcpus: 2, kernel: \"7.2\", features: [private-2M], sept-ve-disable: false, "
                  "slots: [{id: 0, gpa: 0, size: 4M}]}\nscript:\n  - finalize-vm\n  - race:\n"
                  "      vcpu0: [{accept: {gpa: 0x1000, size: 4K, level: 4K}}]\n"
                  "      vcpu1: [{accept: {gpa: 0, size: 2M, level: 2M}}]\n");
    const ExploreResult result = Explorer(scenario, {.mode = ExploreMode::Stateful, .maxTransitions = 100'000}).run();
    EXPECT_GT(result.states, 5'000u);
    EXPECT_TRUE(result.findings.empty());
}

TEST(Explorer, an_unmet_sometimes_is_named) {
    const Scenario scenario =
        bindScenario("t.yaml", "mirrorscope: 1\nmachine: {vm: default, slots: [{id: 0, gpa: 0, size: 4M}]}\nscript:\n  - race:\n"
                               "      vcpu0: [{write: 0x1000}]\nsometimes: [{tree: direct, gpa: 0x1000, is: none}]\n");
    const ExploreResult result = Explorer(scenario, {}).run();
    EXPECT_FALSE(result.ok());
    EXPECT_TRUE(result.ok(false));
    ASSERT_EQ(result.sometimes.size(), 1u);
    EXPECT_FALSE(result.sometimes[0].second);
}

} // namespace mirrorscope::test
