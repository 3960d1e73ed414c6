// SPDX-License-Identifier: GPL-3.0-or-later
// What v6.16 had wrong is found by exploring scenarios that ask for nothing; with the later fixes the same scenarios hold in every
// interleaving. (reference: kernel.md 12.3, "present in 6.16")
#include "explore/counterexample.h"
#include "explore/explorer.h"
#include "support/run.h"

#include <gtest/gtest.h>

namespace mirrorscope::test {

namespace {
struct Plain {
    const char* name;
    const char* rule;
    const char* vm;
    const char* script;
    int preemptions = -1; // the bound under which the mended one is explored, where all of it is too much
};
std::ostream& operator<<(std::ostream& out, const Plain& plain) { return out << plain.name; }

const Plain kPlain[] = {
    {"slot_deletion_and_prefault", "progress", "vm: default, vcpus: 1",
     "  - race: {host: [{pre-fault: {vcpu: 0, gpa: 0x1000, size: 4K}}], host1: [{delete-memory-region: {id: 0}}]}\n"},
    // Nothing but an entry of the secure EPT that is busy for a moment: two vCPUs do that to each other, but three actors are long to
    // explore.
    {"slot_deletion_and_private_fault", "progress", "vm: tdx, vcpus: 1",
     "  - finalize-vm\n  - {inject: {seamcall: TDH.MEM.PAGE.AUG, status: OPERAND_BUSY}}\n"
     "  - race: {vcpu0: [{accept: 0x1000}], host: [{delete-memory-region: {id: 0}}]}\n",
     2},
    {"fast_zap_and_prefault", "progress", "vm: default, vcpus: 1",
     "  - race: {host: [{pre-fault: {vcpu: 0, gpa: 0x1000, size: 4K}}], host1: [zap-all]}\n"},
    {"new_vcpu_and_image", "", "vm: tdx, vcpus: 2, init-vcpus: 1",
     "  - race: {host: [{init-mem-region: {gpa: 0, size: 4K, measure: false}}], host1: [{init-vcpu: 1}]}\n"},
    {"new_vcpu_and_finalization", "module-agrees", "vm: tdx, vcpus: 2, init-vcpus: 1",
     "  - race: {host: [finalize-vm], host1: [{init-vcpu: 1}]}\n"},
    {"prefault_beyond_the_root", "", "vm: default, vcpus: 1",
     "  - race: {host: [{pre-fault: {gpa: 0x1000000001000, size: 4K}}], vcpu0: [{write: 0x1000}]}\n"},
    {"page_add_is_told_busy", "coherent", "vm: tdx, vcpus: 1",
     "  - {inject: {seamcall: TDH.MEM.PAGE.ADD, status: OPERAND_BUSY}}\n  - {init-mem-region: {gpa: 0, size: 4K, measure: false}}\n"},
};
} // namespace

class ReleasedBugs : public testing::TestWithParam<Plain> {};

TEST_P(ReleasedBugs, are_found_as_released_and_gone_with_the_fixes) {
    const auto scenario = [&](const char* kernel) {
        return bindScenario("plain.yaml", std::string("mirrorscope: 1\nmachine: {") + GetParam().vm + ", kernel: \"" + kernel +
                                              "\", slots: [{id: 0, gpa: 0, size: 4M}]}\nscript:\n" + GetParam().script);
    };
    const Scenario released = scenario("6.16");
    const ExploreResult found = Explorer(released, {}).run();
    ASSERT_FALSE(found.findings.empty());
    if (*GetParam().rule != '\0') {
        EXPECT_EQ(found.findings[0].rule, GetParam().rule) << found.findings[0].text;
    }
    // It is handed back as a scenario that shows it by itself.
    const Counterexample small = shrink(released, found.findings[0]);
    EXPECT_TRUE(small.confirmed);
    Ran replay(scenarioOf(released, small));
    EXPECT_TRUE(replay.runner.ok()) << replay.failures();

    const Scenario fixed = scenario("fixed");
    ExploreOptions options;
    if (GetParam().preemptions >= 0)
        options.preemptions = static_cast<unsigned>(GetParam().preemptions);
    const ExploreResult held = Explorer(fixed, options).run();
    EXPECT_EQ(held.complete, !options.preemptions) << held.transitions;
    EXPECT_FALSE(held.stopped);
    for (const ExploreFinding& f : held.findings)
        ADD_FAILURE() << f.rule << ": " << f.text;
}

INSTANTIATE_TEST_SUITE_P(Every, ReleasedBugs, testing::ValuesIn(kPlain), [](const auto& plain) { return std::string(plain.param.name); });

} // namespace mirrorscope::test
