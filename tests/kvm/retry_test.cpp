// SPDX-License-Identifier: GPL-3.0-or-later
// Faults that meet somebody else: frozen entries, invalidations, busy SEAMCALLs.
#include "support/run.h"

#include <gtest/gtest.h>

namespace mirrorscope::test {

TEST(Retry, a_fault_that_meets_a_frozen_entry_changes_nothing_and_tries_again) {
    Ran run(td(R"(  - race:
      vcpu0: [{accept: 0x6000, id: a}]
      vcpu1: [{accept: 0x6000, id: b}]
    schedule: [{vcpu0: until spte.freeze}, {vcpu1: done}, {vcpu0: done}, {vcpu1: done}]
expect:
  - {result: a, is: ok}
  - {result: b, is: TDX_PAGE_ALREADY_ACCEPTED}
  - {count: TDH.MEM.PAGE.AUG, is: 1}
  - {count: retry, at-least: 1}
  - {violations: 0}
)"));
    EXPECT_TRUE(run.runner.ok()) << run.failures();
}

TEST(Retry, an_invalidation_between_pfn_and_lock_sends_the_fault_back) {
    const std::string script = R"(mirrorscope: 1
machine: {vm: default, slots: [{id: 0, gpa: 0, size: 4M}]BREAK}
script:
  - race:
      vcpu0: [{write: {gpa: 0x1000, value: 5}, id: w}]
      host: [{discard: {gpa: 0x1000}}]
    schedule: [{vcpu0: until host.fault}, {host: done}, {vcpu0: done}]
  - vcpu0: {read: 0x1000, id: r}
expect: [{result: w, is: ok}, {result: r, value: 5}]
)";
    std::string honest = script, broken = script;
    honest.replace(honest.find("BREAK"), 5, "");
    broken.replace(broken.find("BREAK"), 5, ", break: [ignore-invalidate-seq]");
    Ran good(honest);
    EXPECT_TRUE(good.runner.ok()) << good.failures();
    Ran bad(broken);
    EXPECT_TRUE(bad.violated(Rule::NoStaleTlb)) << bad.failures();
}

TEST(Retry, a_busy_seamcall_restores_the_entry_and_the_fault_is_handled_again) {
    Ran run(td(R"(  - inject: {seamcall: TDH.MEM.PAGE.AUG, status: TDX_OPERAND_BUSY, times: 3}
  - vcpu0: {accept: 0x2000, id: a}
expect: [{result: a, is: ok}, {count: TDH.MEM.PAGE.AUG, is: 4}, {count: spte.restore, is: 3}, {count: retry, is: 3}, {violations: 0}]
)"));
    EXPECT_TRUE(run.runner.ok()) << run.failures();
}

TEST(Retry, a_zap_that_finds_the_module_busy_keeps_vcpus_out_and_tries_once_more) {
    for (const char* leaf : {"TDH.MEM.RANGE.BLOCK", "TDH.MEM.TRACK", "TDH.MEM.PAGE.REMOVE"}) {
        SCOPED_TRACE(leaf);
        const std::string head =
            "  - vcpu0: {accept: 0x2000}\n  - inject: {seamcall: " + std::string(leaf) + ", status: TDX_OPERAND_BUSY, times: ";
        const std::string tail = "}\n  - punch-hole: {gpa: 0x2000}\nexpect: [{count: " + std::string(leaf) + ", is: 2}]\n";
        Ran once(td(head + "1" + tail));
        EXPECT_TRUE(once.runner.ok()) << once.failures();
        Ran twice(td(head + "2" + tail)); // a second BUSY is a kernel bug
        EXPECT_TRUE(twice.violated(Rule::ModuleAgrees)) << twice.failures();
    }
}

TEST(Retry, injected_statuses_count_and_wait_for_their_turn) {
    Ran run(td(R"(  - inject: {seamcall: TDH.MEM.PAGE.AUG, status: TDX_OPERAND_BUSY, times: 1, after: 2}
  - vcpu0: {accept: {gpa: 0x2000, size: 16K}, id: a}
expect: [{result: a, is: ok}, {count: TDH.MEM.PAGE.AUG, is: 5}, {count: spte.restore, is: 1}, {violations: 0}]
)"));
    EXPECT_TRUE(run.runner.ok()) << run.failures();
}

// Without a history no hash of the machine is kept from the beginning: a loop that has no end is found nevertheless.
TEST(Retry, what_repeats_itself_for_ever_is_found_in_a_run_without_history) {
    Ran run(td("  - inject: {seamcall: TDH.MEM.PAGE.AUG, status: TDX_OPERAND_BUSY}\n  - vcpu0: {accept: 0x4000}\n",
               "vcpus: 1, break: [stay-frozen]"),
            {.check = false, .recording = false});
    EXPECT_NE(run.runner.stopped().find("repeats"), std::string::npos) << run.runner.stopped();
}

} // namespace mirrorscope::test
