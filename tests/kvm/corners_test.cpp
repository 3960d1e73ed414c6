// SPDX-License-Identifier: GPL-3.0-or-later
// What Linux v6.16 does in corners that were wrong once: each row is a scenario that states it.
#include "explore/explorer.h"
#include "support/row.h"

#include <gtest/gtest.h>

namespace mirrorscope::test {

namespace {
const Row kCorners[] = {
    {"attributes_are_kept_above_4G", "vm: tdx, vcpus: 1, slots: [{id: 0, gpa: 0, size: 4M}]",
     "  - finalize-vm\n  - {set-memory-attributes: {gpa: 300G, size: 8K, as: shared}, id: set}\n"
     "  - set-memory-region: {id: 1, gpa: 300G, size: 8K}\n  - {vcpu0: {write: {gpa: 300G, as: shared}}, id: w}\n",
     "{result: set, is: ok}, {result: w, is: ok}"},
    {"a_conversion_of_a_later_slot_is_none_of_its_data", "vm: sw-protected, vcpus: 1, slots: []",
     "  - set-memory-region: {id: 3, gpa: 64G, size: 2M}\n  - vcpu0: {write: {gpa: 64G, value: 5}}\n"
     "  - set-memory-attributes: {gpa: 64G, size: 4K, as: private}\n  - {vcpu0: {read: 64G}, id: r}\n",
     "{result: r, value: 0}"},
    {"a_write_to_a_readonly_slot_is_emulated", "vm: default, vcpus: 1, slots: [{id: 0, gpa: 0, size: 64K, readonly: true}]",
     "  - {vcpu0: {write: 0x1000}, id: w}\n  - {vcpu0: {read: 0x1000}, id: r}\n  - {vcpu0: {write: 0x1000}, id: again}\n",
     "{result: w, is: KVM_EXIT_MMIO}, {result: r, is: ok}, {result: again, is: KVM_EXIT_MMIO}, {tree: direct, gpa: 0x1000, is: leaf, "
     "writable: false}"},
    {"no_mapping_is_larger_than_max_level", "vm: default, vcpus: 1, max-level: 4K, slots: [{id: 0, gpa: 0, size: 4M, backing: 2M}]",
     "  - vcpu0: {write: 0}\n", "{tree: direct, gpa: 0, is: leaf, level: 4K}"},
    {"nothing_can_be_fetched_where_no_slot_is", "vm: default, vcpus: 1, slots: []",
     "  - {vcpu0: {exec: 0}, id: x}\n  - {vcpu0: {read: 0}, id: r}\n  - {vcpu0: {exec: 0}, id: again}\n",
     "{result: x, is: KVM_EXIT_INTERNAL_ERROR}, {result: r, is: KVM_EXIT_MMIO}, {result: again, is: KVM_EXIT_INTERNAL_ERROR}"},
    {"a_slot_may_lose_its_guest_memfd_in_v6_16", "vm: sw-protected, vcpus: 1, kernel: \"6.16\", slots: [{id: 1, gpa: 0, size: 2M}]",
     "  - {set-memory-region: {id: 1, gpa: 0, size: 2M, private: false}, id: a}\n", "{result: a, is: ok}"},
    {"and_no_longer_later", "vm: sw-protected, vcpus: 1, kernel: fixed, slots: [{id: 1, gpa: 0, size: 2M}]",
     "  - {set-memory-region: {id: 1, gpa: 0, size: 2M, private: false}, id: a}\n", "{result: a, is: EINVAL}"},
    {"KVM_HC_MAP_GPA_RANGE_leaves_once", "vm: sw-protected, vcpus: 1, slots: [{id: 0, gpa: 0, size: 8M}]",
     "  - vcpu0: {map-gpa: {gpa: 0, size: 0x201000, as: private}}\n", "{count: attr.set, is: 1}, {count: attr.next, is: 512}"},
    {"tdx_map_gpa_leaves_for_each_2M", "vm: tdx, vcpus: 1, slots: [{id: 0, gpa: 0, size: 8M}]",
     "  - finalize-vm\n  - vcpu0: {map-gpa: {gpa: 0, size: 0x201000, as: shared}}\n", "{count: attr.set, is: 2}"},
    {"a_psmash_zaps_from_the_page_on", "vm: snp, vcpus: 1, slots: [{id: 0, gpa: 0, size: 8M, gmem-backing: 2M}]",
     "  - vcpu0: {write: {gpa: 2M, pages: 512}}\n  - vcpu0: {write: 0x401000}\n  - rmpupdate: {gpa: 2M, level: 2M}\n"
     "  - {vcpu0: {read: 0x205000}, id: r}\n",
     "{tree: direct, gpa: 0x201000, is: leaf}, {tree: direct, gpa: 0x401000, is: none}"},
    {"a_write_makes_a_whole_huge_host_page_writable_again", "vm: default, vcpus: 1, slots: [{id: 0, gpa: 0, size: 2M, backing: 2M}]",
     "  - vcpu0: {write: 0x1000}\n  - protect: {gpa: 0, size: 4K}\n  - vcpu0: {write: 0x5000}\n",
     "{tree: direct, gpa: 0x1000, is: leaf, level: 2M, writable: true}"},
};
} // namespace

class Corners : public testing::TestWithParam<Row> {};

TEST_P(Corners, are_as_the_kernel_has_them) { expectRow(GetParam()); }

INSTANTIATE_TEST_SUITE_P(Every, Corners, testing::ValuesIn(kCorners), [](const auto& corner) { return std::string(corner.param.name); });

// One thread of the host discards the page that another is about to move.
TEST(Corners, a_page_that_is_discarded_cannot_be_migrated) {
    const Scenario scenario =
        bindScenario("t.yaml", "mirrorscope: 1\nmachine: {vm: default, slots: [{id: 0, gpa: 0, size: 64K}]}\nscript:\n"
                               "  - vcpu0: {write: 0x1000}\n  - race: {host: [{migrate: {gpa: 0x1000, size: 8K}}], "
                               "host1: [{discard: {gpa: 0x1000, size: 4K}}]}\nexpect: [{violations: 0}]\n");
    ExploreOptions options;
    options.mode = ExploreMode::Stateful;
    const ExploreResult result = Explorer(scenario, options).run();
    EXPECT_TRUE(result.ok() && result.complete);
}

} // namespace mirrorscope::test
