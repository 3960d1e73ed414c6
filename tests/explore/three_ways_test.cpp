// SPDX-License-Identifier: GPL-3.0-or-later
// Three searches, one answer: random races explored plainly, by states and by traces.
#include "race_maker.h"

#include "base/hash.h"
#include "explore/result_json.h"
#include "explore/scale_out.h"
#include "explore/together.h"
#include "support/effort.h"
#include "support/run.h"
#include "support/seed.h"
#include "support/threads.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <iostream>
#include <set>
#include <sstream>

namespace mirrorscope::test {

// Whoever compiles this: what a seed found in one build is found by it in another.
TEST(RandomRaces, a_seed_names_one_race) {
    std::string all;
    for (u64 seed = 0; seed < 500; ++seed)
        all += randomRace(seed).text();
    EXPECT_EQ(hashBytes(all.data(), all.size()), 12774667360887984492u) << "seeds that were printed before name other races now";
}

// In parts that run beside each other. MIRRORSCOPE_RACES: how many in a part; MIRRORSCOPE_RACES_SECONDS: for how long at most;
// MIRRORSCOPE_RACES_STATES: how large the races may be.
class ThreeWays : public testing::TestWithParam<u64> {};
constexpr u64 kParts = 4, kRacesInPart = 125, kStates = 1'500;

TEST_P(ThreeWays, find_the_same_ends_violations_and_sometimes) {
    const u64 races = wanted("MIRRORSCOPE_RACES", effort(kRacesInPart, 12)), seconds = wanted("MIRRORSCOPE_RACES_SECONDS", 0);
    const u64 mostStates = wanted("MIRRORSCOPE_RACES_STATES", effort(kStates, 700));
    const u64 seed = propertySeed() * kParts + GetParam();
    const auto begin = std::chrono::steady_clock::now();
    u64 same = 0, bounded = 0, late = 0, withTraces = 0, states = 0, later = 0, n = 0;
    for (; n < races; ++n) {
        if (seconds != 0 && std::chrono::steady_clock::now() - begin > std::chrono::seconds(seconds))
            break;
        const RandomRace made = randomRace(seed * 1'000'003 + n);
        const RandomRace race = n % 2 == 1 ? onLaterKernel(made, n / 2) : made;
        later += race.machine != made.machine;
        SCOPED_TRACE("seed " + std::to_string(seed) + ", race " + std::to_string(n));
        Compared compared;
        try {
            compared = compareSearches(race.text(), mostStates);
        } catch (const std::exception& error) {
            ADD_FAILURE() << error.what() << "\n" << race.text();
            continue;
        }
        states += compared.states;
        withTraces += compared.stateless;
        switch (compared.kind) {
        case Compared::Kind::Same: ++same; break;
        case Compared::Kind::Bounded: ++bounded; break;
        case Compared::Kind::TooLarge: ++late; break;
        case Compared::Kind::Different: {
            const RandomRace small = shrunk(race, mostStates);
            const std::string file = "differs-" + std::to_string(seed) + "-" + std::to_string(n) + ".yaml";
            std::ofstream(file) << small.text();
            ADD_FAILURE() << compared.what << small.text() << "in " << file;
            break;
        }
        }
    }
    std::cout << n << " races: " << same << " the same, " << bounded << " the same under two preemptions, " << late << " too large; "
              << withTraces << " by traces, too; " << later << " of later kernels; " << states << " states, "
              << std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count() << " s\n";
    EXPECT_GT(same, effort(n / 3, 0));
    EXPECT_GE(later, n / 5);
}

INSTANTIATE_TEST_SUITE_P(Part, ThreeWays, testing::Range(u64{0}, kParts));

// The comparison itself can fail: a part of the reduction left out, a rule that reports nothing.
TEST(ThreeWaysMistakes, are_noticed) {
    const auto noticed = [](const Mistake& how, u64 races) {
        for (u64 n = 0; n < races; ++n)
            if (compareSearches(randomRace(n).text(), 800, how).kind == Compared::Kind::Different)
                return true;
        return false;
    };
    if (wholeEffort()) {
        EXPECT_TRUE(noticed({.without = Reduction::Part::Waking, .deafTo = {}}, 60));
        for (const Ample::Part part : {Ample::Part::Guards, Ample::Part::WhatComesLater, Ample::Part::LookingAgain, Ample::Part::GoingOn}) {
            EXPECT_TRUE(noticed({.ampleWithout = part}, 200)) << "ample sets without part " << static_cast<int>(part);
        }
    }
    EXPECT_TRUE(noticed({.sleep = ExploreOptions::Sleep::WithoutWaking}, 60));
    const std::string broken =
        "mirrorscope: 1\nmachine: {vm: tdx, vcpus: 1, break: [no-rollback], slots: [{id: 0, gpa: 0, size: 64K}]}\nscript:\n"
        "  - {init-mem-region: {gpa: 0, size: 4K, measure: false}}\n  - finalize-vm\n  - vcpu0: {read: 0x0}\n"
        "  - {inject: {seamcall: TDH.MEM.PAGE.AUG, status: OPERAND_BUSY}}\n"
        "  - race: {vcpu0: [{accept: 0x1000}], host: [{age: {gpa: 0x1000}}]}\n";
    EXPECT_EQ(compareSearches(broken, 5'000).kind, Compared::Kind::Same);
    const Compared deaf = compareSearches(broken, 5'000, {.deafTo = Rule::Coherent});
    EXPECT_EQ(deaf.kind, Compared::Kind::Different);
    EXPECT_NE(deaf.what.find("coherent"), std::string::npos) << deaf.what;
}

// A frame that nobody touches is lost with the VM, or is another TD's: which of them follows from the state, however it is reached.
TEST(ThreeWaysDestroyed, find_the_same_behind_destroy_vm) {
    const std::string text =
        "mirrorscope: 1\nmachine: {vm: tdx, vcpus: 1, slots: [{id: 0, gpa: 0, size: 4M}]}\nscript:\n"
        "  - {seamcall: {leaf: TDH.MNG.CREATE, hkid: 2}}\n  - {inject: {seamcall: TDH.PHYMEM.PAGE.RECLAIM, status: TDX_OPERAND_BUSY}}\n"
        "  - destroy-vm\n  - {inject: {seamcall: TDH.PHYMEM.PAGE.RDMD, status: TDX_OPERAND_BUSY}}\n  - race:\n"
        "      host: [{seamcall: {leaf: TDH.PHYMEM.PAGE.RDMD, page: 0x275}}, {seamcall: {leaf: TDH.PHYMEM.PAGE.RDMD, page: 0x101}}]\n"
        "      host1: [{seamcall: {leaf: TDH.PHYMEM.PAGE.WBINVD, page: 0x101}}, {seamcall: {leaf: TDH.PHYMEM.PAGE.RDMD, page: 0x100}}, "
        "{seamcall: {leaf: TDH.PHYMEM.PAGE.RDMD, page: 0x101}}]\n";
    const Compared compared = compareSearches(text, 5'000);
    EXPECT_EQ(compared.kind, Compared::Kind::Same) << compared.what;
}

// Two processes, and three shards one after another, say what one search says. MIRRORSCOPE_RACES_SHARED: of how many races.
TEST(ThreeWaysSharedOut, find_what_one_search_finds) {
    const u64 races = wanted("MIRRORSCOPE_RACES_SHARED", effort(25, 2));
    const u64 seed = propertySeed();
    u64 compared = 0;
    for (u64 n = 0; compared < races; ++n) {
        const RandomRace race = randomRace(seed * 11 + n);
        SCOPED_TRACE(race.text());
        const Scenario scenario = bindScenario("t.yaml", race.text());
        for (const ExploreMode mode : {ExploreMode::Stateful, ExploreMode::Stateless}) {
            ExploreOptions options{.mode = mode, .all = true, .maxTransitions = 20'000};
            const ExploreResult whole = Explorer(scenario, options).run();
            if (whole.stopped)
                break;
            compared += mode == ExploreMode::Stateful;
            options.maxTransitions = 0;
            EXPECT_EQ(verdictOf(exploreShared(scenario, options, {.jobs = 2})), verdictOf(whole)) << "two processes, " << name(mode);
            ExploreResult sum;
            for (unsigned shard = 1; shard <= 3; ++shard)
                join(sum, exploreShared(scenario, options, {.shard = shard, .shards = 3}));
            EXPECT_EQ(verdictOf(sum), verdictOf(whole)) << "three shards, " << name(mode);
        }
    }
}

// Races that are too large for the yardstick: what three threads find, and one who gives all work away, is what one search finds.
// MIRRORSCOPE_RACES_TOGETHER: of how many races.
TEST(ThreeWaysTogether, find_what_one_search_finds) {
    const u64 races = wanted("MIRRORSCOPE_RACES_TOGETHER", effort(15, 2));
    const u64 seed = propertySeed();
    u64 states = 0;
    for (u64 n = 0, compared = 0; compared < races; ++n) {
        const RandomRace race = randomRace(seed * 13 + n);
        SCOPED_TRACE(race.text());
        const Scenario scenario = bindScenario("t.yaml", race.text());
        ExploreOptions options{.mode = ExploreMode::Stateful, .all = true, .maxTransitions = effort(60'000, 20'000)};
        options.reduce = ExploreOptions::Reduce::Always;
        const ExploreResult whole = Explorer(scenario, options).run();
        constexpr u64 kFew = 100;
        if (whole.stopped || whole.states < kFew)
            continue;
        ++compared;
        states += whole.states;
        options.maxTransitions = 0;
        EXPECT_EQ(verdictOf(exploreTogether(scenario, options, 3, onThreads)), verdictOf(whole)) << "three threads";
        EXPECT_EQ(verdictOf(exploreTogether(scenario, options, 1, onThreads, Crew::Gives::Everything)), verdictOf(whole))
            << "one who gives";
    }
    std::cout << races << " races, " << states << " states\n";
}

// What has nothing to do with the answer: in which order the actors stand in the file, somebody who does nothing, and what vCPUs are
// called.
TEST(ThreeWaysMetamorphic, order_idle_actors_and_names_change_nothing) {
    const u64 seed = propertySeed();
    unsigned compared = 0;
    for (u64 n = 0; n < 120 && compared < 25; ++n) {
        const RandomRace race = randomRace(seed * 7 + n);
        SCOPED_TRACE(race.text());
        ExploreOptions options{.mode = ExploreMode::Stateless, .all = true, .maxTransitions = 20'000};
        const auto run = [&](const RandomRace& which) { return Explorer(bindScenario("t.yaml", which.text()), options).run(); };
        const ExploreResult whole = run(race);
        if (whole.stopped)
            continue;
        ++compared;
        // Each end's results, by id.
        const auto results = [](const ExploreResult& r) {
            std::multiset<std::multiset<std::string>> list;
            for (const auto& end : r.ends) {
                std::multiset<std::string> one;
                std::istringstream text(end.results + "; ");
                for (std::string part; std::getline(text, part, ';');)
                    one.insert(part.substr(std::min(part.find_first_not_of(' '), part.size())));
                list.insert(one);
            }
            return list;
        };
        RandomRace turned = race;
        std::reverse(turned.actors.begin(), turned.actors.end());
        const ExploreResult other = run(turned);
        EXPECT_EQ(results(other), results(whole));
        EXPECT_EQ(other.ends.size(), whole.ends.size());
        EXPECT_EQ(verdictOf(other).rules, verdictOf(whole).rules);
        EXPECT_EQ(other.executions, whole.executions);
        for (const char* idle : {"[]", "[note: nothing to do]"}) {
            RandomRace more = race;
            more.actors.emplace_back("host5", std::vector<std::string>{});
            std::string text = more.text();
            text.replace(text.find("host5: []") + 7, 2, idle);
            const ExploreResult with = Explorer(bindScenario("t.yaml", text), options).run();
            EXPECT_EQ(verdictOf(with).ends, verdictOf(whole).ends);
            EXPECT_EQ(with.executions, whole.executions);
        }
        // vcpu0 and vcpu1 change their names, everywhere. (KVM_TDX_INIT_MEM_REGION is vcpu0's.)
        std::string renamed = race.text();
        if (renamed.find("init-mem-region") != std::string::npos)
            continue;
        for (std::size_t at = 0; at + 5 < renamed.size(); ++at)
            if (renamed.compare(at, 4, "vcpu") == 0) {
                const std::size_t digit = renamed.find_first_of("0123456789", at);
                if (digit != std::string::npos && (digit == at + 4 || renamed.compare(at + 4, 2, ": ") == 0) && renamed[digit] <= '1')
                    renamed[digit] = static_cast<char>('0' + '1' - renamed[digit]);
            }
        const ExploreResult called = Explorer(bindScenario("t.yaml", renamed), options).run();
        // (The number of executions may differ: KVM kicks its vCPUs in the order of their numbers.)
        EXPECT_EQ(results(called), results(whole));
        EXPECT_EQ(called.ends.size(), whole.ends.size());
    }
    EXPECT_GE(compared, 20u);
}

} // namespace mirrorscope::test
