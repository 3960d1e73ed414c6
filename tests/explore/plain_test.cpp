// SPDX-License-Identifier: GPL-3.0-or-later
// What the plain search keeps of states, and how much of it.
#include "explore/pieces.h"
#include "explore/plain.h"
#include "support/run.h"

#include <gtest/gtest.h>

namespace mirrorscope::test {

TEST(Plain, ends_without_an_answer_when_its_states_take_too_much) {
    const Scenario scenario = loadScenario((kSource / "scenarios" / "races" / "25-three-at-one-page.yaml").string());
    ExploreOptions options;
    options.all = true;
    for (const u64 bytes : {u64{4} << 20, u64{16} << 20}) {
        const ExploreResult result = explorePlainly(scenario, options, {.bytes = bytes});
        EXPECT_TRUE(result.stopped && result.full && !result.complete) << bytes;
        EXPECT_GT(result.states, bytes / 16'384) << "a state takes more than 16 KiB: what it shares with the one before it is not shared";
        EXPECT_LT(result.states, bytes / 1'024) << "what states take is not counted";
    }
    const ExploreResult small = explorePlainly(scenario, options, {.states = 100});
    EXPECT_TRUE(small.stopped && !small.full);
}

TEST(Plain, a_sequence_shares_what_it_grew_out_of) {
    using Grows = Pieces<u64>::Grows;
    for (const Grows grows : {Grows::AtTheEnd, Grows::AtTheBeginning})
        for (const std::size_t length : {0u, 1u, 127u, 128u, 129u, 1000u}) {
            std::vector<u64> items(length);
            for (std::size_t i = 0; i < length; ++i)
                items[i] = i * i;
            u64 bytes = 0;
            const Pieces<u64> first(items, nullptr, bytes, grows);
            const u64 whole = bytes;
            EXPECT_GE(whole, length * sizeof(u64));
            items.insert(grows == Grows::AtTheEnd ? items.end() : items.begin(), 7);
            const Pieces<u64> second(items, &first, bytes, grows);
            EXPECT_LE(bytes - whole, 129 * sizeof(u64) + 1024) << length;
            std::vector<u64> back{1, 2, 3};
            second.copyTo(back);
            EXPECT_EQ(back, items) << length;
            EXPECT_FALSE(first == second);
            EXPECT_TRUE(second == Pieces<u64>(items, nullptr, bytes, grows));
            items[length / 2] ^= 1;
            EXPECT_FALSE(second == Pieces<u64>(items, &second, bytes, grows));
        }
}

} // namespace mirrorscope::test
