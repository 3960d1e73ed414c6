// SPDX-License-Identifier: GPL-3.0-or-later
// Which pairs of micro-steps make the search branch, on executions written down by hand.
#include "explore/reduction.h"

#include <gtest/gtest.h>

namespace mirrorscope {

namespace {
using Kind = WordAccess::Kind;
constexpr u64 kX = 10, kY = 20, kLock = 30;

Touch touch(u64 place, Kind kind, u64 old = 0) { return {place, kind, kind != Kind::Write, old}; }
Footprint one(u64 place, Kind kind, u64 old = 0) { return {touch(place, kind, old)}; }

// Actors that all can run, unless it is said who waits for what.
class Execution {
public:
    explicit Execution(unsigned actors = 2) : reduction_(actors) {
        for (unsigned i = 0; i < actors; ++i)
            all_.set(i);
        reduction_.enter(all_, {}, {});
    }
    void step(unsigned actor, Footprint footprint, const std::vector<Reduction::Waiting>& waitAfter = {}, const Condition& waited = {}) {
        reduction_.push(actor, std::move(footprint), waited);
        Reduction::Set enabled = all_;
        for (const auto& w : waitAfter)
            enabled.reset(w.actor);
        reduction_.enter(enabled, {}, waitAfter);
    }
    bool branches(unsigned at, unsigned actor) { return reduction_.nodes()[at].backtrack[actor]; }
    Reduction& reduction() { return reduction_; }

private:
    Reduction reduction_;
    Reduction::Set all_;
};
std::vector<Reduction::Waiting> waits(unsigned actor, const Footprint& guard) {
    return {{actor, std::make_shared<const Footprint>(guard)}};
}
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
    e.step(1, {touch(kX, Kind::Read), touch(kY, Kind::Write)});
    e.step(2, {touch(kX, Kind::Read), touch(kY, Kind::Read)});
    EXPECT_TRUE(e.branches(0, 1));
    EXPECT_TRUE(e.branches(1, 2));
    // 2's read of x is after 0's write through 1's write of y, too.
    EXPECT_FALSE(e.branches(0, 2));
}

TEST(Reduction, a_lock_races_with_the_one_who_took_it_and_not_with_the_one_who_let_it_go) {
    const Condition free{.kind = Condition::Kind::CanWrite, .place = Place{kLock}};
    Execution e;
    const auto shut = waits(1, one(kLock, Kind::Read, 1));
    e.step(0, one(kLock, Kind::Write, 0), {}, free); // takes it
    e.step(1, one(kY, Kind::Write), shut);           // arrives at the lock
    e.step(0, one(kLock, Kind::Write, 1));           // lets it go
    e.step(1, one(kLock, Kind::Write, 0), {}, free); // takes it
    EXPECT_TRUE(e.branches(0, 1));                   // could have had it first
    EXPECT_FALSE(e.branches(2, 1));                  // could not have had it then
}

// It need not have arrived while the lock was held: where it would have waited is seen without going there.
TEST(Reduction, who_came_late_to_a_lock_could_have_come_first) {
    const Condition free{.kind = Condition::Kind::CanWrite, .place = Place{kLock}};
    Execution e;
    e.step(0, one(kLock, Kind::Write, 0), {}, free);
    e.step(0, one(kLock, Kind::Write, 1));
    e.step(1, one(kY, Kind::Write));
    e.step(1, one(kLock, Kind::Write, 0), {}, free);
    EXPECT_TRUE(e.branches(0, 1));
    EXPECT_FALSE(e.branches(1, 1));
}

TEST(Reduction, who_never_gets_the_lock_races_all_the_same) {
    Execution e;
    e.step(0, one(kLock, Kind::Write, 0));
    e.step(1, one(kY, Kind::Write), waits(1, one(kLock, Kind::Read, 1)));
    EXPECT_FALSE(e.branches(0, 1));
    e.reduction().end(waits(1, one(kLock, Kind::Read, 1)));
    EXPECT_TRUE(e.branches(0, 1));
}

// What it did after it had read what the other wrote says nothing of what it would do before.
TEST(Reduction, a_micro_step_that_read_what_it_is_to_precede_is_not_judged_by_what_it_did) {
    Execution e(3);
    e.reduction().nodes()[0].sleep.push_back({1, std::make_shared<const Footprint>(one(kY, Kind::Read))});
    e.step(0, one(kX, Kind::Write));
    e.step(2, one(kY, Kind::Write));
    e.step(1, {touch(kX, Kind::Read)}); // after 0 it leaves y alone; tried from the beginning, it read y, which 2 writes
    EXPECT_TRUE(e.branches(0, 2));
}

TEST(Reduction, a_conflicting_micro_step_wakes_who_sleeps) {
    Reduction reduction(3);
    const auto shared = [](const Footprint& f) { return std::make_shared<const Footprint>(f); };
    reduction.enter(Reduction::Set(7), {{0, shared(one(kX, Kind::Read))}, {1, shared(one(kY, Kind::Write))}}, {});
    const auto after = reduction.sleepAfter(reduction.nodes().back(), 2, one(kX, Kind::Write));
    ASSERT_EQ(after.size(), 1u);
    EXPECT_EQ(after[0].actor, 1u);
}

} // namespace mirrorscope
