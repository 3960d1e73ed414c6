// SPDX-License-Identifier: GPL-3.0-or-later
// The EPT walker over hand-made tables (Intel SDM volume 3, 29.3).
#include "machine/ept.h"

#include <gtest/gtest.h>

namespace mirrorscope {

namespace {
struct Tables {
    Tables() : machine(16 * 512, 16 * 512) {
        machine.baseline();
        machine.beginStep({});
    }
    void entry(u64 table, unsigned index, u64 value) { machine.set(wordOf({table}, index), value); }
    Machine machine;
};
} // namespace

TEST(EptWalk, four_levels_lead_to_a_page_and_rights_are_those_of_all_entries_together) {
    Tables t;
    t.entry(1, 0, 2 << 12 | 7);
    t.entry(2, 0, 3 << 12 | 5);
    t.entry(3, 1, 4 << 12 | 7);
    t.entry(4, 3, 9 << 12 | 7);
    const EptWalk walk = walkEpt(t.machine, {1}, 4, 1 << 9 | 3, Access::Read);
    EXPECT_EQ(walk.outcome, EptWalk::Outcome::Translated);
    EXPECT_EQ(ept::pfnOf(walk.entry), Pfn{9});
    EXPECT_EQ(walk.level, Level::k4K);
    EXPECT_EQ(walk.rwx, 5u);
    EXPECT_EQ(walk.depth, 4u);
    EXPECT_EQ(walkEpt(t.machine, {1}, 4, 1 << 9 | 3, Access::Write).outcome, EptWalk::Outcome::Violation);
}

TEST(EptWalk, ends_at_a_large_leaf_and_at_what_is_not_present) {
    Tables t;
    t.entry(1, 0, 2 << 12 | 7);
    t.entry(2, 0, 3 << 12 | 7);
    t.entry(3, 2, 0x400000 | 0x80 | 7);
    const EptWalk large = walkEpt(t.machine, {1}, 4, 2 << 9 | 17, Access::Exec);
    EXPECT_EQ(large.outcome, EptWalk::Outcome::Translated);
    EXPECT_EQ(large.level, Level::k2M);
    const EptWalk none = walkEpt(t.machine, {1}, 4, 5 << 9, Access::Read);
    EXPECT_EQ(none.outcome, EptWalk::Outcome::Violation);
    EXPECT_EQ(none.level, Level::k2M);
}

TEST(EptWalk, writable_without_readable_is_a_misconfiguration) {
    Tables t;
    t.entry(1, 0, 6);
    EXPECT_EQ(walkEpt(t.machine, {1}, 4, 0, Access::Read).outcome, EptWalk::Outcome::Misconfig);
}

TEST(EptWalk, five_levels_use_gpa_bits_56_to_48) {
    Tables t;
    t.entry(1, 3, 2 << 12 | 7);
    t.entry(2, 0, 3 << 12 | 7);
    t.entry(3, 0, 4 << 12 | 7);
    t.entry(4, 0, 5 << 12 | 7);
    t.entry(5, 0, 6 << 12 | 7);
    EXPECT_EQ(walkEpt(t.machine, {1}, 5, u64{3} << 36, Access::Read).outcome, EptWalk::Outcome::Translated);
    EXPECT_EQ(walkEpt(t.machine, {1}, 5, u64{2} << 36, Access::Read).outcome, EptWalk::Outcome::Violation);
}

TEST(EptWalk, an_actors_walk_is_an_observation_and_a_peek_is_not) {
    Tables t;
    Observed observed{};
    t.machine.observe(&observed);
    peekEpt(t.machine, {1}, 4, 0, Access::Read);
    EXPECT_EQ(observed.hash, 0u);
    walkEpt(t.machine, {1}, 4, 0, Access::Read);
    EXPECT_NE(observed.hash, 0u);
}

} // namespace mirrorscope
