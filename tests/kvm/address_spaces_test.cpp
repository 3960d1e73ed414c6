// SPDX-License-Identifier: GPL-3.0-or-later
// SMM's address space, mappings that several slots stand in front of, userfaultfd, dirty rings, and the launch of an SNP guest (Linux v6.16
// x86.c: kvm_smm_changed(); kvm_main.c: kvm_handle_hva_range(); fs/userfaultfd.c; dirty_ring.c; svm/sev.c).
#include "explore/explorer.h"
#include "support/row.h"

#include <fmt/format.h>

namespace mirrorscope::test {

namespace {
constexpr const char* kBoth = "vm: default, slots: [{id: 0, gpa: 0, size: 64K}, {id: 0, as-id: 1, gpa: 0, size: 64K}]";
constexpr const char* kThreeSlots =
    "vm: default, slots: [{id: 0, gpa: 0, size: 64K, memory: m}, {id: 1, gpa: 1M, size: 32K, memory: m, memory-offset: 16K}, "
    "{id: 0, as-id: 1, gpa: 2M, size: 64K, memory: m}]";
constexpr const char* kOneSlot = "vm: default, slots: [{id: 0, gpa: 0, size: 64K}]";
constexpr const char* kLaunched = "vm: snp, slots: [{id: 0, gpa: 0, size: 64K}]";

const Row kAddressRows[] = {
    {"each_address_space_has_its_own_page", kBoth,
     "  - vcpu0: {write: {gpa: 0, value: 5}}\n  - vcpu0: {write: {gpa: 0, value: 6, smm: true}}\n  - {vcpu0: {read: 0}, id: a}\n"
     "  - {vcpu0: {read: {gpa: 0, smm: true}}, id: b}\n",
     "{result: a, value: 5}, {result: b, value: 6}"},
    {"entering_SMM_flushes_and_loads_another_root", kBoth, "  - vcpu0: {write: 0}\n  - vcpu0: {write: {gpa: 0x1000, smm: true}}\n",
     "{tlb: vcpu0, gpa: 0, is: empty}, {tlb: vcpu0, gpa: 0x1000, smm: true, is: cached}, {tree: direct, gpa: 0, is: leaf}, "
     "{tree: direct, gpa: 0x1000, smm: true, is: leaf}, {tree: direct, gpa: 0x1000, is: none}"},
    {"a_slot_of_SMM_is_deleted_alone",
     "vm: default, slot-zap-all: false, slots: [{id: 0, gpa: 0, size: 64K}, {id: 0, as-id: 1, gpa: 0, size: 64K}]",
     "  - vcpu0: {write: 0}\n  - vcpu0: {write: {gpa: 0, smm: true}}\n  - delete-memory-region: {id: 0, as-id: 1}\n"
     "  - {vcpu0: {read: {gpa: 0, smm: true}}, id: a}\n  - {vcpu0: {read: 0}, id: b}\n",
     "{result: a, is: KVM_EXIT_MMIO}, {result: b, is: ok}, {tree: direct, gpa: 0, is: leaf}"},
    {"slots_of_one_number_in_both_are_two", kOneSlot,
     "  - {set-memory-region: {id: 0, as-id: 1, gpa: 0, size: 4K}, id: a}\n  - {set-memory-region: {id: 0x10000, gpa: 4K, size: 4K}, id: "
     "b}\n",
     "{result: a, is: ok}, {result: b, is: ok}"},
    {"a_log_of_SMM_is_its_own", kBoth,
     "  - dirty-log: {id: 0, as-id: 1, do: start}\n  - vcpu0: {write: 0x1000}\n  - vcpu0: {write: {gpa: 0x2000, smm: true}}\n"
     "  - {dirty-log: {id: 0, as-id: 1, do: get, gpa: 0}, id: a}\n  - {dirty-log: {id: 0, do: get}, id: b}\n",
     "{result: a, field: bitmap, value: 4}, {result: b, is: ENOENT}"},
    {"a_vcpu_that_was_left_in_SMM_prefaults_there", kBoth,
     "  - vcpu0: {write: {gpa: 0, smm: true}}\n  - {pre-fault: {gpa: 0x3000}, id: a}\n",
     "{result: a, is: ok}, {tree: direct, gpa: 0x3000, smm: true, is: leaf}, {tree: direct, gpa: 0x3000, is: none}"},
    {"no_address_is_taken_for_SMMs", kBoth,
     "  - {set-memory-region: {id: 3, gpa: 0x4000000000000000, size: 4K}, id: a}\n  - {pre-fault: {gpa: 0x4000000000000000}, id: b}\n",
     "{result: a, is: EINVAL}, {result: b, is: ENOENT}, {tree: direct, gpa: 0, is: none}"},
    {"a_page_is_seen_through_each_slot", kThreeSlots,
     "  - vcpu0: {write: {gpa: 0x5000, value: 7}}\n  - {vcpu0: {read: 0x101000}, id: a}\n  - {vcpu0: {read: {gpa: 0x205000, smm: true}}, "
     "id: b}\n"
     "  - {host-read: 0x101000, id: c}\n",
     "{result: a, value: 7}, {result: b, value: 7}, {result: c, value: 7}"},
    {"and_is_taken_from_each", kThreeSlots,
     "  - vcpu0: {write: 0x5000}\n  - vcpu0: {write: 0x101000}\n  - vcpu0: {read: {gpa: 0x205000, smm: true}}\n  - vcpu0: {read: {gpa: "
     "0x201000, smm: true}}\n  - discard: {gpa: 0x101000}\n",
     "{tree: direct, gpa: 0x5000, is: none}, {tree: direct, gpa: 0x101000, is: none}, {tree: direct, gpa: 0x205000, smm: true, is: none}, "
     "{tree: direct, gpa: 0x201000, smm: true, is: leaf}"},
    {"a_page_that_moves_is_the_same_for_all", kThreeSlots,
     "  - vcpu0: {write: {gpa: 0x5000, value: 7}}\n  - vcpu0: {read: 0x101000}\n  - migrate: {gpa: 0x4000, size: 16K}\n"
     "  - {vcpu0: {read: 0x101000}, id: a}\n  - {vcpu0: {read: 0x5000}, id: b}\n",
     "{result: a, value: 7}, {result: b, value: 7}"},
    {"what_the_mapping_forbids_it_forbids_through_each", kThreeSlots,
     "  - vcpu0: {write: 0x101000}\n  - mprotect: {gpa: 0x5000, prot: read}\n  - {vcpu0: {write: 0x101000}, id: a}\n",
     "{result: a, is: EFAULT}"},
    {"a_page_is_young_through_each_slot", kThreeSlots,
     "  - vcpu0: {read: 0x101000}\n  - {age: {gpa: 0x5000}, id: a}\n  - {age: {gpa: 0x5000}, id: b}\n",
     "{result: a, is: ok}, {tree: direct, gpa: 0x101000, is: leaf, accessed: false}"},
    {"a_page_that_came_before_needs_no_waiting", kOneSlot,
     "  - vcpu0: {write: {gpa: 0, value: 4}}\n  - userfaultfd: {gpa: 0, size: 32K, do: register}\n  - {vcpu0: {read: 0}, id: a}\n"
     "  - {userfaultfd: {gpa: 0, do: copy}, id: b}\n",
     "{result: a, value: 4}, {result: b, is: EEXIST}"},
    {"a_copy_of_more_than_is_registered_copies_nothing", kOneSlot,
     "  - userfaultfd: {gpa: 0, size: 32K, do: register}\n  - {userfaultfd: {gpa: 0x7000, size: 8K, do: copy}, id: a}\n"
     "  - {userfaultfd: {gpa: 0x7000, do: copy}, id: b}\n  - {userfaultfd: {gpa: 0x6000, size: 8K, do: copy}, id: c}\n",
     "{result: a, is: ENOENT}, {result: b, is: ok}, {result: c, is: EAGAIN}"},
    {"a_registration_of_nothing", kOneSlot, "  - {userfaultfd: {gpa: 1M, do: register}, id: a}\n", "{result: a, is: EINVAL}"},
    {"a_registration_outlives_an_mprotect", kOneSlot,
     "  - userfaultfd: {gpa: 0, size: 32K, do: register}\n  - mprotect: {gpa: 0, size: 32K, prot: read}\n  - {userfaultfd: {gpa: 0, do: "
     "copy, value: "
     "3}, id: a}\n  - {vcpu0: {write: 0}, id: b}\n  - {vcpu0: {read: 0}, id: c}\n",
     "{result: a, is: ok}, {result: b, is: EFAULT}, {result: c, value: 3}"},
    {"what_was_discarded_is_missing_again", kOneSlot,
     "  - userfaultfd: {gpa: 0, size: 32K, do: register}\n  - userfaultfd: {gpa: 0, do: copy, value: 3}\n  - vcpu0: {read: 0}\n  - "
     "discard: {gpa: 0}\n"
     "  - race:\n      vcpu0: [{read: 0, id: a}]\n      host: [{userfaultfd: {gpa: 0, do: copy, value: 9}}]\n",
     "{result: a, value: 9}"},
    {"a_ring_by_its_slot",
     "vm: default, dirty-ring: 1024, slots: [{id: 0, gpa: 0, size: 64K, dirty-log: true}, {id: 1, gpa: 1M, size: 64K, dirty-log: true}]",
     "  - vcpu0: {write: 0x2000}\n  - vcpu0: {write: 0x101000}\n  - {dirty-ring: {do: collect, gpa: 1M}, id: a}\n  - {dirty-ring: {do: "
     "reset}, id: b}\n",
     "{result: a, value: 2}, {result: a, field: bitmap, value: 2}, {result: b, value: 2}, {tree: direct, gpa: 0x2000, is: leaf, dirty: "
     "false}"},
    {"a_ring_of_a_vcpu_in_SMM",
     "vm: default, dirty-ring: 1024, slots: [{id: 0, gpa: 0, size: 64K, dirty-log: true}, {id: 0, as-id: 1, gpa: 0, size: 64K, dirty-log: "
     "true}]",
     "  - vcpu0: {write: {gpa: 0x2000, smm: true}}\n  - {dirty-ring: {do: collect, gpa: 0, smm: true}, id: a}\n",
     "{result: a, field: bitmap, value: 4}"},
    {"a_ring_whose_slot_is_gone", "vm: default, dirty-ring: 1024, slots: [{id: 0, gpa: 0, size: 64K, dirty-log: true}]",
     "  - vcpu0: {write: 0x2000}\n  - dirty-ring: {do: collect}\n  - delete-memory-region: {id: 0}\n  - {dirty-ring: {do: reset}, id: a}\n",
     "{result: a, value: 1}"},
    {"a_ring_by_write_protection", "vm: default, pml: false, dirty-ring: 256, slots: [{id: 0, gpa: 0, size: 1M, dirty-log: true}]",
     "  - {vcpu0: {write: {gpa: 0, pages: 256}}, id: full}\n  - {dirty-ring: {do: collect}, id: a}\n  - dirty-ring: {do: reset}\n"
     "  - expect: {tree: direct, gpa: 0, is: leaf, writable: false}\n  - {vcpu0: {write: 0}, id: b}\n",
     "{result: full, is: KVM_EXIT_DIRTY_RING_FULL}, {result: a, value: 192}, {result: b, is: ok}, {tree: direct, gpa: 0, is: leaf, "
     "writable: true}"},
    {"the_last_of_256_vcpus", "vm: default, vcpus: 256, slots: [{id: 0, gpa: 0, size: 64K}]",
     "  - vcpu0: {write: {gpa: 0, value: 3}}\n  - vcpu64: {read: 0}\n  - vcpu255: {read: 0}\n  - expect: {tlb: vcpu255, gpa: 0, is: "
     "cached}\n"
     "  - race:\n      vcpu255: [{write: {gpa: 0, value: 4}}]\n      vcpu254: [{read: 0}]\n      host: [{migrate: {gpa: 0}}]\n  - {vcpu64: "
     "{read: 0}, id: a}\n",
     "{result: a, value: 4}"},
    {"256_vcpus_of_a_TD", "vm: tdx, vcpus: 256, slots: [{id: 0, gpa: 0, size: 64K}]",
     "  - finalize-vm\n  - vcpu255: {accept: 0}\n  - {vcpu255: {write: 0}, id: a}\n  - punch-hole: {gpa: 0}\n  - destroy-vm\n",
     "{result: a, is: ok}, {count: frame, is: 0}"},
    {"a_page_of_zeros_is_zero", kLaunched,
     "  - snp-launch-start: {}\n  - inject: {rmpupdate: FAIL_INUSE}\n  - snp-launch-update: {gpa: 0, content: 0x5a}\n  - "
     "snp-launch-update: {gpa: 0, "
     "type: zero}\n  - snp-launch-finish: {}\n  - {vcpu0: {read: 0}, id: a}\n",
     "{result: a, value: 0}"},
    {"pages_that_were_not_launched_wait_for_their_PVALIDATE", "vm: snp, ve-handler: none, slots: [{id: 0, gpa: 0, size: 64K}]",
     "  - snp-launch-start: {}\n  - snp-launch-update: {gpa: 0}\n  - snp-launch-finish: {}\n  - {vcpu0: {read: 0}, id: a}\n  - {vcpu0: "
     "{read: 0x1000}, id: "
     "b}\n  - {vcpu0: {accept: 0}, id: c}\n",
     "{result: a, is: ok}, {result: b, is: '#VC'}, {result: c, is: FAIL_NOUPDATE}"},
    {"nothing_is_left_of_a_launch_that_was_given_up", kLaunched,
     "  - snp-launch-start: {}\n  - snp-launch-update: {gpa: 0, size: 64K}\n  - destroy-vm\n  - {snp-launch-finish: {}, id: a}\n",
     "{result: a, is: EBADF}, {count: frame, is: 0}"},
};
} // namespace

class AddressSpaces : public testing::TestWithParam<Row> {};

TEST_P(AddressSpaces, are_as_the_kernel_has_them) { expectRow(GetParam()); }

INSTANTIATE_TEST_SUITE_P(Every, AddressSpaces, testing::ValuesIn(kAddressRows),
                         [](const auto& row) { return std::string(row.param.name); });

// What the kernel's locks hold together is one action for who waits for them.
TEST(AddressSpaces, a_launch_update_is_whole) {
    const auto seen = [](const std::string& host, const std::string& expect) {
        const Scenario scenario = bindScenario(
            "t.yaml", fmt::format("mirrorscope: 1\nmachine: {{{}}}\nscript:\n  - snp-launch-start: {{}}\n  - race:\n"
                                  "      host: [{{snp-launch-update: {{gpa: 0, size: 8K}}, id: a}}]\n      host1: [{}]\n"
                                  "  - {{snp-launch-update: {{gpa: 0, size: 8K}}, id: b}}\nexpect: [{{violations: 0}}]\nsometimes: [{}]\n",
                                  kLaunched, host, expect));
        ExploreOptions options;
        options.all = true;
        const ExploreResult result = Explorer(scenario, options).run();
        EXPECT_TRUE(result.complete);
        EXPECT_TRUE(result.findings.empty());
        return result.sometimes.at(0).second;
    };
    EXPECT_FALSE(seen("{punch-hole: {gpa: 0, size: 8K}}", "{result: b, field: size, value: 4096}"));
    EXPECT_TRUE(seen("{punch-hole: {gpa: 0, size: 8K}}", "{result: b, field: size, value: 0}"));
    EXPECT_FALSE(seen("{snp-launch-finish: {}}", "{result: a, field: size, value: 4096}"));
    EXPECT_TRUE(seen("{snp-launch-finish: {}}", "{result: a, is: EIO}"));
}

} // namespace mirrorscope::test
