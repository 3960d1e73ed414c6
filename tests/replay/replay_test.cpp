// SPDX-License-Identifier: GPL-3.0-or-later
// What recorded kernels did, done again on our machine: it changes the same entries in the same way, but for what is named here.
#include "replay/compare.h"
#include "replay/scenario_of.h"

#include "export/export.h"

#include "support/effort.h"
#include "support/run.h"

#include <gtest/gtest.h>

#include <filesystem>

using namespace mirrorscope;

namespace {
const std::string kScenarios = std::string(MIRRORSCOPE_SOURCE_DIR) + "/scenarios/";
const std::string kRecorded = std::string(MIRRORSCOPE_SOURCE_DIR) + "/tests/data/traces/";

std::vector<RecordedVm> vmsOf(const std::string& file) {
    TraceInput input(file);
    return readVms(input, {});
}
Replayed again(const RecordedVm& vm) {
    return replayed(vm, scenarioOf(vm, "x", TraceKernel::V6_16), [] { return true; });
}
std::string told(const Replayed& r) {
    std::string text = r.firstRefused.empty() ? "" : "refused: " + r.firstRefused + "\n";
    for (const ReplayDifference& d : r.differences)
        text += std::to_string(d.entries) + " of level " + std::to_string(d.level) + ": " + d.kernel + " | " + d.ours + "\n";
    return text;
}
} // namespace

// The selftest of KVM_EXIT_MEMORY_FAULT: two VMs, conversions, their ends.
TEST(KernelReplay, of_the_private_exits_is_the_same) {
    const auto vms = vmsOf(kRecorded + "private-exits.trace");
    ASSERT_EQ(vms.size(), 2u);
    for (const RecordedVm& vm : vms) {
        const Replayed r = again(vm);
        EXPECT_EQ(r.changes, 22u);
        EXPECT_EQ(r.same, r.entries) << told(r);
        EXPECT_EQ(r.refused, 0u) << told(r);
        EXPECT_TRUE(vm.rootsGoWhole);
    }
}

// Where host memory was never written the kernel maps the page of zeros, read-only; ours is written.
TEST(KernelReplay, of_prefaults_differs_in_the_page_of_zeros) {
    const auto vms = vmsOf(kRecorded + "prefault.trace.gz");
    ASSERT_EQ(vms.size(), 3u);
    for (const RecordedVm& vm : vms) {
        const Replayed r = again(vm);
        EXPECT_EQ(r.changes, r.ours);
        EXPECT_EQ(r.refused, 0u) << told(r);
        for (const ReplayDifference& d : r.differences)
            EXPECT_EQ(d.kernel + " | " + d.ours, "not present → leaf r-x | not present → leaf rwx") << told(r);
        EXPECT_GT(r.same, 20u);
    }
}

// 6.12 zaps a table for a huge page to come; the host's pages there were of several sizes, one after the other.
TEST(KernelReplay, of_a_workload_says_what_differs_once_per_kind) {
    const auto vms = vmsOf(kRecorded + "lab-6.12-v7.dat.gz");
    ASSERT_EQ(vms.size(), 1u);
    const Replayed r = again(vms[0]);
    EXPECT_GT(r.same * 10, r.entries * 8) << told(r);
    EXPECT_LE(r.differences.size(), 12u) << told(r);
    EXPECT_EQ(r.refused, 0u) << told(r);
    bool collapse = false;
    for (const ReplayDifference& d : r.differences)
        collapse |= d.level == 2 && d.kernel == "table → not present" && d.ours.starts_with("table → leaf");
    EXPECT_TRUE(collapse) << told(r);
}

