// SPDX-License-Identifier: GPL-3.0-or-later
// Which pairs of micro-steps make the search branch, on executions written down by hand.
#include "explore/reduction.h"

#include <gtest/gtest.h>

namespace mirrorscope {

namespace {
using Kind = WordAccess::Kind;
constexpr u64 kX = 10, kY = 20, kLock = 30;

Footprint one(u64 place, Kind kind, u64 old = 0) { return {{place, kind, old}}; }

// Two actors that both can run, always.
class Execution {
public:
    explicit Execution(unsigned actors = 2) : reduction_(actors), all_((1u << actors) - 1) { reduction_.enter(all_, {}); }
    void step(unsigned actor, Footprint footprint, Reduction::Wait wait = {}, Reduction::Set enabledAfter = ~0u) {
        reduction_.push(actor, std::move(footprint), wait);
        reduction_.enter(enabledAfter & all_, {});
    }
    bool branches(unsigned at, unsigned actor) { return (reduction_.nodes()[at].backtrack >> actor & 1) != 0; }
    Reduction& reduction() { return reduction_; }

private:
    Reduction reduction_;
    Reduction::Set all_;
};
} // namespace

TEST(Reduction, a_footprint_has_each_place_once_and_the_stronger_kind) {
    const AccessLog log{{kY, Kind::Read, 5, 5}, {kX, Kind::Read, 1, 1}, {kX, Kind::Add, 1, 2}, {kY, Kind::Read, 5, 5}};
    const Footprint f = footprint(log.data(), log.data() + log.size());
    ASSERT_EQ(f.size(), 2u);
    EXPECT_EQ(f[0].place, kX);
    EXPECT_EQ(f[0].kind, Kind::Write); // reads and adds: commutes with neither
    EXPECT_EQ(f[0].old, 1u);
    EXPECT_EQ(f[1].kind, Kind::Read);
}

TEST(Reduction, reads_commute_and_additions_commute_and_nothing_else_does) {
    for (const Kind a : {Kind::Read, Kind::Write, Kind::Add})
        for (const Kind b : {Kind::Read, Kind::Write, Kind::Add}) {
            const bool exchange = a == b && a != Kind::Write;
            EXPECT_EQ(independent(one(kX, a), one(kX, b)), exchange);
            EXPECT_TRUE(independent(one(kX, a), one(kY, b)));
            Execution e;
            e.step(0, one(kX, a));
            e.step(1, one(kX, b));
            EXPECT_EQ(e.branches(0, 1), !exchange);
        }
}

TEST(Reduction, what_lies_between_orders_the_two) {
    Execution e(3);
    e.step(0, one(kX, Kind::Write));
    e.step(1, {{kX, Kind::Read, 0}, {kY, Kind::Write, 0}});
    e.step(2, {{kX, Kind::Read, 0}, {kY, Kind::Read, 0}});
    EXPECT_TRUE(e.branches(0, 1));
    EXPECT_TRUE(e.branches(1, 2));
    // 2's read of x is after 0's write through 1's write of y, too.
    EXPECT_FALSE(e.branches(0, 2));
}

TEST(Reduction, a_lock_races_with_the_one_who_took_it_and_not_with_the_one_who_let_it_go) {
    Execution e;
    constexpr Reduction::Set kOnlyFirst = 1;
    e.step(0, one(kLock, Kind::Write, 0));           // takes it
    e.step(1, one(kY, Kind::Write), {}, kOnlyFirst); // arrives at the lock
    e.step(0, one(kLock, Kind::Write, 1));           // lets it go
    Reduction::Wait wait{one(kLock, Kind::Read, 0), {.kind = Condition::Kind::CanWrite, .place = {}}};
    e.step(1, one(kLock, Kind::Write, 0), wait); // takes it
    EXPECT_TRUE(e.branches(0, 1));               // could have had it first
    EXPECT_FALSE(e.branches(2, 1));              // could not have had it then
}

TEST(Reduction, who_never_gets_the_lock_races_all_the_same) {
    Execution e;
    e.step(0, one(kLock, Kind::Write, 0));
    e.step(1, one(kY, Kind::Write), {}, 0);
    EXPECT_FALSE(e.branches(0, 1));
    e.reduction().waits(1, {one(kLock, Kind::Read, 1), {.kind = Condition::Kind::CanWrite, .place = {}}});
    EXPECT_TRUE(e.branches(0, 1));
}

TEST(Reduction, a_conflicting_micro_step_wakes_who_sleeps) {
    Reduction reduction(3);
    reduction.enter(7, {{0, one(kX, Kind::Read)}, {1, one(kY, Kind::Write)}});
    const auto after = reduction.sleepAfter(reduction.nodes().back(), 2, one(kX, Kind::Write));
    ASSERT_EQ(after.size(), 1u);
    EXPECT_EQ(after[0].actor, 1u);
}

} // namespace mirrorscope
