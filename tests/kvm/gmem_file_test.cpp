// SPDX-License-Identifier: GPL-3.0-or-later
// guest_memfd as a file that slots are bound to (Linux v6.16 guest_memfd.c; each row names the function that decides).
#include "support/row.h"

namespace mirrorscope::test {

namespace {
constexpr const char* kVm = "vm: sw-protected, attributes: private, slots: []";
constexpr const char* kBound = "vm: sw-protected, attributes: private, slots: [{id: 0, gpa: 0, size: 64K, gmem: a}]";

const Row kGmemRows[] = {
    {"kvm_gmem_create_refuses", kVm,
     "  - {gmem: {file: a, do: create, size: 0}, id: none}\n  - {gmem: {file: b, do: create, size: 0x1001}, id: odd}\n"
     "  - {gmem: {file: c, do: create, size: 4K, flags: 1}, id: flags}\n  - {gmem: {file: d, do: create, size: 4K}, id: ok}\n"
     "  - {gmem: {file: a, do: mmap}, id: not}\n",
     "{result: none, is: EINVAL}, {result: odd, is: EINVAL}, {result: flags, is: EINVAL}, {result: ok, is: ok}, {result: not, is: EBADF}"},
    {"kvm_gmem_fallocate_refuses", kVm,
     "  - gmem: {file: a, do: create, size: 16K}\n  - {gmem: {file: a, do: allocate, size: 16K, keep-size: false}, id: grow}\n"
     "  - {gmem: {file: a, do: punch, keep-size: false}, id: cut}\n  - {gmem: {file: a, do: allocate, offset: 0x800}, id: odd}\n"
     "  - {gmem: {file: a, do: punch, size: 0x800}, id: half}\n  - {gmem: {file: a, do: allocate, size: 0}, id: none}\n"
     "  - {gmem: {file: a, do: allocate, offset: 12K, size: 8K}, id: beyond}\n  - {gmem: {file: a, do: punch, offset: 12K, size: 8K}, id: "
     "past}\n",
     "{result: grow, is: EOPNOTSUPP}, {result: cut, is: EOPNOTSUPP}, {result: odd, is: EINVAL}, {result: half, is: EINVAL}, {result: none, "
     "is: EINVAL}, {result: beyond, is: EINVAL}, {result: past, is: ok}, {count: frame, is: 0}"},
    {"vfs_fallocate_knows_how_large_a_file_can_be", kBound,
     "  - {gmem: {file: a, do: allocate, offset: 0x4000000000000000, size: 0x4000000000000000}, id: a}\n"
     "  - {gmem: {file: a, do: punch, offset: 0x4000000000000000, size: 0x4000000000000000}, id: p}\n",
     "{result: a, is: EFBIG}, {result: p, is: EFBIG}"},
    {"one_of_two_closes_finds_the_descriptor", kBound,
     "  - race:\n      schedule: [{host: until lock.acquire}, {host2: done}]\n      host: [{gmem: {file: a, do: close}, id: one}]\n"
     "      host2: [{gmem: {file: a, do: close}, id: two}]\n",
     "{result: one, is: ok}, {result: two, is: EBADF}"},
    {"kvm_gmem_fops_has_no_read_write_mmap", kVm,
     "  - gmem: {file: a, do: create, size: 16K}\n  - {gmem: {file: a, do: read}, id: r}\n  - {gmem: {file: a, do: write}, id: w}\n"
     "  - {gmem: {file: a, do: mmap}, id: m}\n  - gmem: {file: a, do: close}\n  - {gmem: {file: a, do: read}, id: after}\n"
     "  - {gmem: {file: a, do: allocate}, id: later}\n  - {gmem: {file: a, do: close}, id: twice}\n",
     "{result: r, is: EINVAL}, {result: w, is: EINVAL}, {result: m, is: ENODEV}, {result: after, is: EBADF}, {result: later, is: EBADF}, "
     "{result: twice, is: EBADF}"},
    {"kvm_gmem_allocate_makes_pages_once", kVm,
     "  - gmem: {file: a, do: create, size: 16K}\n  - gmem: {file: a, do: allocate, size: 8K}\n  - gmem: {file: a, do: allocate, size: "
     "12K}\n"
     "  - expect: {count: frame, is: 3}\n  - gmem: {file: a, do: punch, offset: 4K, size: 64K}\n",
     "{count: frame, is: 1}"},
    {"kvm_gmem_allocate_out_of_memory", kVm,
     "  - gmem: {file: a, do: create, size: 16K}\n  - inject: {alloc: fail, after: 1}\n  - {gmem: {file: a, do: allocate, size: 16K}, id: "
     "a}\n",
     "{result: a, is: ENOMEM}, {count: frame, is: 1}"},
    {"kvm_gmem_bind_refuses", kVm,
     "  - gmem: {file: a, do: create, size: 64K}\n  - gmem: {file: other, do: create, size: 64K, foreign: true}\n"
     "  - {set-memory-region: {id: 0, gpa: 0, size: 32K, gmem: a, gmem-offset: 0x800}, id: odd}\n"
     "  - {set-memory-region: {id: 0, gpa: 0, size: 32K, gmem: a, gmem-offset: 36K}, id: past}\n"
     "  - {set-memory-region: {id: 0, gpa: 0, size: 32K, gmem: a, gmem-offset: 0xfffffffffffff000}, id: wraps}\n"
     "  - {set-memory-region: {id: 0, gpa: 0, size: 32K, gmem: other}, id: foreign}\n"
     "  - {set-memory-region: {id: 0, gpa: 0, size: 32K, gmem: a}, id: first}\n"
     "  - {set-memory-region: {id: 1, gpa: 1M, size: 32K, gmem: a, gmem-offset: 28K}, id: overlaps}\n"
     "  - {set-memory-region: {id: 1, gpa: 1M, size: 32K, gmem: a, gmem-offset: 32K}, id: beside}\n"
     "  - gmem: {file: a, do: close}\n  - {set-memory-region: {id: 2, gpa: 2M, size: 4K, gmem: a}, id: closed}\n",
     "{result: odd, is: EINVAL}, {result: past, is: EINVAL}, {result: wraps, is: EINVAL}, {result: foreign, is: EINVAL}, {result: first, "
     "is: ok}, {result: overlaps, is: EINVAL}, {result: beside, is: ok}, {result: closed, is: EBADF}"},
    {"a_file_keeps_what_its_slot_had", kBound,
     "  - vcpu0: {write: {gpa: 0x3000, value: 9}}\n  - delete-memory-region: {id: 0}\n"
     "  - set-memory-region: {id: 1, gpa: 16M, size: 16K, gmem: a, gmem-offset: 8K}\n  - {vcpu0: {read: 0x1001000}, id: r}\n",
     "{result: r, value: 9}"},
    {"a_hole_is_a_hole_of_all_slots_of_the_file",
     "vm: tdx, slots: [{id: 0, gpa: 0, size: 8K, gmem: a}, {id: 1, gpa: 1M, size: 8K, gmem: a, "
     "gmem-offset: 8K}]",
     "  - finalize-vm\n  - vcpu0: {accept: 0x1000}\n  - vcpu0: {accept: 1M}\n  - vcpu0: {accept: 0x101000}\n"
     "  - gmem: {file: a, do: punch, offset: 4K, size: 8K}\n",
     "{tree: secure, gpa: 0x1000, is: free}, {tree: secure, gpa: 1M, is: free}, {tree: secure, gpa: 0x101000, is: mapped}, {tree: mirror, "
     "gpa: 1M, is: none}"},
    {"kvm_gmem_release_takes_the_file_from_its_slots", kBound,
     "  - vcpu0: {write: 0x3000}\n  - gmem: {file: a, do: close}\n  - expect: [{tree: direct, gpa: 0x3000, is: none}]\n"
     "  - {vcpu0: {read: 0x3000}, id: r}\n  - {delete-memory-region: {id: 0}, id: d}\n",
     "{result: r, is: KVM_EXIT_MEMORY_FAULT, errno: EFAULT}, {result: r, field: flags, value: 8}, {result: d, is: ok}"},
    {"an_image_needs_a_file_that_is_open", "vm: tdx, slots: [{id: 0, gpa: 0, size: 64K, gmem: a}]",
     "  - init-mem-region: {gpa: 0}\n  - gmem: {file: a, do: close}\n  - {init-mem-region: {gpa: 0x1000}, id: i}\n",
     "{result: i, is: EFAULT}, {tree: secure, gpa: 0, is: free}"},
    {"what_was_allocated_is_prepared_by_the_first_fault", "vm: snp, slots: [{id: 0, gpa: 0, size: 64K, gmem: a}]",
     "  - gmem: {file: a, do: allocate, size: 8K}\n  - expect: {rmp: 0, is: host}\n  - vcpu0: {write: 0}\n",
     "{rmp: 0, is: validated}, {rmp: 0x1000, is: host}"},
    {"teardown_closes_what_is_open", kBound, "  - vcpu0: {write: 0x3000}\n  - gmem: {file: a, do: allocate, size: 64K}\n  - destroy-vm\n",
     "{count: frame, is: 0}"},
};

constexpr const char* kOrdinary = "vm: default, slots: [{id: 0, gpa: 0, size: 64K}]";
// kvm_main.c: kvm_vm_ioctl_set_memory_region(), check_memory_region_flags(), kvm_set_memory_region(); x86.c:
// kvm_arch_prepare_memory_region(); in the order in which they ask.
const Row kRegions[] = {
    {"kvm_user_mem_slots", kOrdinary,
     "  - {set-memory-region: {id: 32764, gpa: 1M, size: 4K}, id: a}\n  - {set-memory-region: {id: 32763, gpa: 1M, size: 4K}, id: b}\n",
     "{result: a, is: EINVAL}, {result: b, is: ok}"},
    {"flags_of_guest_memfd", "vm: sw-protected, slots: []",
     "  - {set-memory-region: {id: 0, gpa: 0, size: 4K, dirty-log: true}, id: a}\n"
     "  - {set-memory-region: {id: 0, gpa: 0, size: 4K, readonly: true}, id: b}\n",
     "{result: a, is: EINVAL}, {result: b, is: EINVAL}"},
    {"no_guest_memfd_without_private_memory", kOrdinary, "  - {set-memory-region: {id: 1, gpa: 1M, size: 4K, private: true}, id: a}\n",
     "{result: a, is: EINVAL}"},
    {"no_readonly_slot_of_protected_state", "vm: tdx, slots: []",
     "  - {set-memory-region: {id: 0, gpa: 0, size: 4K, private: false, readonly: true}, id: a}\n", "{result: a, is: EINVAL}"},
    {"whole_pages", kOrdinary,
     "  - {set-memory-region: {id: 1, gpa: 1M, size: 0x1800}, id: a}\n  - {set-memory-region: {id: 1, gpa: 0x100800, size: 4K}, id: b}\n",
     "{result: a, is: EINVAL}, {result: b, is: EINVAL}"},
    {"no_wrapping_round", kOrdinary, "  - {set-memory-region: {id: 1, gpa: 0xfffffffffffff000, size: 8K}, id: a}\n",
     "{result: a, is: EINVAL}"},
    {"kvm_mem_max_nr_pages", kOrdinary, "  - {set-memory-region: {id: 1, gpa: 1M, size: 8T}, id: a}\n", "{result: a, is: EINVAL}"},
    {"size_0_deletes", kOrdinary,
     "  - {set-memory-region: {id: 1, gpa: 0, size: 0}, id: none}\n  - {set-memory-region: {id: 0, gpa: 0, size: 0}, id: gone}\n"
     "  - {vcpu0: {read: 0}, id: r}\n",
     "{result: none, is: EINVAL}, {result: gone, is: ok}, {result: r, is: KVM_EXIT_MMIO}"},
    {"a_slot_keeps_its_size_and_readonly", kOrdinary,
     "  - {set-memory-region: {id: 0, gpa: 0, size: 32K}, id: a}\n  - {set-memory-region: {id: 0, gpa: 0, size: 64K, readonly: true}, id: "
     "b}\n"
     "  - {set-memory-region: {id: 0, gpa: 0, size: 64K}, id: same}\n",
     "{result: a, is: EINVAL}, {result: b, is: EINVAL}, {result: same, is: ok}"},
    {"a_slot_with_guest_memfd_can_only_be_deleted", "vm: sw-protected, slots: [{id: 0, gpa: 0, size: 64K}]",
     "  - {set-memory-region: {id: 0, gpa: 1M, size: 64K}, id: moved}\n  - {set-memory-region: {id: 0, gpa: 0, size: 64K}, id: same}\n"
     "  - {delete-memory-region: {id: 0}, id: gone}\n",
     "{result: moved, is: EINVAL}, {result: same, is: EINVAL}, {result: gone, is: ok}"},
    {"no_overlap", "vm: default, slots: [{id: 0, gpa: 0, size: 64K}, {id: 1, gpa: 1M, size: 64K}]",
     "  - {set-memory-region: {id: 2, gpa: 0xf000, size: 8K}, id: made}\n  - {set-memory-region: {id: 1, gpa: 0xf000, size: 64K}, id: "
     "moved}\n"
     "  - {set-memory-region: {id: 1, gpa: 0x10000, size: 64K}, id: beside}\n",
     "{result: made, is: EEXIST}, {result: moved, is: EEXIST}, {result: beside, is: ok}"},
    {"what_the_host_can_address", "vm: default, maxphyaddr: 40, slots: []",
     "  - {set-memory-region: {id: 1, gpa: 0xfffffff000, size: 4K}, id: last}\n  - {set-memory-region: {id: 2, gpa: 1T, size: 4K}, id: "
     "beyond}\n"
     "  - {set-memory-region: {id: 3, gpa: 0xffffffe000, size: 12K}, id: across}\n",
     "{result: last, is: ok}, {result: beyond, is: EINVAL}, {result: across, is: EEXIST}"},
    {"all_is_zapped_when_a_slot_goes", "vm: default, slots: [{id: 0, gpa: 0, size: 64K}, {id: 1, gpa: 1M, size: 64K}]",
     "  - vcpu0: {write: 0}\n  - vcpu0: {write: 1M}\n  - delete-memory-region: {id: 1}\n", "{tree: direct, gpa: 0, is: none}"},
    {"or_only_what_it_maps", "vm: default, slot-zap-all: false, slots: [{id: 0, gpa: 0, size: 64K}, {id: 1, gpa: 1M, size: 64K}]",
     "  - vcpu0: {write: 0}\n  - vcpu0: {write: 1M}\n  - delete-memory-region: {id: 1}\n",
     "{tree: direct, gpa: 0, is: leaf}, {tree: direct, gpa: 1M, is: none}"},
    {"no_alias_of_private_memory", "vm: tdx, slots: []",
     "  - {set-memory-region: {id: 1, gpa: 0x800000000000, size: 4K}, id: shared}\n"
     "  - {set-memory-region: {id: 1, gpa: 0x7ffffffff000, size: 8K}, id: across}\n"
     "  - {set-memory-region: {id: 1, gpa: 0x7ffffffff000, size: 4K}, id: last}\n",
     "{result: shared, is: EINVAL}, {result: across, is: EINVAL}, {result: last, is: ok}"},
    {"a_move_that_is_refused_late_has_unmapped", "vm: default, maxphyaddr: 40, slots: [{id: 0, gpa: 0, size: 64K}]",
     "  - vcpu0: {write: {gpa: 0, value: 4}}\n  - {set-memory-region: {id: 0, gpa: 1T, size: 64K}, id: moved}\n"
     "  - expect: {tree: direct, gpa: 0, is: none}\n  - {vcpu0: {read: 0}, id: r}\n",
     "{result: moved, is: EINVAL}, {result: r, value: 4}"},
};
} // namespace

class GmemFile : public testing::TestWithParam<Row> {};
TEST_P(GmemFile, is_as_the_kernel_has_it) { expectRow(GetParam()); }
INSTANTIATE_TEST_SUITE_P(Every, GmemFile, testing::ValuesIn(kGmemRows), [](const auto& row) { return std::string(row.param.name); });

class MemoryRegion : public testing::TestWithParam<Row> {};
TEST_P(MemoryRegion, is_as_the_kernel_has_it) { expectRow(GetParam()); }
INSTANTIATE_TEST_SUITE_P(Every, MemoryRegion, testing::ValuesIn(kRegions), [](const auto& row) { return std::string(row.param.name); });

} // namespace mirrorscope::test
