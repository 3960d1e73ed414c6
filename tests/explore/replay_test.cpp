// SPDX-License-Identifier: GPL-3.0-or-later
// What exploring and stepping must agree on: a race that goes back and forth through SRCU and retries.
#include "explore/explorer.h"
#include "support/run.h"

#include <gtest/gtest.h>

namespace mirrorscope::test {

namespace {
std::string slotRace(const std::string& config) {
    return "mirrorscope: 1\nmachine: {vm: sw-protected, vcpus: 1, " + config +
           "slots: [{id: 0, gpa: 0, size: 4M, private: false}, {id: 1, gpa: 4M, size: 4M, private: false}]}\nscript:\n"
           "  - vcpu0: {write: 0x400000}\n  - race:\n      vcpu0: [{write: 0x401000}]\n      host: [{delete-memory-region: {id: 1}}]\n";
}
} // namespace

TEST(Replay, no_fault_maps_a_slot_that_is_gone) {
    const Scenario scenario = bindScenario("t.yaml", slotRace("") + "  - {vcpu0: {write: 0x401000}, id: gone}\nexpect: [{result: gone, is: "
                                                                    "KVM_EXIT_MMIO}, {tree: direct, gpa: 0x400000, is: none}]\n");
    const ExploreResult result = Explorer(scenario, {}).run();
    EXPECT_TRUE(result.complete);
    EXPECT_TRUE(result.ok()) << (result.findings.empty() ? "" : result.findings[0].text);
    EXPECT_GT(result.executions, 1u);
}

// Every schedule that the explorer gives for an outcome leads there when it is run: here the write is in time, or too late.
TEST(Replay, a_schedule_through_retries_is_exact) {
    std::string text = slotRace("");
    text.replace(text.find("{write: 0x401000}"), 17, "{write: 0x401000, id: late}");
    const Scenario scenario = bindScenario("t.yaml", text + "expect: [{result: late, is: EIO}]\n"); // never
    ExploreOptions options;
    options.all = true;
    const ExploreResult result = Explorer(scenario, options).run();
    ASSERT_EQ(result.findings.size(), 2u);
    for (const auto& finding : result.findings) {
        ASSERT_EQ(finding.schedule.size(), 1u);
        std::string schedule;
        for (const auto& [actor, steps] : finding.schedule[0])
            schedule += (schedule.empty() ? "{" : ", {") + actor + ": " + std::to_string(steps) + "}";
        const std::string found = finding.text.substr(finding.text.find("found ") + 6);
        Ran replay(text + "    schedule: [" + schedule + "]\nexpect: [{result: late, is: " + found + "}]\n");
        EXPECT_EQ(replay.failures(), "") << finding.text << "\n" << schedule;
    }
}

} // namespace mirrorscope::test
