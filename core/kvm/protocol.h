// SPDX-License-Identifier: GPL-3.0-or-later
// The functions of the protocol for which something else can stand: a `break`, each in a file of kvm/broken/ that reads as a patch, or
// another version of the kernel (kvm/versions/). Whoever calls one of them calls it here; the honest one is Kvm's own of the same name.
#pragma once

#include "kvm/kvm.h"
#include "kvm/replaceable.h"
#include "kvm/versions/versions.h"

namespace mirrorscope {

struct Protocol {
    // a mirror's entry and its twin
    Replaceable<&Kvm::freeze_spte> freeze_spte;
    Replaceable<&Kvm::restore_spte> restore_spte;
    Replaceable<&Kvm::set_external_spte_present> set_external_spte_present;
    Replaceable<&Kvm::kvm_tdp_mmu_map> kvm_tdp_mmu_map;
    SetSpteAtomic set_spte_atomic = by_path::set_spte_atomic;
    HandleChangedSpte handle_changed_spte = by_path::handle_changed_spte;
    CarryOver carry_set = by_path::carry_set;     // of tdp_mmu_set_spte()
    CarryOver carry_child = by_path::carry_child; // of handle_removed_pt()
    void (*free_external_spt)(Kvm&, Pfn child) = by_path::free_external_spt;
    Replaceable<&Kvm::handle_removed_pt> handle_removed_pt;
    Replaceable<&Kvm::free_removed_pt> free_removed_pt;
    Replaceable<&Kvm::carriesOver> carriesOver;
    // walks and roots
    Replaceable<&Kvm::tdp_iter_next> tdp_iter_next;
    Replaceable<&Kvm::tdp_mmu_zap_root_at> tdp_mmu_zap_root_at;
    Replaceable<&Kvm::kvm_tdp_mmu_zap_invalidated_roots> kvm_tdp_mmu_zap_invalidated_roots;
    Replaceable<&Kvm::unmap_root_types> unmap_root_types;
    Replaceable<&Kvm::kvm_gfn_range_filter_to_root_types> kvm_gfn_range_filter_to_root_types;
    Replaceable<&Kvm::is_obsolete_root> is_obsolete_root;
    Replaceable<&Kvm::kvm_mmu_reload> kvm_mmu_reload;
    Replaceable<&Kvm::may_have_dirty_bit> may_have_dirty_bit;
    // a fault against an invalidation
    Replaceable<&Kvm::kvm_mmu_faultin_pfn> kvm_mmu_faultin_pfn;
    Replaceable<&Kvm::kvm_mmu_max_gfn> kvm_mmu_max_gfn;
    Replaceable<&Kvm::mmu_invalidate_retry_gfn> mmu_invalidate_retry_gfn;
    Replaceable<&Kvm::mmu_invalidate_retry_gfn_unsafe> mmu_invalidate_retry_gfn_unsafe;
    Replaceable<&Kvm::may_repeat_map_page> may_repeat_map_page;
    Replaceable<&Kvm::kvm_arch_pre_set_memory_attributes> kvm_arch_pre_set_memory_attributes;
    Replaceable<&Kvm::end_of_failed_conversion> end_of_failed_conversion;
    Replaceable<&Kvm::is_immutable> is_immutable;
    Replaceable<&Kvm::kvm_gmem_punch_hole> kvm_gmem_punch_hole;
    Replaceable<&Kvm::kvm_gmem_invalidate_for_hole> kvm_gmem_invalidate_for_hole;
    Replaceable<&Kvm::kvm_gmem_get_pfn> kvm_gmem_get_pfn;
    Replaceable<&Kvm::unmap_mapping_pages> unmap_mapping_pages;
    Replaceable<&Kvm::referencedPage> referencedPage;
    bool (*is_prepared)(u64 folioWord) = preparedIfUptodate;
    bool tops_up_each_try = false; // kvm_tdp_mmu_map_private_pfn() (v6.19); once for all tries, else
    int (*may_populate)(Kvm&, const Memslot&, Gfn) = onceAndPrivate;
    // flushes and vCPUs
    Replaceable<&Kvm::kvm_flush_remote_tlbs> kvm_flush_remote_tlbs;
    Replaceable<&Kvm::kvm_flush_remote_tlbs_gfn> kvm_flush_remote_tlbs_gfn;
    Replaceable<&Kvm::recover_nx_huge_pages_exclusively> recover_nx_huge_pages;
    Replaceable<&Kvm::flush_after_nx_recovery> flush_after_nx_recovery;
    Replaceable<&Kvm::vcpu_srcu_read_unlock_mb> vcpu_srcu_read_unlock_mb;
};

// Puts what `machine.break` and `machine.kernel` ask for in the place of the honest functions; backends have breaks of their own.
void applyBreaks(const MachineConfig& config, Protocol& protocol);
void applyVersion(const MachineConfig& config, Protocol& protocol);
void applyDispatch(Dispatch dispatch, Protocol& protocol);

} // namespace mirrorscope
