// SPDX-License-Identifier: GPL-3.0-or-later
// Locks, RCU and the scheduler, driven by races that count.
#include "sim/race.h"
#include "system/system.h"

#include <gtest/gtest.h>

namespace mirrorscope {

namespace {
struct RaceHost {
    RaceHost() : system(config()) {}
    static MachineConfig config() {
        MachineConfig c;
        c.vm = VmType::Default;
        c.vcpus = 2;
        c.privateByDefault = false;
        c.slots.push_back({0, {0}, 16, false, false});
        return c;
    }
    System system;
    Sim& sim = system.sim();
};
} // namespace

TEST(Locks, readers_share_and_a_writer_waits_for_all_of_them) {
    RaceHost host;
    Sim& sim = host.sim;
    const auto reader = [&] {
        sim.readLock(LockId::MmuLock);
        sim.step(Site::SpteRead);
        sim.readUnlock(LockId::MmuLock);
    };
    Race race(sim, {{0, reader}, {1, reader}, {sim.hostActor(), [&] {
                                                   sim.writeLock(LockId::MmuLock);
                                                   sim.writeUnlock(LockId::MmuLock);
                                               }}});
    race.run(0);
    race.run(1);
    race.start(2);
    EXPECT_EQ(race.pendingSite(2), Site::LockAcquire);
    EXPECT_FALSE(race.enabled(2));
    while (!race.done(0))
        race.run(0);
    EXPECT_FALSE(race.enabled(2));
    while (!race.done(1))
        race.run(1);
    EXPECT_TRUE(race.enabled(2));
    race.run(2);
    EXPECT_EQ(sim.machine().peek(sim.lockPlace(LockId::MmuLock)) >> 32, u64{sim.hostActor()} + 1);
    while (!race.over())
        race.run(2);
    EXPECT_EQ(sim.machine().peek(sim.lockPlace(LockId::MmuLock)), 0u);
}

TEST(Rcu, a_callback_waits_for_the_readers_of_its_time_and_for_no_later_one) {
    RaceHost host;
    Sim& sim = host.sim;
    std::vector<u64> freed;
    sim.onRcuFree([&](u64 object) { freed.push_back(object); });
    const auto reader = [&] {
        sim.rcuReadLock();
        sim.step(Site::SpteRead);
        sim.rcuReadUnlock();
    };
    Race race(sim, {{0, reader}, {1, reader}, {sim.hostActor(), [&] { sim.callRcu(77); }}});
    const unsigned rcu = race.count() - 1;
    race.run(0); // inside
    race.run(2); // call_rcu
    EXPECT_FALSE(race.enabled(rcu));
    race.run(1); // a later reader
    while (!race.done(0))
        race.run(0);
    ASSERT_TRUE(race.enabled(rcu));
    race.run(rcu);
    EXPECT_EQ(freed, std::vector<u64>{77});
}

TEST(Steps, an_actor_that_can_only_repeat_itself_counts_as_blocked) {
    RaceHost host;
    Sim& sim = host.sim;
    const Place flag = host.system.kvm().vm(Kvm::VmWord::Dead);
    unsigned rounds = 0;
    Race race(sim, {{0,
                     [&] {
                         for (Retry retry(sim);; retry.again()) {
                             ++rounds;
                             sim.step(Site::SpteRead);
                             if (sim.machine().get(flag) != 0)
                                 return;
                         }
                     }},
                    {sim.hostActor(), [&] {
                         sim.step(Site::SpteSet);
                         sim.machine().set(flag, 1);
                     }}});
    for (unsigned i = 0; i < 50 && race.enabled(0); ++i)
        race.run(0);
    EXPECT_FALSE(race.enabled(0));
    EXPECT_LE(rounds, 2u);
    race.run(1);
    EXPECT_TRUE(race.enabled(0));
    while (!race.done(0))
        race.run(0);
    EXPECT_TRUE(race.over());
}

TEST(Steps, the_call_path_of_a_micro_step_is_recorded) {
    RaceHost host;
    Sim& sim = host.sim;
    {
        Call outer(sim, "kvm_tdp_mmu_map");
        Call inner(sim, "tdp_mmu_set_spte_atomic");
        sim.step(Site::SpteCmpxchg);
    }
    const u64 last = sim.machine().steps() - 1;
    EXPECT_EQ(sim.paths().names(sim.machine().step(last).path), (std::vector<std::string>{"kvm_tdp_mmu_map", "tdp_mmu_set_spte_atomic"}));
}

} // namespace mirrorscope
