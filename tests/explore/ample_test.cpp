// SPDX-License-Identifier: GPL-3.0-or-later
// Ample sets leave states out and nothing else: that is what three_ways_test.cpp judges. Here: that they leave out what they are for.
#include "explore/explorer.h"
#include "explore/path_set.h"
#include "explore/ways.h"
#include "support/run.h"
#include "support/seed.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace mirrorscope::test {

namespace {
ExploreResult exploreRace(const std::string& name, ExploreOptions::Reduce reduce) {
    ExploreOptions options{.mode = ExploreMode::Stateful, .all = true};
    options.reduce = reduce;
    return Explorer(loadScenario((kSource / "scenarios/races" / (name + ".yaml")).string()), options).run();
}
std::vector<std::pair<u64, std::string>> endsOf(const ExploreResult& result) {
    std::vector<std::pair<u64, std::string>> ends;
    for (const ExploreEnd& end : result.ends)
        ends.emplace_back(end.hash, end.results);
    std::sort(ends.begin(), ends.end());
    return ends;
}
} // namespace

TEST(Ample, of_two_who_never_meet_one_order_is_enough) {
    const ExploreResult all = exploreRace("03-two-faults-two-tables", ExploreOptions::Reduce::Never);
    const ExploreResult few = exploreRace("03-two-faults-two-tables", ExploreOptions::Reduce::Always);
    EXPECT_TRUE(few.complete);
    EXPECT_LT(few.states * 15, all.states);
    EXPECT_EQ(endsOf(few), endsOf(all));
    EXPECT_EQ(few.executions, all.executions);
}

TEST(Ample, races_of_two_end_as_without_it) {
    for (const char* race : {"01-two-faults-one-page", "05-fault-and-punch-hole", "06-fault-and-conversion", "10-block-and-cached-access",
                             "12-busy-sept-and-kick", "19-teardown-and-late-fault", "20-snp-conversion-and-fault",
                             "22-link-fails-and-rolls-back", "23-aug-fails-and-rolls-back"}) {
        SCOPED_TRACE(race);
        const ExploreResult all = exploreRace(race, ExploreOptions::Reduce::Never);
        const ExploreResult few = exploreRace(race, ExploreOptions::Reduce::Always);
        EXPECT_TRUE(few.complete);
        EXPECT_LT(few.states, all.states);
        EXPECT_EQ(endsOf(few), endsOf(all));
        EXPECT_EQ(few.executions, all.executions);
        EXPECT_EQ(few.sometimes, all.sometimes);
    }
}

// A walk over entries that nobody else can touch: its states are neither kept nor looked for.
TEST(Ample, who_is_enough_runs_on) {
    const ExploreResult all = exploreRace("05-fault-and-punch-hole", ExploreOptions::Reduce::Never);
    const ExploreResult few = exploreRace("05-fault-and-punch-hole", ExploreOptions::Reduce::Always);
    EXPECT_LT(few.states * 4, all.states);
    EXPECT_EQ(endsOf(few), endsOf(all));
}

