// SPDX-License-Identifier: GPL-3.0-or-later
#include "machine/machine.h"
#include "support/seed.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace mirrorscope {

namespace {
void step(Machine& m) { m.beginStep({}); }

std::vector<u64> contents(const Machine& m) {
    std::vector<u64> words(m.words());
    for (u32 i = 0; i < m.words(); ++i)
        words[i] = m.peek({i});
    return words;
}
} // namespace

// With as many frames as the machine was told of.
class Journal : public testing::TestWithParam<u64> {};
INSTANTIATE_TEST_SUITE_P(Frames, Journal, testing::Values(0, 3, 8));

TEST_P(Journal, random_histories_can_be_walked_in_both_directions) {
    const u64 seed = test::propertySeed();
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    Machine m(8 * 512, 6 * 512, GetParam());
    m.baseline();
    std::vector<std::vector<u64>> states{contents(m)};
    for (unsigned n = 0; n < 300; ++n) {
        step(m);
        for (u64 k = random() % 4; k > 0; --k) {
            const bool fills = random() % 8 == 0;
            const u64 value = random() % (fills ? 3 : 5);
            if (fills)
                m.fill({random() % 8}, value);
            else
                m.set({static_cast<u32>(random() % m.words() & (random() % 2 == 0 ? ~u64{511} : ~u64{0}))}, value);
        }
        states.push_back(contents(m));
    }
    for (unsigned k = 0; k < 200; ++k) {
        const u64 position = random() % states.size();
        m.seek(position);
        ASSERT_EQ(contents(m), states[position]);
        ASSERT_EQ(m.hash(), m.hashFromScratch());
    }
}

TEST_P(Journal, a_rewind_forgets_what_came_after) {
    Machine m(2 * 512, 512, std::min<u64>(GetParam(), 2));
    m.baseline();
    step(m);
    m.set({3}, 1);
    const u64 before = m.hash();
    step(m);
    m.fill({0}, 9);
    step(m);
    m.set({4}, 5);
    m.rewind(1);
    EXPECT_EQ(m.steps(), 1u);
    EXPECT_EQ(m.hash(), before);
    EXPECT_EQ(m.peek({4}), 0u);
    step(m);
    m.fill({0}, 2);
    m.seek(1);
    EXPECT_EQ(m.peek({3}), 1u);
    m.seek(2);
    EXPECT_EQ(m.peek({3}), 2u);
}

TEST_P(Journal, history_names_every_write_with_old_and_new) {
    Machine m(2 * 512, 512, std::min<u64>(GetParam(), 2));
    m.baseline();
    for (const u64 value : {5u, 5u, 7u}) {
        step(m);
        m.set({8}, value);
    }
    step(m);
    m.fill({0}, 1);
    m.seek(2);
    const auto writes = m.history({8});
    ASSERT_EQ(writes.size(), 3u); // the second wrote what was there
    EXPECT_EQ(writes[0].step, 0u);
    EXPECT_EQ(writes[1].step, 2u);
    EXPECT_EQ(writes[1].old, 5u);
    EXPECT_EQ(writes[1].now, 7u);
    EXPECT_EQ(writes[2].step, 3u);
    EXPECT_EQ(writes[2].now, 1u);
}

TEST_P(Journal, equal_states_have_equal_hashes_whatever_led_to_them) {
    Machine a(512, 512, std::min<u64>(GetParam(), 1)), b(512, 512);
    a.baseline();
    b.baseline();
    step(a);
    step(b);
    a.set({1}, 2);
    a.set({2}, 3);
    b.set({2}, 9);
    b.set({2}, 3);
    b.set({1}, 2);
    EXPECT_EQ(a.hash(), b.hash());
    b.set({3}, 1);
    EXPECT_NE(a.hash(), b.hash());
}

} // namespace mirrorscope
