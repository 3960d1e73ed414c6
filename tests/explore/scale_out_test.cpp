// SPDX-License-Identifier: GPL-3.0-or-later
// Shards, processes and interruptions: together they find what one exploration finds.
#include "explore/result_json.h"
#include "explore/scale_out.h"
#include "support/effort.h"
#include "support/run.h"

#include <gtest/gtest.h>

#include <set>

namespace mirrorscope::test {

namespace {
Scenario race(const std::string& name) { return loadScenario((kSource / "scenarios/races" / (name + ".yaml")).string()); }

ExploreOptions inMode(ExploreMode mode) {
    ExploreOptions options;
    options.mode = mode;
    return options;
}

std::set<u64> finalsOf(const ExploreResult& result) {
    std::set<u64> finals;
    for (const ExploreEnd& end : result.ends)
        finals.insert(end.hash);
    return finals;
}
} // namespace

TEST(ScaleOut, the_shards_of_a_stateless_exploration_sum_to_the_whole) {
    const std::vector<const char*> names{"12-busy-sept-and-kick", "18-age-and-zap", "20-snp-conversion-and-fault"};
    for (const char* name : someOf(names)) {
        SCOPED_TRACE(name);
        const Scenario scenario = race(name);
        const ExploreResult whole = Explorer(scenario, inMode(ExploreMode::Stateless)).run();
        ASSERT_TRUE(whole.complete);
        for (const unsigned shards : {2u, 5u}) {
            ExploreResult sum;
            u64 most = 0;
            for (unsigned shard = 1; shard <= shards; ++shard) {
                const ExploreResult part = exploreShared(scenario, inMode(ExploreMode::Stateless), {.shard = shard, .shards = shards});
                EXPECT_TRUE(part.complete);
                most = std::max(most, part.executions);
                join(sum, part);
            }
            EXPECT_EQ(sum.executions, whole.executions) << shards << " shards";
            EXPECT_EQ(finalsOf(sum), finalsOf(whole));
            EXPECT_EQ(sum.sometimes, whole.sometimes);
            if (whole.executions > 200) {
                EXPECT_LT(most, whole.executions); // it was shared out, indeed
            }
        }
    }
}

TEST(ScaleOut, the_shards_of_a_stateful_exploration_cover_the_whole) {
    const Scenario scenario = race("06-fault-and-conversion");
    const ExploreResult whole = Explorer(scenario, inMode(ExploreMode::Stateful)).run();
    ExploreResult sum;
    for (unsigned shard = 1; shard <= 3; ++shard)
        join(sum, exploreShared(scenario, inMode(ExploreMode::Stateful), {.shard = shard, .shards = 3}));
    EXPECT_TRUE(sum.complete);
    EXPECT_EQ(finalsOf(sum), finalsOf(whole));
    EXPECT_EQ(sum.sometimes, whole.sometimes);
    EXPECT_GE(sum.states, whole.states);
}

TEST(ScaleOut, several_processes_find_what_one_finds) {
    const Scenario scenario = race("12-busy-sept-and-kick");
    for (const ExploreMode mode : {ExploreMode::Stateless, ExploreMode::Stateful}) {
        const ExploreResult one = Explorer(scenario, inMode(mode)).run();
        const ExploreResult three = exploreShared(scenario, inMode(mode), {.jobs = 3});
        EXPECT_TRUE(three.complete);
        EXPECT_EQ(three.executions, one.executions);
        EXPECT_EQ(finalsOf(three), finalsOf(one));
        EXPECT_EQ(three.sometimes, one.sometimes);
    }
}

TEST(ScaleOut, what_has_no_race_is_run_once) {
    const Scenario scenario = bindScenario(
        "t.yaml", "mirrorscope: 1\nmachine: {vm: default, slots: [{id: 0, gpa: 0, size: 4M}]}\nscript:\n  - vcpu0: {write: 0}\n");
    EXPECT_EQ(exploreShared(scenario, {}, {.jobs = 3}).executions, 1u);
    ExploreResult sum;
    for (unsigned shard = 1; shard <= 3; ++shard)
        join(sum, exploreShared(scenario, {}, {.shard = shard, .shards = 3}));
    EXPECT_EQ(sum.executions, 1u);
    EXPECT_TRUE(sum.complete);
}

TEST(ScaleOut, a_violation_before_the_race_is_found_by_all) {
    const Scenario scenario = bindScenario("t.yaml", "mirrorscope: 1\nmachine: {vm: tdx, slots: [{id: 0, gpa: 0, size: 4M}]}\nscript:\n"
                                                     "  - {inject: {seamcall: TDH.MEM.PAGE.ADD, status: OPERAND_BUSY}}\n"
                                                     "  - {init-mem-region: {gpa: 0, size: 4K, measure: false}}\n"
                                                     "  - race: {host: [{age: {gpa: 0}}], host1: [{age: {gpa: 0}}]}\n");
    const ExploreResult result = exploreShared(scenario, {}, {.jobs = 2});
    EXPECT_FALSE(result.complete);
    ASSERT_EQ(result.findings.size(), 1u);
    EXPECT_EQ(result.findings[0].rule, "coherent");
}

TEST(ScaleOut, a_violation_stops_all_processes) {
    const Scenario broken =
        loadScenario((kSource / "scenarios/races/04-fault-and-discard.yaml").string(), {{"machine.break", "[ignore-invalidate-seq]"}});
    const ExploreResult result = exploreShared(broken, {}, {.jobs = 2});
    EXPECT_FALSE(result.complete);
    EXPECT_FALSE(result.stopped);
    ASSERT_FALSE(result.findings.empty());
    EXPECT_FALSE(result.findings[0].schedule.empty());
}

TEST(ScaleOut, what_was_interrupted_goes_on_from_its_frontier) {
    const Scenario scenario = race("12-busy-sept-and-kick");
    const ExploreResult whole = Explorer(scenario, inMode(ExploreMode::Stateless)).run();
    ExploreOptions bounded = inMode(ExploreMode::Stateless);
    bounded.maxTransitions = 5'000;
    std::string frontier;
    ExploreResult result;
    unsigned runs = 0;
    do {
        ScaleOut scale{.identity = "x", .frontier = frontier};
        scale.save = [&](const std::string& json) { frontier = json; };
        result = exploreShared(scenario, bounded, scale);
        EXPECT_EQ(result.complete, !result.stopped);
    } while (!result.complete && ++runs < 100);
    EXPECT_GT(runs, 2u);
    EXPECT_EQ(result.executions, whole.executions);
    EXPECT_EQ(finalsOf(result), finalsOf(whole));

    // What is done is not done again; and it is nobody else's.
    const ExploreResult again = exploreShared(scenario, bounded, {.identity = "x", .frontier = frontier});
    EXPECT_TRUE(again.complete);
    EXPECT_EQ(again.executions, whole.executions);
    EXPECT_THROW(exploreShared(scenario, bounded, {.identity = "y", .frontier = frontier}), FrontierMismatch);
    EXPECT_THROW(exploreShared(scenario, bounded, {.shard = 1, .shards = 2, .identity = "x", .frontier = frontier}), FrontierMismatch);
    EXPECT_THROW(exploreShared(scenario, bounded, {.identity = "x", .frontier = frontier.substr(0, 40)}), FrontierMismatch);
}

TEST(ScaleOut, a_result_survives_being_written_and_read) {
    const Scenario broken =
        loadScenario((kSource / "scenarios/races/04-fault-and-discard.yaml").string(), {{"machine.break", "[ignore-invalidate-seq]"}});
    ExploreOptions all;
    all.all = true;
    const ExploreResult result = Explorer(broken, all).run();
    ASSERT_FALSE(result.findings.empty());
    const ExploreResult back = exploredFromJson(nlohmann::ordered_json::parse(exploredJson(result).dump()));
    EXPECT_EQ(exploredJson(back).dump(), exploredJson(result).dump());
    ASSERT_EQ(back.findings.size(), result.findings.size());
    EXPECT_EQ(back.findings[0].schedule, result.findings[0].schedule);
}

TEST(Preemptions, a_bound_cuts_and_says_so_and_a_wide_one_cuts_nothing) {
    const Scenario scenario = race("18-age-and-zap");
    const ExploreResult whole = Explorer(scenario, inMode(ExploreMode::Stateful)).run();
    std::set<u64> before;
    bool cut = true;
    for (unsigned bound = 0; bound < 40 && cut; ++bound) {
        ExploreOptions options;
        options.preemptions = bound;
        const ExploreResult result = Explorer(scenario, options).run();
        EXPECT_EQ(result.complete, !result.cut);
        EXPECT_FALSE(result.stopped);
        const std::set<u64> finals = finalsOf(result);
        EXPECT_TRUE(std::includes(finals.begin(), finals.end(), before.begin(), before.end())) << bound;
        before = finals;
        cut = result.cut;
    }
    EXPECT_FALSE(cut);
    EXPECT_EQ(before, finalsOf(whole));
}

} // namespace mirrorscope::test
