// SPDX-License-Identifier: GPL-3.0-or-later
// What the rules are told of a micro-step: of each word what it was, whatever it was in between.
#include "rules/net_changes.h"
#include "support/seed.h"

#include <gtest/gtest.h>

#include <map>

namespace mirrorscope {
namespace {

TEST(NetChanges, are_what_a_map_of_the_words_says) {
    const u64 seed = test::propertySeed();
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    const auto below = [&](u64 n) { return random() % n; };
    u64 again = 0, back = 0;
    for (unsigned run = 0; run < 2000; ++run) {
        const u64 words = 1 + below(run % 2 == 0 ? 6 : 60), count = below(run % 2 == 0 ? 12 : 200);
        std::map<u64, u64> now;
        std::vector<u64> places; // in the order of their first changes
        std::vector<JournalChange> changes;
        for (u64 i = 0; i < count; ++i) {
            const JournalChange change{below(words), 1 + below(3)};
            if (now.emplace(change.place, 0).second)
                places.push_back(change.place);
            else
                ++again;
            now[change.place] ^= change.delta; // each was 0 before
            changes.push_back(change);
        }
        toNetChanges(changes);
        std::size_t at = 0;
        for (const u64 place : places) {
            if (now[place] == 0) {
                ++back;
                continue;
            }
            ASSERT_LT(at, changes.size());
            ASSERT_EQ(changes[at].place, place);
            ASSERT_EQ(now[place] ^ changes[at].delta, 0u) << "the word was 0 before";
            ++at;
        }
        ASSERT_EQ(at, changes.size());
    }
    EXPECT_GT(again, 1000u);
    EXPECT_GT(back, 100u);
}

} // namespace
} // namespace mirrorscope
