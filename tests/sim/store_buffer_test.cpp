// SPDX-License-Identifier: GPL-3.0-or-later
// Store buffers against the litmus tests of x86-TSO (Owens, Sarkar, Sewell 2009; Intel SDM vol. 3A, 9.2.3): every order is run, and what
// the loads found must be what the papers allow, all of it and nothing else.
#include "sim/race.h"
#include "system/system.h"

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <set>

namespace mirrorscope {

namespace {
// Of one CPU: "x=1", "x" (a load), "mfence", "xchg x=1", "lock" and "unlock" of mmu_lock for writing.
using Program = std::vector<std::vector<std::string>>;
using Outcomes = std::set<std::string>; // what the loads found, CPU after CPU, in program order

class Litmus {
public:
    Litmus(const Program& program, bool buffers, char final) : program_(program), system_(config(program, buffers)), final_(final) {}

    Outcomes run() {
        Sim& sim = system_.sim();
        std::vector<Race::Actor> actors;
        for (unsigned cpu = 0; cpu < program_.size(); ++cpu)
            actors.push_back({static_cast<ActorId>(cpu), [this, cpu] {
                                  for (const std::string& text : program_[cpu])
                                      instruction(cpu, text);
                              }});
        found_.resize(program_.size());
        Race race(sim, std::move(actors));
        for (unsigned i = 0; i < race.actors(); ++i)
            race.start(i);
        visit(race);
        return outcomes_;
    }

private:
    static MachineConfig config(const Program& program, bool buffers) {
        MachineConfig c;
        c.vm = VmType::Default;
        c.vcpus = static_cast<unsigned>(program.size());
        c.privateByDefault = false;
        c.slots.push_back({0, {0}, 16, false, false});
        c.storeBuffers = buffers;
        return c;
    }
    // Words that no code of the model looks at.
    Place word(char name) const { return wordOf({40}, static_cast<unsigned>(name - 'a')); }
    void instruction(unsigned cpu, const std::string& text) {
        Sim& sim = system_.sim();
        if (text == "mfence")
            sim.fence();
        else if (text == "lock")
            sim.writeLock(LockId::MmuLock);
        else if (text == "unlock")
            sim.writeUnlock(LockId::MmuLock);
        else if (text.starts_with("xchg")) {
            sim.step(Site::SpteCmpxchg);
            sim.machine().set(word(text[5]), static_cast<u64>(text[7] - '0'));
        } else if (text.size() > 1)
            sim.store(Site::SpteStore, word(text[0]), static_cast<u64>(text[2] - '0'));
        else {
            sim.step(Site::SpteRead);
            found_[cpu].push_back(static_cast<char>('0' + sim.machine().get(word(text[0]))));
        }
    }
    void visit(Race& race) {
        const std::vector<unsigned> movable = race.movable();
        for (const unsigned i : movable) {
            const u64 at = system_.machine().steps();
            const auto found = found_;
            race.save(i);
            race.run(i);
            visit(race);
            system_.machine().rewind(at);
            race.undo();
            found_ = found;
        }
        if (!movable.empty())
            return;
        EXPECT_TRUE(race.over());
        std::string outcome;
        for (const std::string& cpu : found_)
            outcome += (outcome.empty() || cpu.empty() ? "" : " ") + cpu;
        if (final_ != 0)
            outcome += std::string(" ") + final_ + std::to_string(system_.machine().peek(word(final_)));
        outcomes_.insert(outcome);
    }

