// SPDX-License-Identifier: GPL-3.0-or-later
// What is told beside a result: struct kvm_run, what ioctls write back, exceptions, registers (Linux v6.16 kvm_prepare_memory_fault_exit(),
// __tdx_map_gpa(), tdx_complete_vmcall_map_gpa(), kvm_vcpu_pre_fault_memory(), tdx_vcpu_init_mem_region(); TDX module 1.5).
#include "support/row.h"

namespace mirrorscope::test {

namespace {
const Row kDetailRows[] = {
    {"a_shared_access_to_private_memory", "vm: tdx, slots: [{id: 0, gpa: 0, size: 64K}]",
     "  - finalize-vm\n  - {vcpu0: {read: {gpa: 0x5008, as: shared}}, id: r}\n",
     "{result: r, is: KVM_EXIT_MEMORY_FAULT, errno: EFAULT}, {result: r, field: flags, value: 0}, {result: r, field: gpa, value: 0x5000}, "
     "{result: r, field: size, value: 4K}"},
    {"a_private_access_to_shared_memory", "vm: tdx, attributes: shared, slots: [{id: 0, gpa: 0, size: 64K}]",
     "  - finalize-vm\n  - {vcpu0: {accept: 0x5000}, id: a}\n",
     "{result: a, is: KVM_EXIT_MEMORY_FAULT, errno: EFAULT}, {result: a, field: flags, value: 8}, {result: a, field: gpa, value: 0x5000}"},
    {"private_memory_without_a_page", "vm: sw-protected, attributes: private, slots: [{id: 0, gpa: 0, size: 64K, private: false}]",
     "  - {vcpu0: {read: 0x5000}, id: r}\n",
     "{result: r, is: KVM_EXIT_MEMORY_FAULT, errno: EFAULT}, {result: r, field: flags, value: 8}, {result: r, field: size, value: 4K}"},
    {"an_emulated_write", "vm: default, slots: []", "  - {vcpu0: {write: 0x1234}, id: w}\n  - {vcpu0: {read: 0x1234}, id: r}\n",
     "{result: w, is: KVM_EXIT_MMIO}, {result: w, field: gpa, value: 0x1230}, {result: w, field: len, value: 8}, {result: w, field: "
     "is-write, value: 1}, {result: r, field: is-write, value: 0}"},
    {"the_hypercall_of_a_conversion", "vm: tdx, slots: [{id: 0, gpa: 0, size: 8M}]",
     "  - finalize-vm\n  - {vcpu0: {map-gpa: {gpa: 0, size: 0x201000, as: shared}}, id: m}\n"
     "  - {vcpu0: {map-gpa: {gpa: 0, size: 8K, as: private}}, id: back}\n",
     "{result: m, is: ok}, {result: m, field: nr, value: 12}, {result: m, field: gpa, value: 2M}, {result: m, field: pages, value: 1}, "
     "{result: m, field: attributes, value: 0}, {result: m, field: status, value: 0}, {result: back, field: attributes, value: 16}, "
     "{result: back, field: pages, value: 2}"},
    {"a_conversion_that_is_not_aligned", "vm: tdx, slots: [{id: 0, gpa: 0, size: 8M}]",
     "  - finalize-vm\n  - {vcpu0: {map-gpa: {gpa: 0x800, size: 4K, as: shared}}, id: m}\n",
     "{result: m, is: EINVAL}, {result: m, field: status, value: 0x8000000000000002}, {result: m, register: R11, value: 0x800}"},
    {"a_conversion_of_nothing", "vm: tdx, slots: [{id: 0, gpa: 0, size: 8M}]",
     "  - finalize-vm\n  - {vcpu0: {map-gpa: {gpa: 0x1000, size: 0, as: shared}}, id: m}\n",
     "{result: m, is: EINVAL}, {result: m, field: status, value: 0x8000000000000000}"},
    {"a_conversion_that_user_space_refuses_half_way", "vm: tdx, slots: [{id: 0, gpa: 0, size: 8M}]",
     "  - finalize-vm\n  - {vcpu0: {map-gpa: {gpa: 0, size: 6M, as: shared, refuse-after: 1}}, id: m}\n"
     "  - {vcpu0: {write: {gpa: 0x1000, as: shared}}, id: w}\n  - {vcpu0: {write: {gpa: 2M, as: shared}}, id: x}\n",
     "{result: m, is: EINVAL}, {result: m, field: status, value: 0x8000000000000000}, {result: m, register: R11, value: 2M}, {result: w, "
     "is: ok}, {result: x, is: KVM_EXIT_MEMORY_FAULT}"},
    {"a_conversion_that_an_event_interrupts", "vm: tdx, slots: [{id: 0, gpa: 0, size: 8M}]",
     "  - finalize-vm\n  - {vcpu0: {map-gpa: {gpa: 0, size: 6M, as: shared, event-after: 2}}, id: m}\n",
     "{result: m, is: EAGAIN}, {result: m, field: status, value: 1}, {result: m, register: R11, value: 4M}, {count: attr.set, is: 2}"},
    {"what_a_pre_fault_has_left", "vm: default, slots: [{id: 0, gpa: 0, size: 64K}]",
     "  - {pre-fault: {gpa: 0xe000, size: 16K}, id: p}\n  - {pre-fault: {gpa: 0x10000, size: 4K}, id: q}\n",
     "{result: p, is: ok}, {result: p, field: gpa, value: 0x10000}, {result: p, field: size, value: 8K}, {result: q, is: ENOENT}, "
     "{result: q, field: gpa, value: 0x10000}, {result: q, field: size, value: 4K}"},
    {"what_an_image_has_left", "vm: tdx, slots: [{id: 0, gpa: 0, size: 64K}]", "  - {init-mem-region: {gpa: 0xe000, size: 16K}, id: i}\n",
     "{result: i, is: EINVAL}, {result: i, field: gpa, value: 0x10000}, {result: i, field: pages, value: 2}"},
    {"where_a_walk_of_the_module_ended", "vm: tdx, slots: [{id: 0, gpa: 0, size: 64K}]",
     "  - {seamcall: {leaf: TDH.MEM.RANGE.BLOCK, gpa: 0x5000}, id: b}\n  - init-mem-region: {gpa: 0, size: 4K}\n"
     "  - {seamcall: {leaf: TDH.MEM.RANGE.BLOCK, gpa: 0x5000}, id: c}\n",
     "{result: b, is: TDX_EPT_WALK_FAILED}, {result: b, register: RDX, value: 3}, {result: b, register: RCX, value: 0x8000000000000000}, "
     "{result: c, is: TDX_EPT_ENTRY_STATE_INCORRECT}, {result: c, register: RDX, value: 0}"},
    {"what_a_guest_is_told_of_a_pending_page", "vm: tdx, sept-ve-disable: false, ve-handler: none, slots: [{id: 0, gpa: 0, size: 64K}]",
     "  - finalize-vm\n  - pre-fault: {gpa: 0x5000}\n  - {vcpu0: {write: 0x5008}, id: w}\n",
     "{result: w, is: \"#VE\"}, {result: w, field: reason, value: 48}, {result: w, field: gpa, value: 0x5008}, {result: w, field: "
     "qualification, value: 2}"},
    {"what_a_guest_is_told_of_a_page_not_validated", "vm: snp, ve-handler: none, slots: [{id: 0, gpa: 0, size: 64K}]",
     "  - {vcpu0: {read: 0x5000}, id: r}\n", "{result: r, is: \"#VC\"}, {result: r, field: reason, value: 0x404}"},
};
} // namespace

class Details_ : public testing::TestWithParam<Row> {};

TEST_P(Details_, are_those_of_the_kernel) { expectRow(GetParam()); }

INSTANTIATE_TEST_SUITE_P(Every, Details_, testing::ValuesIn(kDetailRows), [](const auto& row) { return std::string(row.param.name); });

// What is not there is nothing, and never 0.
TEST(Details_, that_were_not_told_hold_nothing) {
    const Ran run("mirrorscope: 1\nmachine: {vm: default, slots: [{id: 0, gpa: 0, size: 64K}]}\nscript:\n"
                  "  - {vcpu0: {read: 0}, id: r}\nexpect: [{result: r, field: flags, value: 0}]\n");
    ASSERT_EQ(run.runner.failed(), 1u);
    EXPECT_EQ(run.runner.expectations().front().found, "ok, flags nothing");
}

TEST(Details_, are_in_the_output) {
    const auto events = eventsOf("mirrorscope: 1\nmachine: {vm: tdx, slots: [{id: 0, gpa: 0, size: 64K}]}\nscript:\n  - finalize-vm\n"
                                 "  - vcpu0: {read: {gpa: 0x5000, as: shared}}\n");
    const auto told = std::find_if(events.begin(), events.end(), [](const auto& e) { return e.contains("details"); });
    ASSERT_NE(told, events.end());
    EXPECT_EQ((*told)["details"].dump(), R"({"errno":"EFAULT","flags":"0x0","gpa":"0x5000","size":"0x1000"})");
}

} // namespace mirrorscope::test
