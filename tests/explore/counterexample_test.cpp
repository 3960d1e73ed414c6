// SPDX-License-Identifier: GPL-3.0-or-later
// What exploring finds comes back as a short scenario that shows the same when it is run; each way to break the protocol is caught.
#include "explore/counterexample.h"
#include "explore/mutants.h"
#include "support/effort.h"
#include "support/run.h"

#include <gtest/gtest.h>

namespace mirrorscope::test {

TEST(Counterexample, is_short_and_shows_the_same_violation_when_it_is_run) {
    struct Case {
        const char *machine, *race, *rule;
        u64 switches;
    };
    const Case cases[] = {
        {"vm: tdx, vcpus: 2, break: [skip-track-kick]",
         // what is expected inside of the race is about another order, and is left out
         "vcpu0: [{read: 0x4000}, {expect: {tree: mirror, gpa: 0x4000, is: frozen}}, {read: 0x4000}]\n"
         "      host: [{punch-hole: {gpa: 0x4000}}]",
         "module-agrees", 2},
        {"vm: tdx, vcpus: 2, break: [no-freeze]", "vcpu0: [{accept: 0x5000}]\n      vcpu1: [{accept: 0x5000}]", "coherent", 3},
        {"vm: tdx, vcpus: 2, break: [skip-kick]", "vcpu0: [{read: 0x4000}, {read: 0x4000}]\n      host: [{punch-hole: {gpa: 0x4000}}]",
         "module-agrees", 4},
    };
    for (const Case& c : cases) {
        const Scenario scenario =
            bindScenario("found.yaml", std::string("mirrorscope: 1\ntitle: T\nmachine: {") + c.machine +
                                           ", slots: [{id: 0, gpa: 0, size: 16M}]}\nscript:\n"
                                           "  - init-mem-region: {gpa: 0, size: 4K, content: \"5a\"}\n  - finalize-vm\n"
                                           "  - vcpu0: {accept: 0x4000}\n  - race:\n      " +
                                           c.race + "\n");
        SCOPED_TRACE(scenario.source);
        const ExploreResult result = Explorer(scenario, {}).run();
        ASSERT_FALSE(result.findings.empty());
        const Counterexample small = shrink(scenario, result.findings[0]);
        EXPECT_TRUE(small.confirmed);
        if (*c.rule != '\0') {
            EXPECT_EQ(small.rule, c.rule);
        }
        EXPECT_LE(small.switches, c.switches);
        u64 before = 0;
        for (const auto& race : result.findings[0].schedule)
            for (const auto& entry : race)
                before += entry.second;
        EXPECT_LE(small.steps, before);
        // What it was bound with is in the text.
        Ran replayed(scenarioOf(bindScenario(scenario.file, scenario.source, {{"machine.vcpus", "3"}}), small));
        EXPECT_TRUE(replayed.runner.ok()) << replayed.failures();
        EXPECT_EQ(replayed.scenario.machine.vcpus, 3u);
        bool shown = false;
        for (const Violation& v : replayed.runner.checker().violations())
            shown |= info(v.rule).name == small.rule;
        EXPECT_TRUE(shown) << scenarioOf(scenario, small);
    }
}

TEST(Mutants, are_all_caught_and_the_honest_protocol_is_not) {
    std::vector<std::string> files;
    for (const auto& file : shippedScenarios())
        files.push_back(file.string());
    const std::vector<std::string> names(breakNames().begin(), breakNames().end());
    for (const Mutant& m : tryMutants(files, someOf(names), 1'000'000)) {
        EXPECT_FALSE(m.rule.empty()) << m.name << " is not caught";
        EXPECT_TRUE(m.honest) << m.name << ": " << m.scenario << " is violated without it";
    }
}

} // namespace mirrorscope::test
