// SPDX-License-Identifier: GPL-3.0-or-later
#include "machine/machine.h"
#include "support/seed.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <tuple>

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

// With as many frames as the machine was told of; and a journal that is packed early, or not at all.
class Histories : public testing::TestWithParam<std::tuple<u64, bool>> {
protected:
    static u64 frames() { return std::get<0>(GetParam()); }
    static void prepare(Machine& m) {
        if (std::get<1>(GetParam()))
            m.shapeJournal({.stepBits = 3, .fresh = 2, .read = 1});
        m.baseline();
    }
};
INSTANTIATE_TEST_SUITE_P(Frames, Histories, testing::Combine(testing::Values(0, 3, 8), testing::Bool()));

TEST_P(Histories, random_histories_can_be_walked_in_both_directions) {
    const u64 seed = test::propertySeed();
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    Machine m(8 * 512, 6 * 512, frames());
    prepare(m);
    std::vector<std::vector<u64>> states{contents(m)};
    for (unsigned n = 0; n < 300; ++n) {
        step(m);
        if (random() % 8 == 0)
            m.keepHash(!m.keepsHash());
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
        m.keepHash(random() % 8 != 0);
    }
}

// Against a list of what was done: each micro-step's record and its changes, read in any order, also after going back.
TEST_P(Histories, each_step_is_read_as_it_was_written) {
    const u64 seed = test::propertySeed();
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    Machine m(8 * 512, 6 * 512, frames());
    prepare(m);
    struct Done {
        StepRecord step;
        std::vector<std::pair<u64, u64>> changes;
    };
    std::vector<Done> done;
    for (unsigned n = 0; n < 600; ++n) {
        if (random() % 40 == 0) {
            const u64 position = random() % (done.size() + 1);
            m.rewind(position);
            done.resize(position);
        }
        Done& d = done.emplace_back();
        d.step = {m.changeCount(), static_cast<u32>(random() % 3), static_cast<u32>(random() % 2), static_cast<Site>(random() % 5),
                  static_cast<ActorId>(random() % 3)};
        m.beginStep(d.step);
        for (u64 k = random() % 50 == 0 ? 900 : random() % 6; k > 0; --k) {
            const Place place{random() % 24};
            const u64 old = m.peek(place), now = random() % 4 == 0 ? random() : old + 1;
            m.set(place, now);
            if (old != now)
                d.changes.emplace_back(place.v, old ^ now);
        }
        for (unsigned k = 0; k < 3; ++k) {
            const u64 i = random() % done.size();
            const StepRecord step = m.step(i);
            ASSERT_EQ(step.change, done[i].step.change);
            ASSERT_EQ(step.path, done[i].step.path);
            ASSERT_EQ(step.script, done[i].step.script);
            ASSERT_EQ(step.site, done[i].step.site);
            ASSERT_EQ(step.actor, done[i].step.actor);
            std::vector<std::pair<u64, u64>> changes;
            m.forEachChange(i, [&](Place place, u64 delta) {
                changes.emplace_back(place.v, delta);
                static_cast<void>(m.step(random() % done.size())); // whoever reads a step while others are read
            });
            ASSERT_EQ(changes, done[i].changes) << i << " of " << done.size();
        }
    }
}

TEST_P(Histories, a_rewind_forgets_what_came_after) {
    Machine m(2 * 512, 512, std::min<u64>(frames(), 2));
    prepare(m);
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

TEST_P(Histories, history_names_every_write_with_old_and_new) {
    Machine m(2 * 512, 512, std::min<u64>(frames(), 2));
    prepare(m);
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

TEST_P(Histories, equal_states_have_equal_hashes_whatever_led_to_them) {
    Machine a(512, 512, std::min<u64>(frames(), 1)), b(512, 512);
    prepare(a);
    prepare(b);
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
