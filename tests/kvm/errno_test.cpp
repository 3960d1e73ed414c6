// SPDX-License-Identifier: GPL-3.0-or-later
// What each ioctl answers when it refuses: a row for each check, in the order in which Linux v6.16.1 makes them, with the place where it
// stands there. Rows named `..._first` have two reasons, of which the earlier one decides. More rows of this kind, with what stays behind
// after a refusal: details_test.cpp, gmem_file_test.cpp, dirty_log_test.cpp, host_access_test.cpp.
#include "scenario/kernel_calls.h"
#include "support/row.h"
#include "support/run.h"

namespace mirrorscope::test {

namespace {
struct Refusal {
    const char* name;
    const char* where; // in Linux v6.16.1
    const char* machine;
    const char* script; // the step that is refused has the id x
    const char* error;
};
std::ostream& operator<<(std::ostream& out, const Refusal& row) { return out << row.name; }

constexpr const char* kPlain = "vm: default, slots: [{id: 0, gpa: 0, size: 1M}]";
constexpr const char* kPrivate = "vm: sw-protected, attributes: private, slots: [{id: 0, gpa: 0, size: 1M}]";
constexpr const char* kShared = "vm: sw-protected, attributes: shared, slots: [{id: 0, gpa: 0, size: 1M}]";
constexpr const char* kLogged =
    "vm: default, slots: [{id: 0, gpa: 0, size: 1M, dirty-log: true}, {id: 1, gpa: 1M, size: 100K, dirty-log: true}]";
constexpr const char* kRing = "vm: default, dirty-ring: 1024, slots: [{id: 0, gpa: 0, size: 1M, dirty-log: true}]";
constexpr const char* kTd = "vm: tdx, slots: [{id: 0, gpa: 0, size: 1M}]";
constexpr const char* kSnp = "vm: snp, slots: [{id: 0, gpa: 0, size: 1M}, {id: 1, gpa: 1M, size: 64K, private: false}]";
constexpr const char* kFile = "vm: sw-protected, attributes: private, slots: [{id: 0, gpa: 0, size: 32K, gmem: a}]";

const Refusal kRefusals[] = {
    // KVM_SET_USER_MEMORY_REGION2
    {"slot_number_too_large", "kvm_main.c:2142 kvm_vm_ioctl_set_memory_region", kPlain,
     "  - {set-memory-region: {id: 32764, gpa: 2M, size: 4K}, id: x}\n", "EINVAL"},
    {"slot_with_unknown_flag", "kvm_main.c:1608 check_memory_region_flags", kPlain,
     "  - {set-memory-region: {id: 1, gpa: 2M, size: 4K, flags: 8}, id: x}\n", "EINVAL"},
    {"slot_private_of_an_ordinary_VM", "kvm_main.c:1591 check_memory_region_flags", kPlain,
     "  - {set-memory-region: {id: 1, gpa: 2M, size: 4K, private: true}, id: x}\n", "EINVAL"},
    {"slot_private_and_logged", "kvm_main.c:1596 check_memory_region_flags", kPrivate,
     "  - {set-memory-region: {id: 1, gpa: 2M, size: 4K, dirty-log: true}, id: x}\n", "EINVAL"},
    {"slot_private_and_readonly", "kvm_main.c:1604 check_memory_region_flags", kPrivate,
     "  - {set-memory-region: {id: 1, gpa: 2M, size: 4K, readonly: true}, id: x}\n", "EINVAL"},
    {"slot_readonly_of_a_TD", "kvm_main.c:1603 check_memory_region_flags", kTd,
     "  - {set-memory-region: {id: 1, gpa: 2M, size: 4K, private: false, readonly: true}, id: x}\n", "EINVAL"},
    {"slot_readonly_of_an_SNP_guest", "kvm_main.c:1603 check_memory_region_flags", kSnp,
     "  - {set-memory-region: {id: 2, gpa: 2M, size: 4K, private: false, readonly: true}, id: x}\n", "EINVAL"},
    {"slot_of_half_a_page", "kvm_main.c:2015 kvm_set_memory_region", kPlain,
     "  - {set-memory-region: {id: 1, gpa: 2M, size: 0x800}, id: x}\n", "EINVAL"},
    {"slot_inside_of_a_page", "kvm_main.c:2017 kvm_set_memory_region", kPlain,
     "  - {set-memory-region: {id: 1, gpa: 0x200800, size: 4K}, id: x}\n", "EINVAL"},
    {"slot_at_half_a_page_of_its_file", "kvm_main.c:2027 kvm_set_memory_region", kFile,
     "  - {set-memory-region: {id: 1, gpa: 2M, size: 4K, gmem: a, gmem-offset: 0x800}, id: x}\n", "EINVAL"},
    {"slot_whose_offset_wraps", "kvm_main.c:2027 kvm_set_memory_region", kFile,
     "  - {set-memory-region: {id: 1, gpa: 2M, size: 8K, gmem: a, gmem-offset: 0xfffffffffffff000}, id: x}\n", "EINVAL"},
    {"slot_of_a_third_address_space", "kvm_main.c:2029 kvm_set_memory_region", kPlain,
     "  - {set-memory-region: {id: 0x20001, gpa: 2M, size: 4K}, id: x}\n", "EINVAL"},
    {"slot_of_SMM_with_private_memory", "kvm_main.c:2029 kvm_set_memory_region", kShared,
     "  - {set-memory-region: {id: 0x10001, gpa: 2M, size: 4K, private: false}, id: x}\n", "EINVAL"},
    {"slot_that_wraps", "kvm_main.c:2031 kvm_set_memory_region", kPlain,
     "  - {set-memory-region: {id: 1, gpa: 0xfffffffffffff000, size: 8K}, id: x}\n", "EINVAL"},
    {"slot_of_too_many_pages", "kvm_main.c:2041 kvm_set_memory_region", kPlain,
     "  - {set-memory-region: {id: 1, gpa: 0x100000000000, size: 0x80000000000}, id: x}\n", "EINVAL"},
    {"slot_deleted_that_is_not_there", "kvm_main.c:2053 kvm_set_memory_region", kPlain, "  - {delete-memory-region: {id: 3}, id: x}\n",
     "EINVAL"},
    {"slot_deleted_in_the_other_address_space", "kvm_main.c:2053 kvm_set_memory_region", kPlain,
     "  - {delete-memory-region: {id: 0, as-id: 1}, id: x}\n", "EINVAL"},
    {"slot_private_is_changed", "kvm_main.c:2076 kvm_set_memory_region", kPrivate,
     "  - {set-memory-region: {id: 0, gpa: 4M, size: 1M}, id: x}\n", "EINVAL"},
    {"slot_elsewhere_in_user_space", "kvm_main.c:2077 kvm_set_memory_region",
     "vm: default, slots: [{id: 0, gpa: 0, size: 64K, memory: ram}]",
     "  - {set-memory-region: {id: 0, gpa: 0, size: 64K, memory: ram, memory-offset: 4K}, id: x}\n", "EINVAL"},
    {"slot_of_another_size", "kvm_main.c:2078 kvm_set_memory_region", kPlain, "  - {set-memory-region: {id: 0, gpa: 0, size: 2M}, id: x}\n",
     "EINVAL"},
    {"slot_becomes_readonly", "kvm_main.c:2079 kvm_set_memory_region", kPlain,
     "  - {set-memory-region: {id: 0, gpa: 0, size: 1M, readonly: true}, id: x}\n", "EINVAL"},
    {"slot_made_over_another", "kvm_main.c:2092 kvm_set_memory_region", kPlain,
     "  - {set-memory-region: {id: 1, gpa: 0xff000, size: 8K}, id: x}\n", "EEXIST"},
    {"slot_moved_over_another", "kvm_main.c:2092 kvm_set_memory_region", kLogged,
     "  - {set-memory-region: {id: 1, gpa: 0xff000, size: 100K, dirty-log: true}, id: x}\n", "EEXIST"},
    {"slot_of_a_file_that_is_closed", "guest_memfd.c:489 kvm_gmem_bind", kFile,
     "  - gmem: {file: a, do: close}\n  - {set-memory-region: {id: 1, gpa: 2M, size: 4K, gmem: a}, id: x}\n", "EBADF"},
    {"slot_of_a_foreign_file", "guest_memfd.c:491 kvm_gmem_bind", kFile,
     "  - gmem: {file: b, do: create, size: 4K, foreign: true}\n  - {set-memory-region: {id: 1, gpa: 2M, size: 4K, gmem: b}, id: x}\n",
     "EINVAL"},
    {"slot_beyond_its_file", "guest_memfd.c:500 kvm_gmem_bind", kFile,
     "  - {set-memory-region: {id: 1, gpa: 2M, size: 8K, gmem: a, gmem-offset: 28K}, id: x}\n", "EINVAL"},
    {"slot_of_pages_that_are_bound", "guest_memfd.c:509 kvm_gmem_bind", kFile,
     "  - {set-memory-region: {id: 1, gpa: 2M, size: 4K, gmem: a}, id: x}\n", "EINVAL"},
    {"slot_beyond_what_the_host_addresses", "x86.c:13128 kvm_arch_prepare_memory_region",
     "vm: default, maxphyaddr: 40, slots: [{id: 0, gpa: 0, size: 1M}]", "  - {set-memory-region: {id: 1, gpa: 1024G, size: 4K}, id: x}\n",
     "EINVAL"},
    {"slot_moved_beyond_what_the_host_addresses", "x86.c:13128 kvm_arch_prepare_memory_region",
     "vm: default, maxphyaddr: 40, slots: [{id: 0, gpa: 0, size: 1M}]", "  - {set-memory-region: {id: 0, gpa: 1024G, size: 1M}, id: x}\n",
     "EINVAL"},
    {"slot_in_the_shared_half", "x86.c:13131 kvm_arch_prepare_memory_region", kTd,
     "  - {set-memory-region: {id: 1, gpa: 0x800000000000, size: 4K}, id: x}\n", "EINVAL"},
    {"slot_size_before_deletion_first", "kvm_main.c:2015 before 2053", kPlain,
     "  - {set-memory-region: {id: 3, gpa: 0x800, size: 0}, id: x}\n", "EINVAL"},
    {"slot_overlap_before_the_file_first", "kvm_main.c:2092 before guest_memfd.c:489", kFile,
     "  - gmem: {file: a, do: close}\n  - {set-memory-region: {id: 1, gpa: 0x4000, size: 4K, gmem: a}, id: x}\n", "EEXIST"},
    {"slot_flags_before_overlap_first", "kvm_main.c:1608 before 2092", kPlain,
     "  - {set-memory-region: {id: 1, gpa: 0, size: 4K, flags: 8}, id: x}\n", "EINVAL"},
    {"slot_overlap_before_the_host_first", "kvm_main.c:2092 before x86.c:13128",
     "vm: default, maxphyaddr: 36, slots: [{id: 0, gpa: 0xffffff000, size: 4K}]",
     "  - {set-memory-region: {id: 1, gpa: 0xffffff000, size: 8K}, id: x}\n", "EEXIST"},
    // KVM_SET_MEMORY_ATTRIBUTES
    {"attributes_of_nothing", "kvm_main.c:2606 kvm_vm_ioctl_set_mem_attributes", kPrivate,
     "  - {set-memory-attributes: {gpa: 0, size: 0, as: shared}, id: x}\n", "EINVAL"},
    {"attributes_from_inside_of_a_page", "kvm_main.c:2608 kvm_vm_ioctl_set_mem_attributes", kPrivate,
     "  - {set-memory-attributes: {gpa: 0x800, size: 4K, as: shared}, id: x}\n", "EINVAL"},
    {"attributes_of_half_a_page", "kvm_main.c:2608 kvm_vm_ioctl_set_mem_attributes", kPrivate,
     "  - {set-memory-attributes: {gpa: 0, size: 0x800, as: shared}, id: x}\n", "EINVAL"},
    // KVM_GET_DIRTY_LOG, KVM_CLEAR_DIRTY_LOG, KVM_RESET_DIRTY_RINGS
    {"log_beside_a_ring", "kvm_main.c:2231 kvm_get_dirty_log_protect", kRing, "  - {dirty-log: {id: 0, do: get}, id: x}\n", "ENXIO"},
    {"log_of_a_slot_number_too_large", "kvm_main.c:2236 kvm_get_dirty_log_protect", kLogged,
     "  - {dirty-log: {id: 32764, do: get}, id: x}\n", "EINVAL"},
    {"log_of_a_third_address_space", "kvm_main.c:2236 kvm_get_dirty_log_protect", kLogged,
     "  - {dirty-log: {id: 0x20000, do: get}, id: x}\n", "EINVAL"},
    {"log_of_SMM_with_private_memory", "kvm_main.c:2236 kvm_get_dirty_log_protect", kShared,
     "  - {dirty-log: {id: 0x10000, do: get}, id: x}\n", "EINVAL"},
    {"log_of_no_slot", "kvm_main.c:2241 kvm_get_dirty_log_protect", kLogged, "  - {dirty-log: {id: 2, do: get}, id: x}\n", "ENOENT"},
    {"log_of_a_slot_that_is_not_logged", "kvm_main.c:2241 kvm_get_dirty_log_protect", kPlain, "  - {dirty-log: {id: 0, do: get}, id: x}\n",
     "ENOENT"},
    {"log_ring_before_the_number_first", "kvm_main.c:2231 before 2236", kRing, "  - {dirty-log: {id: 32764, do: get}, id: x}\n", "ENXIO"},
    {"clear_beside_a_ring", "kvm_main.c:2343 kvm_clear_dirty_log_protect", kRing, "  - {dirty-log: {id: 0, do: clear}, id: x}\n", "ENXIO"},
    {"clear_of_a_slot_number_too_large", "kvm_main.c:2348 kvm_clear_dirty_log_protect", kLogged,
     "  - {dirty-log: {id: 32764, do: clear}, id: x}\n", "EINVAL"},
    {"clear_from_a_page_between", "kvm_main.c:2351 kvm_clear_dirty_log_protect", kLogged,
     "  - {dirty-log: {id: 0, do: clear, gpa: 0x1000, size: 256K}, id: x}\n", "EINVAL"},
    {"clear_of_no_slot", "kvm_main.c:2356 kvm_clear_dirty_log_protect", kLogged, "  - {dirty-log: {id: 2, do: clear}, id: x}\n", "ENOENT"},
    {"clear_of_a_slot_that_is_not_logged", "kvm_main.c:2356 kvm_clear_dirty_log_protect", kPlain,
     "  - {dirty-log: {id: 0, do: clear}, id: x}\n", "ENOENT"},
    {"clear_beyond_the_slot", "kvm_main.c:2362 kvm_clear_dirty_log_protect", kLogged,
     "  - {dirty-log: {id: 0, do: clear, gpa: 2M, size: 256K}, id: x}\n", "EINVAL"},
    {"clear_of_too_much", "kvm_main.c:2363 kvm_clear_dirty_log_protect", kLogged,
     "  - {dirty-log: {id: 0, do: clear, gpa: 0, size: 2M}, id: x}\n", "EINVAL"},
    {"clear_of_a_part_of_64_pages", "kvm_main.c:2364 kvm_clear_dirty_log_protect", kLogged,
     "  - {dirty-log: {id: 0, do: clear, gpa: 0, size: 4K}, id: x}\n", "EINVAL"},
    {"clear_place_before_the_slot_first", "kvm_main.c:2351 before 2356", kPlain,
     "  - {dirty-log: {id: 0, do: clear, gpa: 0x1000, size: 256K}, id: x}\n", "EINVAL"},
    {"rings_that_are_not_there", "kvm_main.c:4971 kvm_vm_ioctl_reset_dirty_pages", kLogged, "  - {dirty-ring: {do: reset}, id: x}\n",
     "EINVAL"},
    // KVM_CREATE_GUEST_MEMFD, fallocate(), read(), mmap()
    {"file_with_a_flag", "guest_memfd.c:467 kvm_gmem_create", kPlain, "  - {gmem: {file: b, do: create, size: 4K, flags: 1}, id: x}\n",
     "EINVAL"},
    {"file_of_nothing", "guest_memfd.c:470 kvm_gmem_create", kPlain, "  - {gmem: {file: b, do: create, size: 0}, id: x}\n", "EINVAL"},
    {"file_of_half_a_page", "guest_memfd.c:470 kvm_gmem_create", kPlain, "  - {gmem: {file: b, do: create, size: 0x800}, id: x}\n",
     "EINVAL"},
    {"file_of_less_than_nothing", "guest_memfd.c:469 kvm_gmem_create", kPlain,
     "  - {gmem: {file: b, do: create, size: 0xfffffffffffff000}, id: x}\n", "EINVAL"},
    {"hole_that_changes_the_size", "guest_memfd.c:233 kvm_gmem_fallocate, vfs_fallocate()", kFile,
     "  - {gmem: {file: a, do: punch, size: 4K, keep-size: false}, id: x}\n", "EOPNOTSUPP"},
    {"pages_that_change_the_size", "guest_memfd.c:233 kvm_gmem_fallocate", kFile,
     "  - {gmem: {file: a, do: allocate, size: 4K, keep-size: false}, id: x}\n", "EOPNOTSUPP"},
    {"hole_from_inside_of_a_page", "guest_memfd.c:239 kvm_gmem_fallocate", kFile,
     "  - {gmem: {file: a, do: punch, offset: 0x800, size: 4K}, id: x}\n", "EINVAL"},
    {"hole_of_half_a_page", "guest_memfd.c:239 kvm_gmem_fallocate", kFile, "  - {gmem: {file: a, do: punch, size: 0x800}, id: x}\n",
     "EINVAL"},
    {"pages_beyond_the_file", "guest_memfd.c:188 kvm_gmem_allocate", kFile,
     "  - {gmem: {file: a, do: allocate, offset: 28K, size: 8K}, id: x}\n", "EINVAL"},
    {"pages_when_memory_is_full", "guest_memfd.c:205 kvm_gmem_allocate", kFile,
     "  - inject: {alloc: fail}\n  - {gmem: {file: a, do: allocate}, id: x}\n", "ENOMEM"},
    {"file_size_before_its_pages_first", "guest_memfd.c:233 before 239", kFile,
     "  - {gmem: {file: a, do: allocate, offset: 0x800, size: 4K, keep-size: false}, id: x}\n", "EOPNOTSUPP"},
    {"file_is_read", "guest_memfd.c kvm_gmem_fops", kFile, "  - {gmem: {file: a, do: read}, id: x}\n", "EINVAL"},
    {"file_is_read_at_a_place", "fs/read_write.c ksys_pread64()", kFile, "  - {gmem: {file: a, do: read, offset: 0}, id: x}\n", "ESPIPE"},
    {"file_is_mapped", "guest_memfd.c kvm_gmem_fops", kFile, "  - {gmem: {file: a, do: mmap}, id: x}\n", "ENODEV"},
    // KVM_PRE_FAULT_MEMORY
    {"prefault_of_half_a_page", "kvm_main.c:4341 kvm_vcpu_pre_fault_memory", kPlain, "  - {pre-fault: {gpa: 0, size: 0x800}, id: x}\n",
     "EINVAL"},
    {"prefault_from_inside_of_a_page", "kvm_main.c:4341 kvm_vcpu_pre_fault_memory", kPlain,
     "  - {pre-fault: {gpa: 0x800, size: 4K}, id: x}\n", "EINVAL"},
    {"prefault_of_nothing", "kvm_main.c:4341 kvm_vcpu_pre_fault_memory", kPlain, "  - {pre-fault: {gpa: 0, size: 0}, id: x}\n", "EINVAL"},
    {"prefault_that_wraps", "kvm_main.c:4341 kvm_vcpu_pre_fault_memory", kPlain,
     "  - {pre-fault: {gpa: 0xfffffffffffff000, size: 8K}, id: x}\n", "EINVAL"},
    {"prefault_of_a_TD_that_is_built", "mmu.c:4904 kvm_arch_vcpu_pre_fault_memory", kTd, "  - {pre-fault: {gpa: 0}, id: x}\n",
     "EOPNOTSUPP"},
    {"prefault_of_an_SNP_guest_that_is_launched", "mmu.c:4904 kvm_arch_vcpu_pre_fault_memory", kSnp,
     "  - snp-launch-start: {}\n  - {pre-fault: {gpa: 0}, id: x}\n", "EOPNOTSUPP"},
    {"prefault_of_an_alias", "mmu.c:4907 kvm_arch_vcpu_pre_fault_memory", kTd,
     "  - finalize-vm\n  - {pre-fault: {gpa: 0, as: shared}, id: x}\n", "EINVAL"},
    {"prefault_without_memory_for_a_root", "mmu.c:4914 kvm_arch_vcpu_pre_fault_memory", kPlain,
     "  - inject: {alloc: fail}\n  - {pre-fault: {gpa: 0}, id: x}\n", "ENOMEM"},
    {"prefault_of_what_no_slot_has", "mmu.c:4882 kvm_tdp_map_page", kPlain, "  - {pre-fault: {gpa: 4M}, id: x}\n", "ENOENT"},
    {"prefault_of_private_memory_without_a_slot", "mmu.c kvm_handle_noslot_fault", kPrivate, "  - {pre-fault: {gpa: 4M}, id: x}\n",
     "EFAULT"},
    {"prefault_of_private_memory_without_a_file", "mmu.c kvm_mmu_faultin_pfn_private",
     "vm: sw-protected, attributes: private, slots: [{id: 0, gpa: 0, size: 64K, private: false}]", "  - {pre-fault: {gpa: 0}, id: x}\n",
     "EFAULT"},
    {"prefault_of_a_file_that_is_closed", "guest_memfd.c:617 kvm_gmem_get_pfn", kFile,
     "  - gmem: {file: a, do: close}\n  - {pre-fault: {gpa: 0}, id: x}\n", "EFAULT"},
    {"prefault_of_what_the_host_has_not", "mmu.c:3422 kvm_handle_error_pfn", kPlain,
     "  - inject: {host-fault: EFAULT}\n  - {pre-fault: {gpa: 0}, id: x}\n", "EFAULT"},
    {"prefault_place_before_the_launch_first", "kvm_main.c:4341 before mmu.c:4904", kTd, "  - {pre-fault: {gpa: 0x800}, id: x}\n",
     "EINVAL"},
    {"prefault_launch_before_the_alias_first", "mmu.c:4904 before 4907", kTd, "  - {pre-fault: {gpa: 0, as: shared}, id: x}\n",
     "EOPNOTSUPP"},
    // KVM_TDX_INIT_VCPU, KVM_TDX_INIT_MEM_REGION, KVM_TDX_FINALIZE_VM, KVM_RUN
    {"TD_vcpu_after_the_end", "tdx.c:3297 tdx_vcpu_ioctl", "vm: tdx, vcpus: 2, init-vcpus: 1",
     "  - finalize-vm\n  - {init-vcpu: 1, id: x}\n", "EINVAL"},
    {"TD_vcpu_twice", "tdx.c:3111 tdx_vcpu_init", kTd, "  - {init-vcpu: 0, id: x}\n", "EINVAL"},
    {"TD_image_after_the_end", "tdx.c:3297 tdx_vcpu_ioctl", kTd, "  - finalize-vm\n  - {init-mem-region: {gpa: 0}, id: x}\n", "EINVAL"},
    {"TD_image_by_a_vcpu_that_is_not_there", "tdx.c:3232 tdx_vcpu_init_mem_region",
     "vm: tdx, init-vcpus: 0, slots: [{id: 0, gpa: 0, size: 64K}]", "  - {init-mem-region: {gpa: 0}, id: x}\n", "EINVAL"},
    {"TD_image_inside_of_a_page", "tdx.c:3251 tdx_vcpu_init_mem_region", kTd, "  - {init-mem-region: {gpa: 0x800}, id: x}\n", "EINVAL"},
    {"TD_image_of_nothing", "tdx.c:3251 tdx_vcpu_init_mem_region", kTd, "  - {init-mem-region: {gpa: 0, size: 0}, id: x}\n", "EINVAL"},
    {"TD_image_without_a_slot", "guest_memfd.c:658 kvm_gmem_populate", kTd, "  - {init-mem-region: {gpa: 4M}, id: x}\n", "EINVAL"},
    {"TD_image_without_a_file", "guest_memfd.c:658 kvm_gmem_populate", "vm: tdx, slots: [{id: 0, gpa: 0, size: 64K, private: false}]",
     "  - {init-mem-region: {gpa: 0}, id: x}\n", "EINVAL"},
    {"TD_image_of_a_file_that_is_closed", "guest_memfd.c:662 kvm_gmem_populate", "vm: tdx, slots: [{id: 0, gpa: 0, size: 64K, gmem: a}]",
     "  - gmem: {file: a, do: close}\n  - {init-mem-region: {gpa: 0}, id: x}\n", "EFAULT"},
    {"TD_image_twice", "guest_memfd.c:688 kvm_gmem_populate", kTd,
     "  - init-mem-region: {gpa: 0}\n  - {init-mem-region: {gpa: 0}, id: x}\n", "EEXIST"},
    {"TD_image_of_shared_memory", "guest_memfd.c:697 kvm_gmem_populate", kTd,
     "  - set-memory-attributes: {gpa: 0, as: shared}\n  - {init-mem-region: {gpa: 0}, id: x}\n", "EINVAL"},
    {"TD_image_there_before_shared_first", "guest_memfd.c:688 before 697", kTd,
     "  - init-mem-region: {gpa: 0}\n  - set-memory-attributes: {gpa: 0, as: shared}\n  - {init-mem-region: {gpa: 0}, id: x}\n", "EEXIST"},
    {"TD_ends_twice", "tdx.c:2868 tdx_td_finalize", kTd, "  - finalize-vm\n  - {finalize-vm: {}, id: x}\n", "EINVAL"},
    {"TD_ends_while_the_module_is_busy", "tdx.c:2878 tdx_td_finalize", kTd,
     "  - inject: {seamcall: TDH.MR.FINALIZE, status: OPERAND_BUSY}\n  - {finalize-vm: {}, id: x}\n", "EBUSY"},
    {"TD_runs_before_its_end", "tdx.c:875 tdx_vcpu_pre_run", kTd, "  - {vcpu0: {read: 0}, id: x}\n", "EINVAL"},
    // KVM_SEV_SNP_LAUNCH_
    {"launch_starts_twice", "sev.c:2129 snp_launch_start", kSnp, "  - snp-launch-start: {}\n  - {snp-launch-start: {}, id: x}\n", "EINVAL"},
    {"launch_with_a_flag", "sev.c:2132 snp_launch_start", kSnp, "  - {snp-launch-start: {flags: 1}, id: x}\n", "EINVAL"},
    {"launch_with_an_unknown_policy", "sev.c:2135 snp_launch_start", kSnp, "  - {snp-launch-start: {policy: 0x70000}, id: x}\n", "EINVAL"},
    {"launch_without_SMT", "sev.c:2140 snp_launch_start", kSnp, "  - {snp-launch-start: {policy: 0x20000}, id: x}\n", "EINVAL"},
    {"launch_without_what_must_be_one", "sev.c:2140 snp_launch_start", kSnp, "  - {snp-launch-start: {policy: 0x10000}, id: x}\n",
     "EINVAL"},
    {"launch_on_a_single_socket", "sev.c:2143 snp_launch_start", kSnp, "  - {snp-launch-start: {policy: 0x130000}, id: x}\n", "EINVAL"},
    {"launch_goes_on_before_it_starts", "sev.c:2286 snp_launch_update", kSnp, "  - {snp-launch-update: {gpa: 0}, id: x}\n", "EINVAL"},
    {"launch_of_half_a_page", "sev.c:2300 snp_launch_update", kSnp,
     "  - snp-launch-start: {}\n  - {snp-launch-update: {gpa: 0, size: 0x800}, id: x}\n", "EINVAL"},
    {"launch_goes_on_with_a_flag", "sev.c:2300 snp_launch_update", kSnp,
     "  - snp-launch-start: {}\n  - {snp-launch-update: {gpa: 0, flags: 1}, id: x}\n", "EINVAL"},
    {"launch_without_a_slot", "sev.c:2327 snp_launch_update", kSnp,
     "  - snp-launch-start: {}\n  - {snp-launch-update: {gpa: 16M}, id: x}\n", "EINVAL"},
    {"launch_without_a_file", "sev.c:2327 snp_launch_update", kSnp, "  - snp-launch-start: {}\n  - {snp-launch-update: {gpa: 1M}, id: x}\n",
     "EINVAL"},
    {"launch_of_a_page_twice", "guest_memfd.c:688, sev.c:2340 snp_launch_update", kSnp,
     "  - snp-launch-start: {}\n  - snp-launch-update: {gpa: 0}\n  - {snp-launch-update: {gpa: 0}, id: x}\n", "EIO"},
    {"launch_of_shared_memory", "guest_memfd.c:697, sev.c:2340 snp_launch_update", kSnp,
     "  - set-memory-attributes: {gpa: 0, as: shared}\n  - snp-launch-start: {}\n  - {snp-launch-update: {gpa: 0}, id: x}\n", "EIO"},
    {"launch_when_memory_is_full", "guest_memfd.c:680, sev.c:2340 snp_launch_update", kSnp,
     "  - snp-launch-start: {}\n  - inject: {alloc: fail}\n  - {snp-launch-update: {gpa: 0}, id: x}\n", "EIO"},
    {"launch_when_the_RMP_refuses", "sev.c:2218, sev.c:2340 snp_launch_update", kSnp,
     "  - snp-launch-start: {}\n  - inject: {rmpupdate: FAIL_INUSE}\n  - {snp-launch-update: {gpa: 0}, id: x}\n", "EIO"},
    {"launch_goes_on_after_its_end", "sev.c:2230 sev_gmem_post_populate", kSnp,
     "  - snp-launch-start: {}\n  - snp-launch-finish: {}\n  - {snp-launch-update: {gpa: 0}, id: x}\n", "EIO"},
    {"launch_ends_before_it_starts", "sev.c:2419 snp_launch_finish", kSnp, "  - {snp-launch-finish: {}, id: x}\n", "EINVAL"},
    {"launch_ends_with_a_flag", "sev.c:2425 snp_launch_finish", kSnp,
     "  - snp-launch-start: {}\n  - {snp-launch-finish: {flags: 1}, id: x}\n", "EINVAL"},
    {"launch_ends_twice", "sev.c:2429 snp_launch_finish", kSnp,
     "  - snp-launch-start: {}\n  - snp-launch-finish: {}\n  - {snp-launch-finish: {}, id: x}\n", "EIO"},
    {"RMP_refuses_a_fault", "sev.c:4837 sev_gmem_prepare", kSnp, "  - inject: {rmpupdate: FAIL_INUSE}\n  - {pre-fault: {gpa: 0}, id: x}\n",
     "EINVAL"},
};

class Refusals : public testing::TestWithParam<Refusal> {};
} // namespace

TEST_P(Refusals, are_the_kernels) {
    const Refusal& row = GetParam();
    expectRow({row.name, row.machine, row.script, (std::string("{result: x, is: ") + row.error + "}").c_str()});
}
INSTANTIATE_TEST_SUITE_P(Each, Refusals, testing::ValuesIn(kRefusals), [](const auto& row) { return std::string(row.param.name); });

// A VM that is dead answers EIO to all of its ioctls, before anything else is asked (kvm_main.c:4410 kvm_vcpu_ioctl(), 5138
// kvm_vm_ioctl()).
TEST(Refusals, a_dead_VM_has_one_answer) {
    const std::string dead =
        "mirrorscope: 1\nmachine: {vm: tdx, slots: [{id: 0, gpa: 0, size: 1M}, {id: 1, gpa: 4M, size: 64K, private: false}]}\nscript:\n"
        "  - finalize-vm\n  - vcpu0: {accept: 0}\n  - inject: {seamcall: TDH.MEM.RANGE.BLOCK, status: OPERAND_INVALID}\n"
        "  - punch-hole: {gpa: 0}\n";
    for (const char* step :
         {"set-memory-region: {id: 2, gpa: 8M, size: 4K}", "delete-memory-region: {id: 1}", "set-memory-attributes: {gpa: 0, as: shared}",
          "init-mem-region: {gpa: 0}", "finalize-vm: {}", "init-vcpu: 0", "pre-fault: {gpa: 0}", "dirty-log: {id: 1, do: start}",
          "dirty-log: {id: 1, do: get}", "dirty-ring: {do: reset}", "gmem: {file: b, do: create}", "vcpu0: {read: 0}",
          "vcpu0: {map-gpa: {gpa: 0, as: shared}}"}) {
        SCOPED_TRACE(step);
        Ran run(dead + "  - " + step + "\n    id: x\nexpect: [{result: x, is: EIO}, {violation: module-agrees}, {violation: coherent}]\n");
        EXPECT_TRUE(run.runner.ok()) << run.failures();
    }
}

// Of a destroyed one all descriptors are closed: nothing comes to it any more, by whatever way it is asked.
TEST(Refusals, a_destroyed_VM_takes_nothing) {
    for (const std::string vm : {"default", "sw-protected", "snp", "tdx"})
        for (const KernelCall& call : kernelCalls()) {
            if (call.arguments.find("from") != std::string_view::npos) // it is told which entry to change
                continue;
            SCOPED_TRACE(vm + " " + std::string(call.name));
            const bool ofVcpu = call.arguments.starts_with("vcpu");
            std::string arguments;
            for (const auto& [name, value] : {std::pair("vcpu", "0"), {"gpa", "0"}, {"size", "1M"}, {"id", "0"}, {"level", "4K"}})
                if ((std::string(", ") + std::string(call.arguments) + ",").find(std::string(", ") + name + ",") != std::string::npos)
                    arguments += std::string(", ") + name + ": " + value;
            Ran run("mirrorscope: 1\nmachine: {vm: " + vm +
                    ", slots: [{id: 0, gpa: 0, size: 1M}]}\nscript:\n  - destroy-vm\n  - kernel: {call: " + std::string(call.name) +
                    arguments + "}\n    id: x\nexpect: [" + (ofVcpu ? "{result: x, is: EBADF}, " : "") +
                    "{violations: 0}, {count: frame, is: 0}]\n");
            EXPECT_TRUE(run.runner.ok()) << run.failures();
        }
}

} // namespace mirrorscope::test
