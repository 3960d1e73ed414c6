// SPDX-License-Identifier: GPL-3.0-or-later
// Zapping: leaves of a range, and whole roots at the end of the VM (Linux v6.16 tdp_mmu.c).
#include "kvm/kvm.h"

#include <algorithm>

namespace mirrorscope {

// mmu_lock is held for writing. Returns whether a TLB flush is owed. Table pages stay.
bool Kvm::tdp_mmu_zap_leafs(Pfn root, const GfnRange& range, bool flush, bool isPrivate) {
    Call call(sim_, "tdp_mmu_zap_leafs");
    sim_.rcuReadLock();
    TdpIter iter;
    iter.isPrivate = isPrivate;
    for (tdp_iter_start(iter, root, Level::k4K, range.start); iter.valid && iter.gfn < range.end; tdp_iter_next(iter)) {
        if (tdp_mmu_iter_cond_resched(iter, flush, false)) {
            flush = false;
            continue;
        }
        if (!spte::isLeaf(iter.oldSpte, iter.level))
            continue;
        sim_.count(Counter::Zap);
        iter.oldSpte = tdp_mmu_set_spte(iter.sptep, iter.oldSpte, spte::kNonpresent, iter.gfn, iter.level, iter.isPrivate);
        if (!role::isInvalid(spGet(root, kRole)))
            flush = true;
    }
    sim_.rcuReadUnlock();
    return flush;
}

bool Kvm::kvm_tdp_mmu_zap_leafs(const GfnRange& range, bool flush) {
    Call call(sim_, "kvm_tdp_mmu_zap_leafs");
    forEachRoot(KVM_VALID_ROOTS, [&](Pfn root) { flush = tdp_mmu_zap_leafs(root, range, flush, isMirrorRoot(root)); });
    return flush;
}

bool Kvm::kvm_tdp_mmu_unmap_gfn_range(const GfnRange& range, unsigned filter) {
    Call call(sim_, "kvm_tdp_mmu_unmap_gfn_range");
    bool flush = false;
    const unsigned invalid = config_.broken(Break::UnmapValidRootsOnly) ? 0u : unsigned{KVM_INVALID_ROOTS};
    forEachRoot(kvm_gfn_range_filter_to_root_types(filter) | invalid,
                // The filter says which kind of memory goes; with both of them the root must tell.
                [&](Pfn root) { flush = tdp_mmu_zap_leafs(root, range, flush, filter == KVM_FILTER_PRIVATE || isMirrorRoot(root)); });
    return flush;
}

// The notifier's release: valid mirror roots are left alone.
void Kvm::kvm_tdp_mmu_zap_all() {
    Call call(sim_, "kvm_tdp_mmu_zap_all");
    forEachRoot(KVM_DIRECT_ROOTS | KVM_INVALID_ROOTS, [&](Pfn root) {
        sim_.rcuReadLock();
        tdp_mmu_zap_root(root, false);
        sim_.rcuReadUnlock();
    });
}

void Kvm::kvm_zap_gfn_range(const GfnRange& range) {
    Call call(sim_, "kvm_zap_gfn_range");
    sim_.writeLock(LockId::MmuLock);
    kvm_mmu_invalidate_begin();
    kvm_mmu_invalidate_range_add(range);
    if (kvm_tdp_mmu_zap_leafs(range, false))
        kvm_flush_remote_tlbs();
    kvm_mmu_invalidate_end();
    sim_.writeUnlock(LockId::MmuLock);
}

bool Kvm::kvm_unmap_gfn_range(const GfnRange& range, unsigned filter) {
    Call call(sim_, "kvm_unmap_gfn_range");
    return kvm_tdp_mmu_unmap_gfn_range(range, filter);
}

// Leaves first, then tables, so that no step is long; what is left hangs from the root's own entries.
void Kvm::tdp_mmu_zap_root(Pfn root, bool shared) {
    Call call(sim_, "tdp_mmu_zap_root");
    const Level top = role::level(spGet(root, kRole));
    for (const Level zapLevel : {Level::k4K, Level::k2M, Level::k1G, top}) {
        if (zapLevel > top)
            continue;
        // The first two passes leave no table with children, as with CONFIG_KVM_PROVE_MMU only the last two do not.
        if (config_.broken(Break::HookBeforeChildren) && zapLevel < Level::k1G)
            continue;
        TdpIter iter;
        iter.isPrivate = isMirrorRoot(root);
        for (tdp_iter_start(iter, root, zapLevel, {0}, 0); iter.valid; tdp_iter_next(iter)) {
            if (tdp_mmu_iter_cond_resched(iter, false, shared))
                continue;
            while (spte::isPresent(iter.oldSpte) && iter.level <= zapLevel) {
                if (spte::isLeaf(iter.oldSpte, iter.level))
                    sim_.count(Counter::Zap);
                if (!shared) {
                    iter.oldSpte = tdp_mmu_set_spte(iter.sptep, iter.oldSpte, spte::kNonpresent, iter.gfn, iter.level, iter.isPrivate);
                    break;
                }
                if (tdp_mmu_set_spte_atomic(iter, spte::kNonpresent) == 0)
                    break;
            }
        }
    }
}

// No vCPU runs any more.
void Kvm::kvm_mmu_uninit_tdp_mmu() {
    Call call(sim_, "kvm_mmu_uninit_tdp_mmu");
    kvm_tdp_mmu_invalidate_roots(KVM_VALID_ROOTS);
    kvm_tdp_mmu_zap_invalidated_roots(false);
}

} // namespace mirrorscope
