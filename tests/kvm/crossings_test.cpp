// SPDX-License-Identifier: GPL-3.0-or-later
// Where two features of the TDP MMU meet: what Linux v6.16.1 does there, with the place where it stands.
#include "explore/explorer.h"
#include "support/row.h"

namespace mirrorscope::test {

namespace {
const Row kRows[] = {
    // mmu.c: kvm_recover_nx_huge_pages() takes list_first_entry() in each round; zapping the table of 1G unlinks the one below it.
    {"the_list_of_nx_pages_is_emptied_though_zapping_shortens_it",
     R"(vm: default, kernel: "6.16", nx-huge-pages: true, slots: [{id: 0, gpa: 0, size: 4M, backing: 2M}, {id: 1, gpa: 1G, size: 1G, backing: 1G}])",
     "  - vcpu0: {exec: 1G}\n  - vcpu0: {exec: 0}\n  - expect: {count: nx_lpage_splits, is: 3}\n  - recover-nx-pages\n",
     "{count: nx_lpage_splits, is: 0}, {tree: direct, gpa: 0, is: none}"},
    // x86.c: kvm_alloc_memslot_metadata(), run for KVM_MR_MOVE, too: no huge page where guest and user addresses are not aligned alike.
    {"a_slot_that_moves_off_the_host_pages_is_mapped_small", "vm: default, slots: [{id: 0, gpa: 0, size: 8M, backing: 2M}]",
     "  - vcpu0: {write: {gpa: 2M, value: 5}}\n  - expect: {tree: direct, gpa: 2M, is: leaf, level: 2M}\n"
     "  - set-memory-region: {id: 0, gpa: 0x1001000, size: 8M, backing: 2M}\n  - {vcpu0: {read: 0x1201000}, id: r}\n  - vcpu0: {read: "
     "0x1400000}\n",
     "{tree: direct, gpa: 0x1201000, is: leaf, level: 4K}, {tree: direct, gpa: 0x1400000, is: leaf, level: 4K}, {result: r, value: 5}"},
    {"a_slot_that_moves_by_whole_host_pages_is_mapped_large", "vm: default, slots: [{id: 0, gpa: 0, size: 8M, backing: 2M}]",
     "  - vcpu0: {write: {gpa: 2M, value: 5}}\n  - set-memory-region: {id: 0, gpa: 16M, size: 8M, backing: 2M}\n  - {vcpu0: {read: 18M}, "
     "id: r}\n",
     "{tree: direct, gpa: 18M, is: leaf, level: 2M}, {result: r, value: 5}"},
    // x86.c: kvm_arch_prepare_memory_region() -> kvm_alloc_memslot_metadata() -> kvm_mmu_init_memslot_memory_attributes(), of a move, too.
    {"a_slot_that_moves_takes_the_attributes_of_where_it_goes",
     "vm: sw-protected, attributes: shared, slots: [{id: 0, gpa: 4G, size: 4M, backing: 2M, private: false}]",
     "  - set-memory-attributes: {gpa: 0, size: 4K, as: private}\n  - set-memory-region: {id: 0, gpa: 0, size: 4M, backing: 2M, private: "
     "false}\n"
     "  - vcpu0: {read: 0x1000}\n  - {vcpu0: {read: 0}, id: r}\n",
     "{tree: direct, gpa: 0x1000, is: leaf, level: 4K}, {result: r, is: KVM_EXIT_MEMORY_FAULT}"},
    // spte.c: make_huge_spte() -> make_spte_nonexecutable() -> modify_spte_protections(), which also changes what an aged entry saves.
    {"what_is_collapsed_while_it_is_aged_is_not_executable",
     "vm: default, ad-bits: false, nx-huge-pages: true, slots: [{id: 0, gpa: 0, size: 4M, backing: 2M}]",
     "  - dirty-log: {id: 0, do: start}\n  - vcpu0: {exec: 0}\n  - age: {gpa: 0, size: 2M}\n  - dirty-log: {id: 0, do: stop}\n"
     "  - vcpu0: {read: 0}\n  - expect: {tree: direct, gpa: 0, is: leaf, level: 2M, executable: false}\n  - vcpu0: {exec: 0}\n",
     "{tree: direct, gpa: 0, is: leaf, level: 4K, executable: true}"},
    // Aging takes the write without a flush, and restore_acc_track_spte() does not give it back; a split takes nothing.
    {"a_split_has_not_taken_what_aging_took",
     R"(vm: default, vcpus: 2, kernel: "6.16", ad-bits: false, slots: [{id: 0, gpa: 0, size: 2M, backing: 2M}])",
     "  - vcpu0: {write: 0}\n  - age: {gpa: 0}\n  - vcpu1: {read: 0}\n  - split-huge-pages\n",
     "{tree: direct, gpa: 0, is: leaf, level: 4K}"},
    // mmu.c: possible_nx_huge_pages is one list for all address spaces (kvm_memslots_for_spte_role()).
    {"the_worker_recovers_the_pages_of_smm",
     "vm: default, nx-huge-pages: true, slots: [{id: 0, gpa: 0, size: 4M, backing: 2M}, {id: 1, as-id: 1, gpa: 0, size: 4M, backing: 2M}]",
     "  - vcpu0: {exec: {gpa: 0x1000, smm: true}}\n  - expect: {count: nx_lpage_splits, is: 1}\n  - recover-nx-pages\n",
     "{count: nx_lpage_splits, is: 0}"},
    {"the_worker_of_6_19_does_so_too",
     R"(vm: default, kernel: "6.19", nx-huge-pages: true, slots: [{id: 0, gpa: 0, size: 4M, backing: 2M}, {id: 1, as-id: 1, gpa: 0, size: 4M, backing: 2M}])",
     "  - vcpu0: {exec: {gpa: 0x1000, smm: true}}\n  - recover-nx-pages\n", "{count: nx_lpage_splits, is: 0}"},
    {"huge_pages_of_smm_are_split_and_collapsed",
     "vm: default, vcpus: 2, slots: [{id: 0, gpa: 0, size: 4M, backing: 2M}, {id: 1, as-id: 1, gpa: 0, size: 4M, backing: 2M}]",
     "  - vcpu0: {write: {gpa: 0x1000, smm: true}}\n  - vcpu1: {write: 0x1000}\n  - expect: {count: pages_2m, is: 2}\n"
     "  - split-huge-pages\n  - expect: {count: pages_2m, is: 0}\n  - recover-huge-pages\n",
     "{count: pages_2m, is: 2}"},
    {"huge_pages_of_smm_are_split_whoever_made_the_slot", "vm: default, vcpus: 2, slots: [{id: 0, gpa: 0, size: 4M, backing: 2M}]",
     "  - set-memory-region: {id: 1, as-id: 1, gpa: 0, size: 4M, backing: 2M}\n  - vcpu0: {write: {gpa: 0x1000, smm: true}}\n"
     "  - vcpu1: {write: 0x1000}\n  - expect: {count: pages_2m, is: 2}\n  - split-huge-pages\n",
     "{count: pages_2m, is: 0}"},
    // tdx.c: what leaves a TD is removed, and what comes back begins anew, on whatever file.
    {"what_a_td_lost_with_its_slot_was_no_lost_write", "vm: tdx, sept-ve-disable: false, slots: [{id: 0, gpa: 0, size: 64K, gmem: f}]",
     "  - finalize-vm\n  - vcpu0: {write: {gpa: 0x1000, value: 4}}\n  - delete-memory-region: {id: 0}\n"
     "  - set-memory-region: {id: 0, gpa: 0, size: 64K, gmem: f}\n  - {vcpu0: {read: 0x1000}, id: r}\n",
     "{result: r, value: 0}"},
    {"a_file_of_a_destroyed_VM_has_no_holes_punched",
     "vm: sw-protected, attributes: private, slots: [{id: 0, gpa: 0, size: 64K, gmem: f}, {id: 1, gpa: 1M, size: 64K}]",
     "  - destroy-vm\n  - {gmem: {file: f, do: punch, offset: 0}, id: named}\n  - {punch-hole: {gpa: 1M}, id: own}\n",
     "{result: named, is: EBADF}, {result: own, is: EBADF}"},
};
class Crossings : public testing::TestWithParam<Row> {};
} // namespace

TEST_P(Crossings, are_the_kernels) { expectRow(GetParam()); }
INSTANTIATE_TEST_SUITE_P(Each, Crossings, testing::ValuesIn(kRows), [](const auto& row) { return std::string(row.param.name); });

// mmu.c: kvm_arch_mmu_enable_log_dirty_pt_masked() compares with ALIGN(), which rounds up: page 449 and page 512 are taken for pages of one
// large page, and that of the latter is not protected.
TEST(Crossings, the_last_of_64_pages_that_begins_a_large_page_stays_writable) {
    const Ran ran(
        "mirrorscope: 1\nmachine: {vm: default, manual-dirty-log: initially-set, eager-split: false, slots: [{id: 0, gpa: 0x1000, "
        "size: 8M, backing: 2M}]}\nscript:\n  - vcpu0: {write: 2M}\n"
        "  - dirty-log: {id: 0, do: start}\n  - dirty-log: {id: 0, do: get, gpa: 0x1c1000}\n"
        "  - dirty-log: {id: 0, do: clear, gpa: 0x1c1000, size: 256K}\n"
        "  - expect: {tree: direct, gpa: 2M, is: leaf, level: 2M, writable: true}\n  - vcpu0: {write: 2M}\n"
        "  - {dirty-log: {id: 0, do: get, gpa: 0x1c1000}, id: g}\n"
        "expect: [{result: g, field: bitmap, value: 0}, {violation: dirty-log-complete}]\n");
    EXPECT_TRUE(ran.runner.ok()) << ran.failures();
}

// tdx.c: tdx_handle_ept_violation(): a TD fetches nothing from shared memory, whatever is mapped there, and whatever its TLB holds.
TEST(Crossings, a_td_that_executes_shared_memory_ends) {
    for (const char* before : {"", "  - vcpu0: {read: {gpa: 0x1000, as: shared}}\n", "  - vcpu1: {read: {gpa: 0x1000, as: shared}}\n",
                               "  - vcpu0: {read: {gpa: 8M, as: shared}}\n"}) {
        const std::string gpa = std::string_view(before).find("8M") != std::string_view::npos ? "8M" : "0x1000";
        const Ran ran("mirrorscope: 1\nmachine: {vm: tdx, vcpus: 2, attributes: shared, slots: [{id: 0, gpa: 0, size: 4M}]}\nscript:\n"
                      "  - finalize-vm\n" +
                      std::string(before) + "  - {vcpu0: {exec: {gpa: " + gpa +
                      ", as: shared}}, id: x}\nexpect: [{result: x, is: EIO}, {violation: kernel-asserts}]\n");
        EXPECT_TRUE(ran.runner.ok()) << before << ran.failures();
    }
}

// mmu.c: kvm_mmu_recover_huge_pages() has one caller, kvm_mmu_slot_apply_flags(), and slots_lock is held there.
TEST(Crossings, nothing_is_collapsed_while_logging_begins) {
    for (const char* kernel : {"\"6.16\"", "fixed", "\"7.2\""}) {
        const Scenario scenario =
            bindScenario("t.yaml", "mirrorscope: 1\nmachine: {vm: default, kernel: " + std::string(kernel) +
                                       ", slots: [{id: 0, gpa: 0, size: 2M, backing: 2M}]}\nscript:\n  - vcpu0: {write: 0x1000}\n"
                                       "  - split-huge-pages\n  - race:\n      host: [{dirty-log: {id: 0, do: start}}]\n"
                                       "      host1: [{recover-huge-pages: {gpa: 0, size: 2M}}]\n");
        ExploreOptions options;
        options.all = true;
        const ExploreResult result = Explorer(scenario, options).run();
        EXPECT_TRUE(result.complete) << kernel;
        EXPECT_TRUE(result.findings.empty()) << kernel << " " << result.findings[0].text;
    }
}

} // namespace mirrorscope::test