// A place on a way is reached by the micro-steps that once led there, on branches of branches, too.
TEST(Ways, lead_where_they_led) {
    std::mt19937_64 random(propertySeed());
    Ways ways;
    std::vector<std::vector<u16>> known{{}};
    const auto someWay = [&] { return static_cast<Ways::Way>(random() % known.size()); };
    for (unsigned i = 0; i < 500; ++i) {
        const Ways::Way from = someWay();
        if (random() % 4 == 0) {
            const std::size_t begin = known[from].size() - ways.end(from).moves;
            const Ways::Place place{from, static_cast<u32>(random() % (ways.end(from).moves + 1))};
            known.emplace_back(known[from].begin(), known[from].begin() + static_cast<std::ptrdiff_t>(begin + place.moves));
            EXPECT_EQ(ways.branch(place), known.size() - 1);
            continue;
        }
        std::vector<u16> moves(random() % 5);
        for (u16& move : moves)
            move = static_cast<u16>(random() % 64);
        EXPECT_EQ(ways.next(), known.size());
        ways.rests(random() % 3, {ways.next(), 0});
        ways.add(from, moves);
        known.push_back(known[from]);
        known.back().insert(known.back().end(), moves.begin(), moves.end());
    }
    for (Ways::Way way = 0; way < known.size(); ++way) {
        EXPECT_EQ(ways.moves(ways.end(way)), known[way]);
        EXPECT_EQ(ways.length(ways.end(way)), known[way].size());
    }
    const std::size_t some = ways.take({0, 1}).size(), rest = ways.take({0, 1, 2}).size();
    EXPECT_GT(some, rest);
    EXPECT_GT(rest, 0U);
    EXPECT_TRUE(ways.take({0, 1, 2}).empty());
}

// The first violation with the fewest preemptions: none is found with fewer, and it is the same that a search with that bound finds.
TEST(FewestFirst, finds_what_needs_few_preemptions_first) {
    const std::string broken =
        "mirrorscope: 1\nmachine: {vm: tdx, vcpus: 2, break: [no-freeze], slots: [{id: 0, gpa: 0, size: 64K}]}\nscript:\n"
        "  - {init-mem-region: {gpa: 0, size: 4K, measure: false}}\n  - finalize-vm\n  - {vcpu0: {accept: 0x3000}}\n  - {vcpu1: "
        "hypercall}\n"
        "  - race: {vcpu0: [{accept: 0x4000}], vcpu1: [{accept: 0x4000}]}\n";
    const Scenario scenario = bindScenario("t.yaml", broken);
    const ExploreResult found = Explorer(scenario, {.fewestFirst = true}).run();
    ASSERT_FALSE(found.findings.empty());
    ASSERT_TRUE(found.preemptions.has_value());
    for (unsigned bound = 0; bound <= *found.preemptions; ++bound) {
        const ExploreResult within = Explorer(scenario, {.preemptions = bound}).run();
        EXPECT_EQ(within.findings.empty(), bound < *found.preemptions) << bound;
        if (!within.findings.empty()) {
            EXPECT_EQ(within.findings.front().schedule, found.findings.front().schedule);
        }
    }
    // Where there is none, the proof is as good as any.
    const ExploreResult none =
        Explorer(loadScenario((kSource / "scenarios/races/02-two-faults-one-table.yaml").string()), {.fewestFirst = true}).run();
    EXPECT_TRUE(none.complete);
    EXPECT_TRUE(none.ok());
    EXPECT_FALSE(none.preemptions.has_value());
    EXPECT_EQ(endsOf(none), endsOf(exploreRace("02-two-faults-one-table", ExploreOptions::Reduce::Never)));
}

namespace {
u64 someValue(std::mt19937_64& random) {
    const u64 high = random() % 512;
    return high << 32 | random() % 8;
}
} // namespace

TEST(PathSet, finds_what_is_on_it_and_nothing_else) {
    std::mt19937_64 random(propertySeed());
    PathSet set;
    std::vector<u64> path;
    EXPECT_FALSE(set.contains(0));
    for (unsigned i = 0; i < 20'000; ++i) {
        const u64 value = someValue(random); // many stand side by side
        if (path.empty() || random() % 5 < 3) {
            set.push(value);
            path.push_back(value);
        } else {
            set.pop();
            path.pop_back();
        }
        const u64 asked = random() % 2 == 0 && !path.empty() ? path[random() % path.size()] : someValue(random);
        const auto same = [](u64 a, u64 b) { return a == b || std::max(a, b) == 1; }; // 0 stands as 1
        ASSERT_EQ(set.contains(asked), std::any_of(path.begin(), path.end(), [&](u64 known) { return same(known, asked); })) << i;
    }
}

} // namespace mirrorscope::test
