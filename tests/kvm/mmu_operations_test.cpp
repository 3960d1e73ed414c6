// SPDX-License-Identifier: GPL-3.0-or-later
// What reaches the TDP MMU beside faults and unmaps: dirty logging, splitting, collapsing, aging, slots, who decides.
#include "support/run.h"

#include <gtest/gtest.h>

namespace mirrorscope::test {

namespace {
std::string vm(const std::string& machine, const std::string& script, const std::string& expect) {
    EXPECT_FALSE(expect.empty());
    return "mirrorscope: 1\nmachine: {" + machine + "}\nscript:\n" + script + "expect:\n" + expect + "  - {violations: 0}\n";
}
const std::string kSmall = "vm: default, vcpus: 1, slots: [{id: 0, gpa: 0, size: 4M}]";
const std::string kHuge = "vm: default, vcpus: 1, slots: [{id: 0, gpa: 0, size: 4M, backing: 2M}]";
} // namespace

// Both methods find the same pages, whatever was mapped before logging and after.
TEST(MmuOperations, both_ways_of_dirty_logging_find_the_same_pages) {
    for (const char* pml : {"true", "false"})
        for (const char* ad : {"true", "false"})
            for (const char* backing : {"4K", "2M"})
                for (const char* eager : {"true", "false"})
                    expectHolds(vm(std::string("vm: default, vcpus: 1, pml: ") + pml + ", ad-bits: " + ad + ", eager-split: " + eager +
                                       ", slots: [{id: 0, gpa: 0, size: 4M, backing: " + backing + "}]",
                                   "  - vcpu0: {write: {gpa: 0, pages: 8, stride: 4K}}\n  - dirty-log: {id: 0, do: start}\n"
                                   "  - vcpu0: {read: 0x1000}\n  - vcpu0: {write: 0x2000}\n  - vcpu0: {write: 0x3000}\n"
                                   "  - vcpu0: {write: 0x3008}\n  - vcpu0: {write: 0x300000}\n"
                                   "  - {dirty-log: {id: 0, do: get}, id: first}\n  - vcpu0: {write: 0x3000}\n"
                                   "  - {dirty-log: {id: 0, do: get}, id: second}\n  - {dirty-log: {id: 0, do: get}, id: third}\n",
                                   "  - {result: first, value: 3}\n  - {result: second, value: 1}\n  - {result: third, value: 0}\n"));
}

TEST(MmuOperations, logging_is_refused_where_the_kernel_refuses_it) {
    expectHolds(
        vm("vm: tdx, slots: [{id: 0, gpa: 0, size: 4M}]", "  - {dirty-log: {id: 0, do: start}, id: a}\n", "  - {result: a, is: EINVAL}\n"));
    expectHolds(vm(kSmall, "  - {dirty-log: {id: 0, do: get}, id: a}\n", "  - {result: a, is: ENOENT}\n"));
}

TEST(MmuOperations, a_huge_page_is_split_without_losing_a_bit_of_it) {
    expectHolds(vm(
        kHuge,
        "  - vcpu0: {write: {gpa: 0x5000, value: 5}}\n  - split-huge-pages: {gpa: 0, size: 2M, level: 4K}\n"
        "  - expect: [{tree: direct, gpa: 0, is: leaf, level: 4K, writable: true, executable: true}, {count: leaf, is: 512}]\n"
        "  - {vcpu0: {read: 0x5000}, id: a}\n  - recover-huge-pages: {gpa: 0, size: 2M, level: 2M}\n  - {vcpu0: {read: 0x5000}, id: b}\n",
        "  - {result: a, value: 5}\n  - {result: b, value: 5}\n  - {tree: direct, gpa: 0, is: leaf, level: 2M}\n  - {count: leaf, is: "
        "1}\n"));
}

TEST(MmuOperations, nx_huge_pages_are_never_executable_while_huge) {
    expectHolds(vm("vm: default, vcpus: 1, nx-huge-pages: true, slots: [{id: 0, gpa: 0, size: 4M, backing: 2M}]",
                   "  - vcpu0: {exec: 0x1000}\n  - vcpu0: {write: 0x200000}\n",
                   "  - {tree: direct, gpa: 0x1000, is: leaf, level: 4K, executable: true}\n"
                   "  - {tree: direct, gpa: 0x200000, is: leaf, level: 2M, executable: false}\n"));
}

TEST(MmuOperations, aging_forgets_and_the_next_access_remembers) {
    expectHolds(vm("vm: default, vcpus: 2, slots: [{id: 0, gpa: 0, size: 4M}]",
                   "  - vcpu0: {write: 0x1000}\n  - expect: {tree: direct, gpa: 0x1000, is: leaf, accessed: true}\n"
                   "  - age: {gpa: 0x1000, size: 4K}\n  - expect: {tree: direct, gpa: 0x1000, is: leaf, accessed: false, writable: true}\n"
                   "  - vcpu1: {read: 0x1000}\n",
                   "  - {tree: direct, gpa: 0x1000, is: leaf, accessed: true}\n"));
    // A TD's private pages are not aged: the walk is of the direct root only.
    expectHolds(vm("vm: tdx, slots: [{id: 0, gpa: 0, size: 4M}]",
                   "  - init-mem-region: {gpa: 0, size: 4K}\n  - finalize-vm\n  - vcpu0: {accept: 0x1000}\n  - age: {gpa: 0, size: 4M}\n",
                   "  - {tree: mirror, gpa: 0x1000, is: leaf}\n  - {tree: secure, gpa: 0x1000, is: mapped}\n"));
}

TEST(MmuOperations, zap_all_leaves_nothing_and_the_guest_goes_on) {
    expectHolds(
        vm("vm: default, vcpus: 2, slots: [{id: 0, gpa: 0, size: 4M}]",
           "  - vcpu0: {write: {gpa: 0x1000, value: 9}}\n  - vcpu1: {read: 0x1000}\n  - zap-all\n"
           "  - expect: {tree: direct, gpa: 0x1000, is: none}\n  - expect: {count: leaf, is: 0}\n  - {vcpu0: {read: 0x1000}, id: a}\n",
           "  - {result: a, value: 9}\n  - {tlb: vcpu1, gpa: 0x1000, is: empty}\n"));
}

TEST(MmuOperations, a_page_that_moves_keeps_what_was_written) {
    for (const char* verb : {"migrate", "protect"})
        expectHolds(vm("vm: default, vcpus: 2, slots: [{id: 0, gpa: 0, size: 4M}]",
                       "  - vcpu0: {write: {gpa: 0x1000, value: 9}}\n  - vcpu1: {read: 0x1000}\n  - " + std::string(verb) +
                           ": {gpa: 0x1000, size: 4K}\n  - {vcpu1: {read: 0x1000}, id: a}\n  - vcpu0: {write: {gpa: 0x1000, value: 10}}\n"
                           "  - {vcpu1: {read: 0x1000}, id: b}\n",
                       "  - {result: a, value: 9}\n  - {result: b, value: 10}\n"));
}

TEST(MmuOperations, slots_come_move_and_go) {
    expectHolds(vm(kSmall,
                   "  - set-memory-region: {id: 1, gpa: 8M, size: 4M}\n  - {vcpu0: {write: {gpa: 0x800000, value: 3}}, id: a}\n"
                   "  - set-memory-region: {id: 1, gpa: 16M, size: 4M}\n  - {vcpu0: {write: 0x800000}, id: b}\n"
                   "  - {vcpu0: {read: 0x1000000}, id: c}\n  - {set-memory-region: {id: 2, gpa: 16M, size: 4K}, id: d}\n"
                   "  - delete-memory-region: {id: 1}\n  - {vcpu0: {read: 0x1000000}, id: e}\n  - {delete-memory-region: {id: 1}, id: f}\n",
                   "  - {result: a, is: ok}\n  - {result: b, is: KVM_EXIT_MMIO}\n  - {result: c, value: 3}\n  - {result: d, is: EEXIST}\n"
                   "  - {result: e, is: KVM_EXIT_MMIO}\n  - {result: f, is: EINVAL}\n"));
}

// A machine is reserved, not committed: its size costs nothing until it is touched.
TEST(MmuOperations, a_slot_of_64_GiB_is_a_slot_like_any_other) {
    for (const char* type : {"default", "tdx"})
        expectHolds(vm(std::string("vm: ") + type + ", slots: [{id: 0, gpa: 0, size: 64G}]",
                       std::string(type) == "tdx"
                           ? "  - init-mem-region: {gpa: 0, size: 4K}\n  - finalize-vm\n  - {vcpu0: {accept: 0xffffff000}, id: a}\n"
                           : "  - {vcpu0: {write: 0xffffff000}, id: a}\n",
                       "  - {result: a, is: ok}\n"));
}

TEST(MmuOperations, pre_fault_refuses_what_the_ioctl_refuses) {
    expectHolds(vm(kSmall,
                   "  - {pre-fault: {vcpu: 0, gpa: 0x800, size: 4K}, id: a}\n  - {pre-fault: {vcpu: 0, gpa: 0x1000, size: 8K}, id: b}\n"
                   "  - {pre-fault: {vcpu: 0, gpa: 8M, size: 4K}, id: c}\n",
                   "  - {result: a, is: EINVAL}\n  - {result: b, is: ok}\n  - {result: c, is: ENOENT}\n"
                   "  - {tree: direct, gpa: 0x2000, is: leaf}\n  - {count: exit, is: 0}\n"));
}

// The reviewer's table: whoever decides, the private table follows a map by fault; who follows a punched hole differs.
TEST(MmuOperations, who_decides_shows_when_there_is_no_fault) {
    for (const char* dispatch : {"role", "fault", "iter", "gfn"}) {
        const bool right = std::string(dispatch) != "fault";
        Ran ran("mirrorscope: 1\nmachine: {vm: tdx, dispatch: " + std::string(dispatch) +
                ", slots: [{id: 0, gpa: 0, size: 4M}]}\nscript:\n  - init-mem-region: {gpa: 0, size: 4K}\n  - finalize-vm\n"
                "  - vcpu0: {accept: 0x1000}\n  - expect: {tree: secure, gpa: 0x1000, is: mapped}\n  - punch-hole: {gpa: 0x1000}\n"
                "  - expect: {tree: secure, gpa: 0x1000, is: " +
                (right ? "free" : "mapped") + "}\n");
        EXPECT_EQ(ran.violated(Rule::Coherent), !right) << dispatch;
        for (const auto& e : ran.runner.expectations())
            EXPECT_TRUE(e.holds) << dispatch << ": " << e.text << ": found " << e.found;
    }
}

// The flags of one slot and the number of the next one are neighbours.
TEST(MmuOperations, each_of_several_slots_keeps_its_own_flags) {
    for (const char* vm : {"tdx", "sw-protected, attributes: private", "snp"}) {
        SCOPED_TRACE(vm);
        const bool isTd = vm[0] == 't';
        Ran run("mirrorscope: 1\nmachine: {vm: " + std::string(vm) +
                ", slots: [{id: 7, gpa: 0, size: 4M}, {id: 2, gpa: 1G, size: 4M}, {id: 0, gpa: 3G, size: 2M, private: false}]}\nscript:\n" +
                (isTd ? "  - finalize-vm\n  - vcpu0: {accept: 0x1000}\n  - vcpu0: {accept: 1G}\n" : "") +
                "  - {vcpu0: {write: {gpa: 0x1000, value: 4}}, id: a}\n  - {vcpu0: {write: {gpa: 1G, value: 5}}, id: b}\n"
                "  - {vcpu0: {read: 3G}, id: c}\n  - delete-memory-region: {id: 2}\n  - {vcpu0: {read: 0x1000}, id: d}\n"
                "expect: [{result: a, is: ok}, {result: b, is: ok}, {result: c, is: KVM_EXIT_MEMORY_FAULT}, {result: d, value: 4}, "
                "{violations: 0}]\n");
        EXPECT_TRUE(run.runner.ok()) << run.failures();
    }
}

} // namespace mirrorscope::test
