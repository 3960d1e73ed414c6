// SPDX-License-Identifier: GPL-3.0-or-later
// Ample sets leave states out and nothing else: that is what three_ways_test.cpp judges. Here: that they leave out what they are for.
#include "explore/explorer.h"
#include "explore/path_set.h"
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

TEST(PathSet, finds_what_is_on_it_and_nothing_else) {
    std::mt19937_64 random(propertySeed());
    PathSet set;
    std::vector<u64> path;
    EXPECT_FALSE(set.contains(0));
    for (unsigned i = 0; i < 20'000; ++i) {
        const u64 value = random() % 512 << 32 | random() % 8; // many stand side by side
        if (path.empty() || random() % 5 < 3) {
            set.push(value);
            path.push_back(value);
        } else {
            set.pop();
            path.pop_back();
        }
        const u64 asked = random() % 2 == 0 && !path.empty() ? path[random() % path.size()] : random() % 512 << 32 | random() % 8;
        const auto same = [](u64 a, u64 b) { return a == b || std::max(a, b) == 1; }; // 0 stands as 1
        ASSERT_EQ(set.contains(asked), std::any_of(path.begin(), path.end(), [&](u64 known) { return same(known, asked); })) << i;
    }
}

} // namespace mirrorscope::test
