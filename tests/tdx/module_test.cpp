// SPDX-License-Identifier: GPL-3.0-or-later
// The module by raw SEAMCALLs; statuses and operands as in the TDX module 1.5.01.
#include "explore/explorer.h"
#include "support/run.h"

#include <gtest/gtest.h>

namespace mirrorscope::test {

namespace {
// Steps on a finalized TD with one page at 0; rules are off, KVM knows nothing of what is done here.
void expectAll(const std::string& script) {
    Scenario scenario = bindScenario("test.yaml", td(script));
    Runner runner(scenario, {.check = false});
    runner.runAll();
    EXPECT_FALSE(runner.expectations().empty());
    for (const auto& e : runner.expectations())
        EXPECT_TRUE(e.holds) << "line " << e.line << ": " << e.text << " found " << e.found;
    EXPECT_EQ(runner.stopped(), "");
}
} // namespace

// Exploring copies an actor's stack: a raw call that owned memory there would free it twice.
TEST(Module, each_raw_call_can_be_raced) {
    unsigned raced = 0;
    for (const char* release : {"kernel: \"6.16\"", "kernel: next, features: [dynamic-pamt]"})
        for (const std::string_view leaf : leafNames())
            for (const char* operands : {"", ", gpa: 0x8000000000", ", page: new", ", gpa: 0x8000000000, page: new"}) {
                const std::string call = "{seamcall: {leaf: " + std::string(leaf) + operands + "}}";
                Scenario scenario;
                try {
                    scenario = bindScenario("test.yaml", "mirrorscope: 1\nmachine: {vm: tdx, vcpus: 1, " + std::string(release) +
                                                             ", slots: [{id: 0, gpa: 0, size: 4M}]}\nscript:\n  - finalize-vm\n"
                                                             "  - race:\n      host: [" +
                                                             call + "]\n      host1: [" + call + "]\n");
                } catch (const InputError&) {
                    continue; // no raw call, or none with these operands
                }
                ExploreOptions options;
                options.mode = ExploreMode::Stateful;
                options.all = true;
                options.maxTransitions = 2000;
                EXPECT_GT(Explorer(scenario, options).run().transitions, 0u) << call;
                ++raced;
            }
    EXPECT_GT(raced, 60u);
}

TEST(Module, the_first_failing_check_gives_the_status) {
    expectAll(R"(  - {seamcall: {leaf: TDH.MEM.PAGE.AUG, gpa: 0}, id: mapped}
  - {seamcall: {leaf: TDH.MEM.PAGE.AUG, gpa: 0x40000000}, id: no-table}
  - {seamcall: {leaf: TDH.MEM.PAGE.AUG, gpa: 0x800}, id: unaligned}
  - {seamcall: {leaf: TDH.MEM.PAGE.AUG, gpa: 0x1000, level: 1G}, id: level}
  - {seamcall: {leaf: TDH.MEM.PAGE.AUG, gpa: 0x800000000000}, id: shared}
  - {seamcall: {leaf: TDH.MEM.PAGE.AUG, gpa: 0x1000, page: {of: 0}}, id: used}
  - {seamcall: {leaf: TDH.MEM.PAGE.AUG, gpa: 0x1000, page: 0xffffffff}, id: outside}
  - {seamcall: {leaf: TDH.MEM.PAGE.AUG, gpa: 0x1000, tdr: 5}, id: no-tdr}
  - {seamcall: {leaf: TDH.MEM.PAGE.ADD, gpa: 0x1000}, id: late}
expect:
  - {result: mapped, is: TDX_EPT_ENTRY_STATE_INCORRECT, operand: RCX}
  - {result: no-table, is: TDX_EPT_WALK_FAILED, operand: RCX}
  - {result: unaligned, is: TDX_OPERAND_INVALID, operand: RCX}
  - {result: level, is: TDX_OPERAND_INVALID, operand: RCX}
  - {result: shared, is: TDX_OPERAND_INVALID, operand: RCX}
  - {result: used, is: TDX_PAGE_METADATA_INCORRECT, operand: R8}
  - {result: outside, is: TDX_OPERAND_ADDR_RANGE_ERROR, operand: R8}
  - {result: no-tdr, operand: RDX}
  - {result: late, is: TDX_OP_STATE_INCORRECT}
)");
}

TEST(Module, a_removal_needs_a_block_and_a_finished_epoch) {
    expectAll(R"(  - {seamcall: {leaf: TDH.MEM.PAGE.REMOVE, gpa: 0}, id: mapped}
  - {seamcall: {leaf: TDH.MEM.RANGE.BLOCK, gpa: 0}, id: block}
  - {seamcall: {leaf: TDH.MEM.RANGE.BLOCK, gpa: 0}, id: twice}
  - {seamcall: {leaf: TDH.MEM.PAGE.REMOVE, gpa: 0}, id: untracked}
  - seamcall: {leaf: TDH.MEM.TRACK}
  - {seamcall: {leaf: TDH.MEM.PAGE.REMOVE, gpa: 0}, id: remove}
  - expect: {tree: secure, gpa: 0, is: free, level: 4K}
expect:
  - {result: mapped, is: TDX_GPA_RANGE_NOT_BLOCKED, operand: RCX}
  - {result: block, is: ok}
  - {result: twice, is: TDX_GPA_RANGE_ALREADY_BLOCKED, operand: RCX}
  - {result: untracked, is: TDX_TLB_TRACKING_NOT_DONE, operand: RCX}
  - {result: remove, is: ok}
)");
}

TEST(Module, a_vcpu_inside_keeps_its_epoch_open) {
    // The worked example of the reference: BLOCK, TRACK, and the page goes only when the vCPU has left.
    expectAll(R"(  - race:
      vcpu0: [{read: {gpa: 0, pages: 2, stride: 0}}]
      host:
        - {seamcall: {leaf: TDH.MEM.RANGE.BLOCK, gpa: 0}, id: block}
        - {seamcall: {leaf: TDH.MEM.TRACK}, id: track}
        - {seamcall: {leaf: TDH.MEM.TRACK}, id: again}
        - {seamcall: {leaf: TDH.MEM.PAGE.REMOVE, gpa: 0}, id: early}
        - {seamcall: {leaf: TDH.MR.FINALIZE}, id: exclusive}
      host1:
        - {seamcall: {leaf: TDH.MEM.PAGE.REMOVE, gpa: 0}, id: late}
    schedule: [{vcpu0: until tlb.hit}, {host: done}, {vcpu0: done}, {host1: done}]
expect:
  - {result: block, is: ok}
  - {result: track, is: ok}
  - {result: again, is: TDX_PREVIOUS_TLB_EPOCH_BUSY}
  - {result: early, is: TDX_TLB_TRACKING_NOT_DONE, operand: RCX}
  - {result: exclusive, is: TDX_OPERAND_BUSY, operand: RCX}
  - {result: late, is: ok}
)");
}

TEST(Module, the_guest_is_told_what_it_accepts) {
    expectAll(R"(  - {vcpu0: {accept: 0}, id: image}
  - {vcpu0: {accept: {gpa: 0, level: 2M}}, id: table}
  - {vcpu0: {accept: 0x5000}, id: fresh}
  - {vcpu0: {accept: 0x5000}, id: twice}
expect:
  - {result: image, is: TDX_PAGE_ALREADY_ACCEPTED}
  - {result: table, is: TDX_PAGE_SIZE_MISMATCH}
  - {result: fresh, is: ok}
  - {result: twice, is: TDX_PAGE_ALREADY_ACCEPTED}
)");
}

TEST(Module, large_pages_split_and_merge) {
    expectAll(R"(  - {seamcall: {leaf: TDH.MEM.PAGE.AUG, gpa: 0x200000, level: 2M}, id: aug}
  - expect: {tree: secure, gpa: 0x200000, is: pending, level: 2M}
  - {seamcall: {leaf: TDH.MEM.RANGE.BLOCK, gpa: 0x200000, level: 2M}, id: block}
  - seamcall: {leaf: TDH.MEM.TRACK}
  - {seamcall: {leaf: TDH.MEM.PAGE.DEMOTE, gpa: 0x200000, level: 2M}, id: demote}
  - expect: [{tree: secure, gpa: 0x200000, is: pending, level: 4K}, {tree: secure, gpa: 0x3ff000, is: pending, level: 4K}]
  - {seamcall: {leaf: TDH.MEM.RANGE.BLOCK, gpa: 0x200000, level: 2M}, id: block-table}
  - seamcall: {leaf: TDH.MEM.TRACK}
  - {seamcall: {leaf: TDH.MEM.PAGE.PROMOTE, gpa: 0x200000, level: 2M}, id: promote}
  - expect: {tree: secure, gpa: 0x200000, is: pending, level: 2M}
expect: [{result: aug, is: ok}, {result: demote, is: ok}, {result: promote, is: ok}]
)");
}

TEST(Module, an_inverted_epoch_and_a_table_that_is_not_empty) {
    expectAll(R"(  - {seamcall: {leaf: TDH.MEM.SEPT.REMOVE, gpa: 0, level: 2M}, id: open}
  - seamcall: {leaf: TDH.MEM.RANGE.BLOCK, gpa: 0, level: 2M}
  - seamcall: {leaf: TDH.MEM.TRACK}
  - {seamcall: {leaf: TDH.MEM.SEPT.REMOVE, gpa: 0, level: 2M}, id: full}
  - {seamcall: {leaf: TDH.MEM.SEPT.RD, gpa: 0, level: 4K}, id: below}
  - {seamcall: {leaf: TDH.MEM.RANGE.UNBLOCK, gpa: 0, level: 2M}, id: unblock}
expect:
  - {result: open, is: TDX_GPA_RANGE_NOT_BLOCKED}
  - {result: full, is: TDX_EPT_PAGE_NOT_FREE, operand: RCX}
  - {result: below, is: TDX_EPT_WALK_FAILED, operand: RCX}
  - {result: unblock, is: ok}
)");
}

} // namespace mirrorscope::test
