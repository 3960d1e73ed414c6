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

int Kvm::tdp_mmu_link_sp(TdpIter& iter, Pfn sp) {
    Call call(sim_, "tdp_mmu_link_sp");
    return tdp_mmu_set_spte_atomic(iter, make_nonleaf_spte(sp));
}

int Kvm::tdp_mmu_map_handle_target_level(KvmPageFault& fault, TdpIter& iter) {
    Call call(sim_, "tdp_mmu_map_handle_target_level");
    const auto allowed = [&](u64 spte) {
        const u64 need = fault.exec ? ept::kExec : fault.write ? ept::kWrite : ept::kRead;
        return (spte & need) != 0;
    };
    if (spte::isLeaf(iter.oldSpte, iter.level) && (fault.prefetch || allowed(iter.oldSpte)))
        return RET_PF_SPURIOUS;
    u64 newSpte;
    if (fault.slot < 0)
        newSpte = make_mmio_spte(masks_, iter.gfn, machine_->get(vm(VmWord::SlotsGeneration)));
    else
        newSpte = make_spte(masks_, iter.level, fault.pfn, fault.prefetch, fault.mapWritable, true);
    if (newSpte == iter.oldSpte)
        return RET_PF_SPURIOUS;
    if (tdp_mmu_set_spte_atomic(iter, newSpte) != 0)
        return RET_PF_RETRY;
    return fault.slot < 0 ? RET_PF_EMULATE : RET_PF_FIXED;
}

int Kvm::kvm_tdp_mmu_map(KvmPageFault& fault) {
    Call call(sim_, "kvm_tdp_mmu_map");
    const Pfn root = tdp_mmu_get_root_for_fault(fault);
    int ret = RET_PF_RETRY;
    sim_.rcuReadLock();
    TdpIter iter;
    for (tdp_iter_start(iter, root, Level::k4K, fault.gfn); iter.valid && iter.gfn <= fault.gfn; tdp_iter_next(iter)) {
        if (spte::isFrozen(iter.oldSpte)) // somebody is changing this entry and its twin
            break;
        if (iter.level == fault.goalLevel) {
            ret = tdp_mmu_map_handle_target_level(fault, iter);
            break;
        }
        if (spte::isPresent(iter.oldSpte) && !spte::isLarge(iter.oldSpte))
            continue;
        const Pfn child = tdp_mmu_alloc_sp(fault.vcpu);
        tdp_mmu_init_child_sp(child, iter);
        if (role::isMirror(spGet(child, kRole)))
            spSet(child, kExternal, takeFromCache(fault.vcpu, VcpuWord::ExternalCache, FrameKind::ExternalTable, child.v).v);
        if (tdp_mmu_link_sp(iter, child) != 0) {
            tdp_mmu_free_sp(child);
            break;
        }
        iter.oldSpte = make_nonleaf_spte(child);
    }
    sim_.rcuReadUnlock();
    return ret;
}

} // namespace mirrorscope
