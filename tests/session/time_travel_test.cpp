// SPDX-License-Identifier: GPL-3.0-or-later
// Back to micro-step 0 and forward again gives bit-identical memory, for every shipped scenario, at every position.
#include "support/effort.h"
#include "support/run.h"
#include "support/seed.h"

#include <gtest/gtest.h>

#include <random>

namespace mirrorscope::test {

TEST(TimeTravel, every_position_of_every_shipped_scenario_is_the_same_in_both_directions) {
    const u64 seed = propertySeed();
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    for (const auto& file : someOf(shippedScenarios())) {
        SCOPED_TRACE(file);
        Session session(loadScenario(file.string()));
        // The hash of all words at each position, on the way forward.
        std::vector<u64> hashes;
        const Machine& machine = session.system().machine();
        const auto everything = [&] {
            u64 hash = 0;
            for (u64 w = 0; w < machine.words(); ++w)
                hash += wordHash(static_cast<u32>(w), machine.peek({static_cast<u32>(w)}));
            return hash;
        };
        for (u64 n = 0; n <= session.end(); ++n) {
            session.seek(n);
            hashes.push_back(machine.hash());
        }
        const u64 whole = everything();
        for (u64 n = session.end(); n-- > 0;) {
            session.seek(n);
            ASSERT_EQ(machine.hash(), hashes[n]) << n;
        }
        const u64 start = everything();
        ASSERT_EQ(machine.hash(), machine.hashFromScratch());
        for (unsigned k = 0; k < 50; ++k) {
            const u64 n = random() % hashes.size();
            session.seek(n);
            ASSERT_EQ(machine.hash(), hashes[n]) << n;
        }
        ASSERT_EQ(machine.hash(), machine.hashFromScratch());
        session.seek(session.end());
        ASSERT_EQ(everything(), whole);
        session.seek(0);
        ASSERT_EQ(everything(), start);
    }
}

TEST(TimeTravel, a_fresh_run_is_the_same_as_the_recorded_one) {
    for (const auto& file : someOf(shippedScenarios())) {
        SCOPED_TRACE(file);
        Session a(loadScenario(file.string()));
        Session b(loadScenario(file.string()));
        a.seek(a.end() / 2);
        a.seek(a.end());
        b.seek(b.end());
        EXPECT_EQ(a.end(), b.end());
        EXPECT_EQ(a.system().machine().hash(), b.system().machine().hash());
    }
}

TEST(TimeTravel, a_history_that_is_packed_is_the_one_that_was_written) {
    const u64 seed = propertySeed();
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    for (const auto& file : someOf(shippedScenarios())) {
        SCOPED_TRACE(file);
        const Scenario scenario = loadScenario(file.string());
        Runner open(scenario, {}), packed(scenario, {});
        Machine& a = open.system().machine();
        Machine& b = packed.system().machine();
        b.shapeJournal({.stepBits = 4, .fresh = 2, .read = 2});
        open.runAll();
        packed.runAll();
        ASSERT_EQ(a.steps(), b.steps());
        ASSERT_EQ(a.hash(), b.hash());
        using Changes = std::vector<std::pair<u64, u64>>;
        const auto changesOf = [](const Machine& machine, u64 n) {
            Changes changes;
            machine.forEachChange(n, [&](Place place, u64 delta) { changes.emplace_back(place.v, delta); });
            return changes;
        };
        for (u64 n = 0; n < a.steps(); ++n) {
            const StepRecord x = a.step(n), y = b.step(n);
            ASSERT_TRUE(x.change == y.change && x.path == y.path && x.script == y.script && x.site == y.site && x.actor == y.actor) << n;
            ASSERT_EQ(changesOf(a, n), changesOf(b, n)) << n;
        }
        b.packLeaps(0);
        for (unsigned k = 0; k < 30; ++k) {
            const u64 n = random() % (a.steps() + 1);
            a.seek(n);
            b.seek(n);
            ASSERT_EQ(a.hash(), b.hash()) << n;
        }
        ASSERT_EQ(b.hash(), b.hashFromScratch());
    }
}

TEST(TimeTravel, running_without_a_journal_leads_to_the_same_memory) {
    for (const auto& file : someOf(shippedScenarios())) {
        SCOPED_TRACE(file);
        const Scenario scenario = loadScenario(file.string());
        // Without rules, whose own words are kept only where they are asked.
        Runner stepped(scenario, {.check = false}), bulk(scenario, {.check = false, .recording = false});
        stepped.runAll();
        bulk.runAll();
        EXPECT_EQ(stepped.system().machine().hash(), bulk.system().machine().hash());
        EXPECT_EQ(bulk.system().machine().steps(), 0u);
    }
}

} // namespace mirrorscope::test
