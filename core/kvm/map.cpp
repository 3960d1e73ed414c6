// SPDX-License-Identifier: GPL-3.0-or-later
// kvm_tdp_mmu_map(): from a fault with its pfn to an entry in the tree (Linux v6.16 tdp_mmu.c).
#include "kvm/kvm.h"

#include <cassert>

namespace mirrorscope {

void Kvm::tdp_mmu_init_child_sp(Pfn child, const TdpIter& iter) {
    const u64 parentRole = spGet(frameOf(iter.sptep), kRole);
    spSet(child, kRole, (parentRole & ~15ull) | (number(iter.level) - 1));
    spSet(child, kGfn, iter.gfn.v);
    spSet(child, kPtep, u64{iter.sptep.v} + 1);
}

// Never linked: nobody else can see it.
void Kvm::tdp_mmu_free_sp(Pfn spt) {
    sim_.step(Site::PageFree);
    releaseTable(spt);
}

void Kvm::releaseTable(Pfn spt) {
    if (const Pfn external{spGet(spt, kExternal)}; external.v != 0)
        frames_.free(external);
    for (unsigned word = 0; word < kSpWords; ++word)
        machine_->set(sp_ + (spt.v * kSpWords + word), 0);
    frames_.free(spt);
}

int Kvm::tdp_mmu_link_sp(TdpIter& iter, Pfn sp, bool shared, const KvmPageFault* fault) {
    Call call(sim_, "tdp_mmu_link_sp");
    const u64 spte = make_nonleaf_spte(masks_, sp);
    if (shared)
        return tdp_mmu_set_spte_atomic(iter, spte, fault);
    tdp_mmu_set_spte(iter.sptep, iter.oldSpte, spte, iter.gfn, iter.level, iter.isPrivate);
    return 0;
}

int Kvm::tdp_mmu_map_handle_target_level(KvmPageFault& fault, TdpIter& iter) {
    Call call(sim_, "tdp_mmu_map_handle_target_level");
    if (spte::isLeaf(iter.oldSpte, iter.level) && (fault.prefetch || is_access_allowed(fault, iter.oldSpte)))
        return RET_PF_SPURIOUS;
    u64 newSpte;
    if (fault.slot < 0)
        newSpte = make_mmio_spte(masks_, iter.gfn, machine_->get(vm(VmWord::SlotsGeneration)));
    else
        newSpte = make_spte(masks_, iter.level, fault.pfn, fault.prefetch, fault.mapWritable, true);
    if (newSpte == iter.oldSpte)
        return RET_PF_SPURIOUS;
    if (tdp_mmu_set_spte_atomic(iter, newSpte, &fault) != 0)
        return RET_PF_RETRY;
    // A table gave way to a huge page: whoever walked it must not go on with it.
    if (spte::isTable(iter.oldSpte, iter.level))
        kvm_flush_remote_tlbs();
    // make_spte() marks a page that becomes writable.
    if (fault.slot >= 0 && spte::isWritable(newSpte))
        mark_page_dirty_in_slot(fault.slot, fault.gfn);
    return fault.slot < 0 ? RET_PF_EMULATE : RET_PF_FIXED;
}

int Kvm::kvm_tdp_mmu_map(KvmPageFault& fault) {
    Call call(sim_, "kvm_tdp_mmu_map");
    const Pfn root = tdp_mmu_get_root_for_fault(fault);
    kvm_mmu_hugepage_adjust(fault);
    int ret = RET_PF_RETRY;
    std::optional<TdpIter> unlinked; // only with `break: [leaf-before-link]`
    sim_.rcuReadLock();
    TdpIter iter;
    iter.isPrivate = fault.isPrivate;
    for (tdp_iter_start(iter, root, Level::k4K, fault.gfn); iter.valid && iter.gfn <= fault.gfn; tdp_iter_next(iter)) {
        // disallowed_hugepage_adjust(): a table that stands for executable 4K pages is not replaced by a huge page.
        if (masks_.nxHugePages && iter.level == fault.goalLevel && iter.level > Level::k4K && spte::isTable(iter.oldSpte, iter.level) &&
            (spGet(ept::pfnOf(iter.oldSpte), kFlags) & kNxHugePageDisallowed) != 0) {
            const Level lower = below(fault.goalLevel);
            fault.pfn.v |= fault.gfn.v & (pagesPer(iter.level) - 1) & ~(pagesPer(lower) - 1);
            fault.goalLevel = lower;
        }
        if (spte::isFrozen(iter.oldSpte)) // somebody is changing this entry and its twin
            break;
        if (iter.level == fault.goalLevel) {
            ret = tdp_mmu_map_handle_target_level(fault, iter);
            break;
        }
        if (spte::isTable(iter.oldSpte, iter.level))
            continue;
        const Pfn child = tdp_mmu_alloc_sp(fault.vcpu);
        tdp_mmu_init_child_sp(child, iter);
        if (carriesOver(child, iter.gfn, {&fault, iter.isPrivate}))
            spSet(child, kExternal, takeFromCache(fault.vcpu, VcpuWord::ExternalCache, FrameKind::ExternalTable, child.v).v);
        if (fault.hugePageDisallowed)
            spSet(child, kFlags, kNxHugePageDisallowed);
        const int linked =
            spte::isPresent(iter.oldSpte) ? tdp_mmu_split_huge_page(iter, child, true, &fault) : tdp_mmu_link_sp(iter, child, true, &fault);
        if (linked != 0) {
            tdp_mmu_free_sp(child);
            break;
        }
        // Only a page that could have been huge is one that the recovery may make huge again.
        if (fault.hugePageDisallowed && fault.reqLevel < iter.level)
            spSet(child, kFlags, spGet(child, kFlags) & ~kNxHugePageDisallowed);
        iter.oldSpte = make_nonleaf_spte(masks_, child);
        if (config_.broken(Break::LeafBeforeLink) && iter.level == Level::k2M && spGet(child, kExternal) != 0)
            unlinked = iter;
    }
    if (unlinked)
        external_->link_external_spt(unlinked->gfn, unlinked->level, {spGet(ept::pfnOf(unlinked->oldSpte), kExternal)});
    sim_.rcuReadUnlock();
    return ret;
}

} // namespace mirrorscope