// Our own runs, told as a kernel's, become scenarios that do the same again.
TEST(KernelReplay, of_our_own_runs_is_the_same) {
    unsigned same = 0, all = 0;
    for (const char* folder : {"lessons", "races", "selftests"})
        for (const auto& file : test::someOf(test::shippedScenarios(folder))) {
            const std::string name = file.filename().string();
            if (name.find("1g") != std::string::npos)
                continue;
            SCOPED_TRACE(name);
            Session session(loadScenario(file.string()));
            if (session.scenario().machine.features.any()) // no line tells of them
                continue;
            std::string text;
            writeTrace(session, [&](const std::string& line) { text += line; });
            TraceInput input("run", std::move(text));
            const auto vms = readVms(input, {.one = true});
            if (vms.empty())
                continue;
            const Replayed r = again(vms[0]);
            ++all;
            same += r.same == r.entries ? 1 : 0;
            EXPECT_GT(r.entries, 0u);
        }
    EXPECT_GT(all, test::effort(250, 30));
    EXPECT_GT(same * 100, all * 85);
}

// What was not done again is noticed, with its line.
TEST(KernelReplay, a_step_that_is_left_out_is_noticed) {
    RecordedVm vm = vmsOf(kRecorded + "private-exits.trace").front();
    const auto deed = vm.deeds.begin() + 1;
    ASSERT_EQ(deed->kind, Deed::Kind::Access);
    const u32 line = deed->line;
    vm.deeds.erase(deed);
    const Replayed r = again(vm);
    ASSERT_EQ(r.differences.size(), 1u) << told(r);
    EXPECT_EQ(r.differences[0].kernel, "not present → leaf rwx");
    EXPECT_EQ(r.differences[0].ours, "");
    EXPECT_EQ(r.differences[0].line, line);
}

// The steps name the line at which they begin, and the file can be bound and explored like any other.
TEST(KernelReplay, the_scenario_is_one) {
    const auto vms = vmsOf(kRecorded + "lab-6.12.txt.xz");
    const std::string text = scenarioOf(vms.front(), "a \"strange\": name.txt", TraceKernel::V6_16);
    const Scenario scenario = bindScenario("x", text);
    EXPECT_GT(scenario.script.size(), 20u);
    EXPECT_NE(text.find("# line "), std::string::npos);
    EXPECT_NE(text.find("dirty-log: {id: 0, do: start}"), std::string::npos) << text;
    EXPECT_EQ(scenario.machine.vm, VmType::Default);
}

// What a kernel did wrong is no agreement: a page that stays frozen, a right that nobody gave, a line of which nothing is known.
TEST(KernelReplay, what_was_tampered_with_differs) {
    const auto tampered = [](const std::string& from, const std::string& to) {
        TraceInput input(kRecorded + "private-exits.trace");
        std::string text;
        for (std::string_view piece = input.read(); !piece.empty(); piece = input.read())
            text += piece;
        const std::size_t at = text.find(from);
        EXPECT_NE(at, std::string::npos) << from;
        text.replace(at, from.size(), to);
        TraceInput changed("t", text);
        return readVms(changed, {}).front();
    };
    const Replayed frozen = again(tampered("gfn 182 level 1 old_spte 1773f9e67 new_spte 8000000000000000",
                                           "gfn 182 level 1 old_spte 1773f9e67 new_spte 80000000000005a0"));
    EXPECT_LT(frozen.same, frozen.entries);
    const Replayed rights =
        again(tampered("old_spte 8000000000000000 new_spte 1773f9e67", "old_spte 8000000000000000 new_spte 80000001773f9e67"));
    ASSERT_LT(rights.same, rights.entries);
    EXPECT_EQ(rights.differences[0].kernel, "not present → leaf rw-") << told(rights);
    EXPECT_EQ(rights.differences[0].ours, "not present → leaf rwx");
    EXPECT_EQ(tampered("gfn 182 level 1 old_spte 8000", "gfn 182 level 9 old_spte 8000").unexplained, 1u);
}

// Whoever stops it is told nothing.
TEST(KernelReplay, is_stopped_at_once) {
    const auto vms = vmsOf(kRecorded + "private-exits.trace");
    const Replayed r = replayed(vms[0], scenarioOf(vms[0], "x", TraceKernel::V6_16), [] { return false; });
    EXPECT_TRUE(r.stopped);
    EXPECT_EQ(r.entries, 0u);
}
