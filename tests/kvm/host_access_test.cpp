// SPDX-License-Identifier: GPL-3.0-or-later
// What user space does with guest memory itself, and how its faults fail (Linux v6.16 mmu.c: kvm_handle_error_pfn(); kvm_main.c:
// hva_to_pfn(); arch/x86/virt/svm/sev.c: rmpupdate()); what a CPU forgets; KVM's own statistics.
#include "support/row.h"

namespace mirrorscope::test {

namespace {
constexpr const char* kSmallVm = "vm: default, slots: [{id: 0, gpa: 0, size: 64K}]";

const Row kHostRows[] = {
    {"the_guest_reads_what_the_host_wrote", kSmallVm, "  - host-write: {gpa: 0x1008, value: 7}\n  - {vcpu0: {read: 0x1008}, id: r}\n",
     "{result: r, value: 7}"},
    {"the_host_reads_what_the_guest_wrote", kSmallVm,
     "  - vcpu0: {write: {gpa: 0x1008, value: 7, pages: 3}}\n  - {host-read: 0x1008, id: r}\n  - {host-read: {gpa: 0x1008, pages: 3}, id: "
     "s}\n",
     "{result: r, value: 7}, {result: s, value: 9}"},
    {"shared_memory_of_a_TD", "vm: tdx, attributes: shared, slots: [{id: 0, gpa: 0, size: 64K}]",
     "  - finalize-vm\n  - host-write: {gpa: 0x2000, value: 3}\n  - {vcpu0: {read: {gpa: 0x2000, as: shared}}, id: r}\n",
     "{result: r, value: 3}"},
    {"private_memory_is_not_what_the_mapping_has", "vm: sw-protected, attributes: private, slots: [{id: 0, gpa: 0, size: 64K}]",
     "  - host-write: {gpa: 0x2000, value: 3}\n  - {vcpu0: {read: 0x2000}, id: r}\n", "{result: r, value: 0}"},
    {"nobody_maps_a_guest_memfd", "vm: sw-protected, slots: [{id: 0, gpa: 0, size: 64K}]",
     "  - {host-read: {gpa: 0, as: private}, id: r}\n", "{result: r, is: SIGSEGV, errno: ENODEV}"},
    {"nothing_is_mapped_where_no_slot_is", kSmallVm, "  - {host-read: 64K, id: r}\n  - {host-write: {gpa: 0xf000, pages: 2}, id: w}\n",
     "{result: r, is: SIGSEGV}, {result: w, is: SIGSEGV}"},
    {"what_was_discarded_is_zero", kSmallVm, "  - host-write: {gpa: 0, value: 5}\n  - discard: {gpa: 0}\n  - {host-read: 0, id: r}\n",
     "{result: r, value: 0}"},
    {"what_was_migrated_is_the_same", kSmallVm, "  - host-write: {gpa: 0, value: 5}\n  - migrate: {gpa: 0}\n  - {host-read: 0, id: r}\n",
     "{result: r, value: 5}"},
    {"no_log_has_what_the_host_writes", "vm: default, slots: [{id: 0, gpa: 0, size: 64K, dirty-log: true}]",
     "  - host-write: 0x1000\n  - {dirty-log: {id: 0, do: get}, id: log}\n", "{result: log, is: ok}, {result: log, value: 0}"},
    {"mprotect_read", kSmallVm,
     "  - vcpu0: {write: {gpa: 0, value: 4}}\n  - mprotect: {gpa: 0, prot: read}\n  - {vcpu0: {read: 0}, id: r}\n  - {vcpu0: {write: 0}, "
     "id: w}\n"
     "  - {host-write: 0, id: hw}\n  - {host-read: 0, id: hr}\n",
     "{result: r, value: 4}, {result: w, is: EFAULT}, {result: hw, is: SIGSEGV}, {result: hr, value: 4}, {tree: direct, gpa: 0, is: leaf, "
     "writable: false}"},
    {"mprotect_none", kSmallVm, "  - vcpu0: {write: 0}\n  - mprotect: {gpa: 0, prot: none}\n  - {vcpu0: {read: 0}, id: r}\n",
     "{result: r, is: EFAULT}, {tree: direct, gpa: 0, is: none}"},
    {"mprotect_outlives_the_pages", kSmallVm,
     "  - mprotect: {gpa: 0, prot: read}\n  - vcpu0: {read: 0}\n  - discard: {gpa: 0}\n  - {vcpu0: {write: 0}, id: w}\n"
     "  - mprotect: {gpa: 0, prot: read-write}\n  - {vcpu0: {write: 0}, id: x}\n",
     "{result: w, is: EFAULT}, {result: x, is: ok}"},
    {"mprotect_of_a_part_takes_a_huge_page_apart", "vm: default, slots: [{id: 0, gpa: 0, size: 4M, backing: 2M}]",
     "  - vcpu0: {write: 0}\n  - expect: {tree: direct, gpa: 0, is: leaf, level: 2M}\n  - mprotect: {gpa: 0x1000, prot: none}\n"
     "  - {vcpu0: {read: 0}, id: a}\n  - {vcpu0: {read: 0x1000}, id: b}\n  - vcpu0: {write: 2M}\n",
     "{result: a, is: ok}, {result: b, is: EFAULT}, {tree: direct, gpa: 0, is: leaf, level: 4K}, {tree: direct, gpa: 2M, is: leaf, level: "
     "2M}"},
    {"mprotect_of_pages_that_came_one_by_one", "vm: default, slots: [{id: 0, gpa: 0, size: 2M, backing: 2M}]",
     "  - mprotect: {gpa: 0, prot: read}\n  - vcpu0: {write: 0x3000}\n  - vcpu0: {write: 0x1000}\n  - mprotect: {gpa: 0, prot: "
     "read-write}\n"
     "  - {vcpu0: {write: 0}, id: w}\n",
     "{result: w, is: ok}, {tree: direct, gpa: 0, is: leaf, level: 4K}"},
    {"user_space_is_gone_after_teardown", "vm: sw-protected, slots: [{id: 0, gpa: 0, size: 64K, gmem: f}]",
     "  - destroy-vm\n  - {host-write: 0, id: w}\n  - {gmem: {file: f, do: allocate}, id: a}\n  - {gmem: {file: g, do: create}, id: c}\n",
     "{result: w, is: SIGSEGV}, {result: a, is: EBADF}, {result: c, is: EBADF}, {count: frame, is: 0}"},
    {"a_host_fault_that_fails", kSmallVm,
     "  - inject: {host-fault: EFAULT, gpa: 0x3000, after: 1}\n  - {vcpu0: {read: 0x2000}, id: r}\n  - {host-read: 0x3000, id: a}\n"
     "  - {vcpu0: {read: 0x3000}, id: b}\n  - {vcpu0: {read: 0x3000}, id: c}\n",
     "{result: r, is: ok}, {result: a, is: ok}, {result: b, is: EFAULT}, {result: c, is: ok}"},
    {"a_poisoned_page", kSmallVm,
     "  - inject: {host-fault: HWPOISON, times: 2}\n  - {vcpu0: {read: 0x3000}, id: b}\n  - {host-read: 0x3000, id: a}\n"
     "  - inject: {host-fault: HWPOISON}\n  - {pre-fault: {gpa: 0x3000}, id: p}\n",
     "{result: b, is: KVM_EXIT_INTR, errno: EINTR}, {result: a, is: SIGBUS}, {result: p, is: EINTR}"},
    {"no_memory_for_a_host_page", kSmallVm,
     "  - vcpu0: {read: 0}\n  - inject: {alloc: fail}\n  - {vcpu0: {read: 0x1000}, id: r}\n  - inject: {alloc: fail}\n  - {host-read: "
     "0x1000, "
     "id: h}\n",
     "{result: r, is: EFAULT}, {result: h, is: SIGBUS}"},
    {"RMPUPDATE_fails_for_a_first_fault", "vm: snp, slots: [{id: 0, gpa: 0, size: 64K}]",
     "  - inject: {rmpupdate: FAIL_INUSE}\n  - {vcpu0: {write: 0}, id: a}\n  - {vcpu0: {write: 0}, id: b}\n",
     "{result: a, is: KVM_EXIT_MEMORY_FAULT, errno: EINVAL}, {result: b, is: ok}, {rmp: 0, is: validated}"},
    {"an_overlap_is_tried_again", "vm: snp, slots: [{id: 0, gpa: 0, size: 64K}]",
     "  - inject: {rmpupdate: FAIL_OVERLAP, times: 3}\n  - {vcpu0: {write: 0}, id: a}\n", "{result: a, is: ok}, {count: rmp.set, is: 5}"},
    {"a_raw_RMPUPDATE_is_answered", "vm: snp, slots: [{id: 0, gpa: 0, size: 64K}]",
     "  - vcpu0: {write: 0}\n  - inject: {rmpupdate: FAIL_PERMISSION}\n  - {rmpupdate: {gpa: 0, assigned: false}, id: u}\n",
     "{result: u, is: FAIL_PERMISSION}, {rmp: 0, is: validated}"},
    {"a_CPU_forgets_a_page", kSmallVm,
     "  - vcpu0: {write: 0}\n  - vcpu0: {write: 0x1000}\n  - vcpu0: {evict: 0}\n  - {vcpu0: {read: 0}, id: r}\n  - vcpu0: {evict: 0}\n",
     "{result: r, is: ok}, {tlb: vcpu0, gpa: 0, is: empty}, {tlb: vcpu0, gpa: 0x1000, is: cached}, {count: "
     "fault, "
     "is: 2}"},
    {"pages_by_size", "vm: default, slots: [{id: 0, gpa: 0, size: 4M, backing: 2M}, {id: 1, gpa: 1G, size: 1G, backing: 1G}]",
     "  - vcpu0: {write: 0}\n  - vcpu0: {write: 2M}\n  - vcpu0: {write: 1G}\n  - split-huge-pages: {gpa: 2M, size: 2M}\n",
     "{count: pages_1g, is: 1}, {count: pages_2m, is: 1}, {count: pages_4k, is: 512}, {count: leaf, is: 514}"},
    {"pages_that_NX_has_split", "vm: default, nx-huge-pages: true, slots: [{id: 0, gpa: 0, size: 4M, backing: 2M}]",
     "  - vcpu0: {exec: 0x1000}\n  - expect: {count: nx_lpage_splits, is: 1}\n  - recover-nx-pages\n", "{count: nx_lpage_splits, is: 0}"},
    {"faults_by_how_they_end", "vm: default, pml: false, slots: [{id: 0, gpa: 0, size: 64K, dirty-log: true}]",
     "  - vcpu0: {read: 0}\n  - dirty-log: {id: 0, do: get}\n  - vcpu0: {write: 0}\n  - pre-fault: {gpa: 0x1000}\n  - vcpu0: {read: "
     "128K}\n",
     "{count: pf_taken, is: 3}, {count: pf_fixed, is: 2}, {count: pf_fast, is: 1}, {count: pf_emulate, is: 1}, {count: "
     "pf_mmio_spte_created, is: 1}, {count: fault, is: 4}"},
};
} // namespace

class HostAccess : public testing::TestWithParam<Row> {};

TEST_P(HostAccess, is_as_the_kernel_has_it) { expectRow(GetParam()); }

INSTANTIATE_TEST_SUITE_P(Every, HostAccess, testing::ValuesIn(kHostRows), [](const auto& row) { return std::string(row.param.name); });

} // namespace mirrorscope::test