    const Program& program_;
    System system_;
    char final_; // the word that is looked at when all stores are out; 0 for none
    std::vector<std::string> found_;
    Outcomes outcomes_;
};

Outcomes outcomes(const Program& program, bool buffers = true, char final = 0) { return Litmus(program, buffers, final).run(); }
} // namespace

TEST(StoreBuffers, a_load_passes_an_earlier_store_to_another_word) {
    const Program sb{{"a=1", "b"}, {"b=1", "a"}};
    EXPECT_EQ(outcomes(sb), (Outcomes{"0 0", "0 1", "1 0", "1 1"}));
    EXPECT_EQ(outcomes(sb, false), (Outcomes{"0 1", "1 0", "1 1"}));
}

TEST(StoreBuffers, fences_and_locked_operations_wait_for_the_stores) {
    EXPECT_EQ(outcomes({{"a=1", "mfence", "b"}, {"b=1", "mfence", "a"}}), (Outcomes{"0 1", "1 0", "1 1"}));
    EXPECT_EQ(outcomes({{"a=1", "mfence", "b"}, {"b=1", "a"}}), (Outcomes{"0 0", "0 1", "1 0", "1 1"}));
    EXPECT_EQ(outcomes({{"a=1", "xchg c=1", "b"}, {"b=1", "xchg d=1", "a"}}), (Outcomes{"0 1", "1 0", "1 1"}));
    EXPECT_EQ(outcomes({{"xchg a=1", "b"}, {"xchg b=1", "a"}}), (Outcomes{"0 1", "1 0", "1 1"}));
}

TEST(StoreBuffers, stores_become_visible_in_order_and_loads_keep_theirs) {
    EXPECT_EQ(outcomes({{"a=1", "b=1"}, {"b", "a"}}), (Outcomes{"00", "01", "11"}));                   // message passing
    EXPECT_EQ(outcomes({{"a", "b=1"}, {"b", "a=1"}}), (Outcomes{"0 0", "0 1", "1 0"}));                // load buffering
    EXPECT_EQ(outcomes({{"a=1"}, {"b=1"}, {"a", "b"}, {"b", "a"}}).count("10 10"), 0u);                // IRIW: all see one order
    EXPECT_EQ(outcomes({{"a=1"}, {"a", "b=1"}, {"b", "a"}}).count("1 10"), 0u);                        // causality
    EXPECT_EQ(outcomes({{"a=1", "a=2"}, {"a", "a"}}), (Outcomes{"00", "01", "02", "11", "12", "22"})); // one word
}

TEST(StoreBuffers, a_cpu_sees_its_own_stores_before_the_others_do) {
    // SDM 9.2.3.5: both have seen their own and not the other's.
    EXPECT_EQ(outcomes({{"a=1", "a", "b"}, {"b=1", "b", "a"}}).count("10 10"), 1u);
    // n6 of the paper: CPU 0 reads its own a while that waits, b from before b=2, and its a is the one that stays.
    const Program n6{{"a=1", "a", "b"}, {"b=2", "a=2"}};
    EXPECT_EQ(outcomes(n6, true, 'a').count("10 a1"), 1u);
    EXPECT_EQ(outcomes(n6, false, 'a').count("10 a1"), 0u);
    // n5: two stores to one word, each CPU reads the other's only if they are in an order.
    EXPECT_EQ(outcomes({{"a=1", "a"}, {"a=2", "a"}}), (Outcomes{"1 1", "1 2", "2 2"}));
}

TEST(StoreBuffers, an_unlock_is_a_store_and_a_lock_is_not) {
    // Under the lock nobody sees half of it, and the store before the unlock may still wait when the load after it is done.
    EXPECT_EQ(outcomes({{"lock", "a=1", "b=1", "unlock"}, {"lock", "a", "b", "unlock"}}), (Outcomes{"00", "11"}));
    EXPECT_EQ(outcomes({{"lock", "a=1", "unlock", "b"}, {"b=1", "a"}}).count("0 0"), 1u);
    EXPECT_EQ(outcomes({{"lock", "a=1", "unlock", "b"}, {"lock", "b=1", "unlock", "a"}}).count("0 0"), 0u);
}

TEST(StoreBuffers, a_full_one_lets_its_oldest_store_go) {
    MachineConfig config;
    config.vm = VmType::Default;
    config.privateByDefault = false;
    config.storeBuffers = true;
    config.slots.push_back({0, {0}, 16, false, false});
    System system(config);
    Sim& sim = system.sim();
    const auto seen = [&](unsigned n) { return sim.machine().peek(wordOf({40}, n)); };
    Race race(sim, {{0, [&] {
                         for (unsigned n = 0; n <= StoreBuffers::kStores; ++n)
                             sim.store(Site::SpteStore, wordOf({40}, n), 1);
                     }}});
    for (unsigned n = 0; n < StoreBuffers::kStores; ++n)
        race.run(0);
    EXPECT_EQ(seen(0), 0u);
    race.run(0);
    EXPECT_EQ(seen(0), 1u);
    EXPECT_EQ(seen(1), 0u);
    EXPECT_FALSE(race.over()); // the actor is done, its stores are not
    race.drainStores(0);
    EXPECT_TRUE(race.over());
    EXPECT_EQ(seen(StoreBuffers::kStores), 1u);
}

} // namespace mirrorscope
