// SPDX-License-Identifier: GPL-3.0-or-later
// The dirty log in its three modes, page by page (Linux v6.16 kvm_main.c: kvm_get_dirty_log_protect(), kvm_clear_dirty_log_protect(),
// kvm_prepare_memory_region(); mmu.c: kvm_arch_mmu_enable_log_dirty_pt_masked(); x86.c: kvm_mmu_slot_apply_flags()).
#include "support/row.h"

namespace mirrorscope::test {

namespace {
const Row kDirtyLogRows[] = {
    {"which_pages", "vm: default, slots: [{id: 0, gpa: 1M, size: 512K, dirty-log: true}]",
     "  - vcpu0: {write: 0x101000}\n  - vcpu0: {write: 0x140000}\n  - {dirty-log: {id: 0, do: get}, id: a}\n"
     "  - vcpu0: {write: 0x142000}\n  - {dirty-log: {id: 0, do: get, gpa: 0x141000}, id: b}\n",
     "{result: a, value: 2}, {result: a, field: bitmap, value: 2}, {result: b, value: 1}, {result: b, field: bitmap, value: 4}"},
    {"by_hand_a_get_only_reads", "vm: default, manual-dirty-log: enable, slots: [{id: 0, gpa: 0, size: 64K, dirty-log: true}]",
     "  - vcpu0: {write: 0x1000}\n  - {dirty-log: {id: 0, do: get}, id: a}\n  - {dirty-log: {id: 0, do: get}, id: b}\n"
     "  - expect: {tree: direct, gpa: 0x1000, dirty: true}\n  - dirty-log: {id: 0, do: clear}\n  - {dirty-log: {id: 0, do: get}, id: c}\n",
     "{result: a, value: 1}, {result: b, value: 1}, {result: c, value: 0}, {tree: direct, gpa: 0x1000, dirty: false}"},
    {"a_mask_clears_some", "vm: default, pml: false, manual-dirty-log: enable, slots: [{id: 0, gpa: 0, size: 64K, dirty-log: true}]",
     "  - vcpu0: {write: {gpa: 0, pages: 4}}\n  - dirty-log: {id: 0, do: clear, mask: 0xa}\n  - {dirty-log: {id: 0, do: get}, id: a}\n",
     "{result: a, field: bitmap, value: 5}, {tree: direct, gpa: 0, is: leaf, writable: true}, {tree: direct, gpa: 0x1000, is: leaf, "
     "writable: false}, {tree: direct, gpa: 0x3000, is: leaf, writable: false}"},
    {"initially_all_dirty", "vm: default, manual-dirty-log: initially-set, slots: [{id: 0, gpa: 0, size: 80K}]",
     "  - vcpu0: {write: 0}\n  - dirty-log: {id: 0, do: start}\n  - {dirty-log: {id: 0, do: get}, id: a}\n  - expect: {tree: direct, gpa: "
     "0, "
     "writable: true, dirty: true}\n  - dirty-log: {id: 0, do: clear}\n  - {dirty-log: {id: 0, do: get}, id: b}\n  - vcpu0: {write: "
     "0x2000}\n"
     "  - {dirty-log: {id: 0, do: get}, id: c}\n",
     "{result: a, value: 20}, {result: a, field: bitmap, value: 0xfffff}, {result: b, value: 0}, {result: c, field: bitmap, value: 4}"},
    {"what_is_cleared_is_split", "vm: default, manual-dirty-log: initially-set, slots: [{id: 0, gpa: 0, size: 4M, backing: 2M}]",
     "  - vcpu0: {write: 0}\n  - vcpu0: {write: 2M}\n  - dirty-log: {id: 0, do: start}\n  - expect: {tree: direct, gpa: 0, is: leaf, "
     "level: 2M}\n"
     "  - dirty-log: {id: 0, do: clear, gpa: 0, size: 256K}\n",
     "{tree: direct, gpa: 0, is: leaf, level: 4K}, {tree: direct, gpa: 2M, is: leaf, level: 2M}"},
    {"or_protected_where_pages_are_split_late",
     "vm: default, eager-split: false, manual-dirty-log: initially-set, slots: [{id: 0, gpa: 0, size: 4M, backing: 2M}]",
     "  - vcpu0: {write: 0}\n  - dirty-log: {id: 0, do: start}\n  - dirty-log: {id: 0, do: clear, gpa: 0, size: 256K}\n"
     "  - expect: {tree: direct, gpa: 0, is: leaf, level: 2M, writable: false}\n  - vcpu0: {write: 0x1000}\n  - {dirty-log: {id: 0, do: "
     "get}, "
     "id: a}\n",
     "{result: a, field: bitmap, value: 2}, {tree: direct, gpa: 0x1000, is: leaf, level: 4K, writable: true}"},
    {"what_is_refused", "vm: default, slots: [{id: 0, gpa: 0, size: 512K}, {id: 1, gpa: 1M, size: 520K, dirty-log: true}]",
     "  - {dirty-log: {id: 0, do: get}, id: off}\n  - {dirty-log: {id: 7, do: get}, id: none}\n  - {dirty-log: {id: 32764, do: get}, id: "
     "far}\n"
     "  - {dirty-log: {id: 1, do: clear, gpa: 0x101000, size: 256K}, id: odd}\n  - {dirty-log: {id: 1, do: clear, gpa: 1M, size: 4K}, id: "
     "part}\n  - {dirty-log: {id: 1, do: clear, gpa: 0x180000, size: 8K}, id: tail}\n"
     "  - {dirty-log: {id: 1, do: clear, gpa: 0x180000, size: 12K}, id: beyond}\n  - {dirty-log: {id: 0, do: clear}, id: noLog}\n",
     "{result: off, is: ENOENT}, {result: none, is: ENOENT}, {result: far, is: EINVAL}, {result: odd, is: EINVAL}, {result: part, is: "
     "EINVAL}, {result: tail, is: ok}, {result: beyond, is: EINVAL}, {result: noLog, is: ENOENT}"},
};
} // namespace

class DirtyLog : public testing::TestWithParam<Row> {};
TEST_P(DirtyLog, is_as_the_kernel_has_it) { expectRow(GetParam()); }
INSTANTIATE_TEST_SUITE_P(Every, DirtyLog, testing::ValuesIn(kDirtyLogRows), [](const auto& row) { return std::string(row.param.name); });

} // namespace mirrorscope::test
