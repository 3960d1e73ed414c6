// SPDX-License-Identifier: GPL-3.0-or-later
// kvm_tdp_mmu_map(): from a fault with its pfn to an entry in the tree (Linux v6.16 tdp_mmu.c).
#include "base/hash.h"
#include "kvm/protocol.h"
#include "kvm/windows.h"

namespace mirrorscope {

Pfn Kvm::tdp_mmu_alloc_sp(unsigned vcpu) { return kvm_mmu_memory_cache_alloc(vcpu, VcpuWord::ShadowCache, FrameKind::Table, 0); }

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

int Kvm::tdp_mmu_link_sp(TdpIter& iter, Pfn sp, bool shared) {
    Call call(sim_, "tdp_mmu_link_sp");
    const u64 spte = make_nonleaf_spte(masks(), sp);
    if (shared) {
        if (const int r = tdp_mmu_set_spte_atomic(iter, spte); r != 0)
            return r;
    } else {
        tdp_mmu_iter_set_spte(iter, spte);
    }
    machine_->add(vm(VmWord::TablePages), 1);
    return 0;
}

// make_spte(): a page that becomes writable is dirty from then on, whether or not the entry can be stored.
u64 Kvm::make_spte_for(const KvmPageFault& fault, const TdpIter& iter) {
    const u64 spte = make_spte(masks(), iter.level, fault.pfn, fault.prefetch, fault.mapWritable, true);
    WARN_ON_ONCE((spte & ept::kPfnMask & ~masks().me) >> 12 >= frames_.count(), Assert::SpteReserved);
    if (spte::isWritable(spte) && fault.memslot.dirtyLog) {
        WARN_ON_ONCE(iter.level > Level::k4K, Assert::HugeWritableLogged);
        mark_page_dirty_in_slot(fault.vcpu, fault.memslot, iter.gfn);
    }
    return spte;
}

int Kvm::tdp_mmu_map_handle_target_level(KvmPageFault& fault, TdpIter& iter) {
    Call call(sim_, "tdp_mmu_map_handle_target_level");
    if (WARN_ON_ONCE(role::level(spGet(frameOf(iter.sptep), kRole)) != fault.goalLevel, Assert::MapLevel))
        return RET_PF_RETRY;
    if (spte::isLeaf(iter.oldSpte, iter.level) && (fault.prefetch || is_access_allowed(fault, iter.oldSpte))) {
        WARN_ON_ONCE(fault.pfn != ept::pfnOf(iter.oldSpte), Assert::SpuriousPfn);
        return RET_PF_SPURIOUS;
    }
    u64 newSpte;
    if (fault.slot < 0) {
        sim_.step(Site::SlotRead);
        newSpte = make_mmio_spte(masks(), bare(iter.gfn), machine_->get(vm(VmWord::SlotsGeneration)));
    } else {
        newSpte = make_spte_for(fault, iter);
    }
    int ret = RET_PF_FIXED;
    if (newSpte == iter.oldSpte)
        ret = RET_PF_SPURIOUS;
    else if (tdp_mmu_set_spte_atomic(iter, newSpte) != 0)
        return RET_PF_RETRY;
    else if (spte::isTable(iter.oldSpte, iter.level) ||
             (spte::isPresent(iter.oldSpte) &&
              WARN_ON_ONCE(masks().isMmuWritable(iter.oldSpte) && !masks().isMmuWritable(newSpte), Assert::ReplacedNeedsFlush)))
        protocol_->kvm_flush_remote_tlbs_gfn(*this, iter.gfn,
                                             iter.level); // a table gave way to a huge page: whoever walked it must not go on
    if (!masks().isMmio(newSpte))
        return ret;
    sim_.count(Counter::PfMmioSpteCreated);
    return RET_PF_EMULATE;
}

int Kvm::kvm_tdp_mmu_map(KvmPageFault& fault) {
    Call call(sim_, "kvm_tdp_mmu_map");
    Forget forget(sim_);
    const Pfn root = tdp_mmu_get_root_for_fault(fault);
    const Origin origin = Origin::ofFault(*this, fault.isPrivate);
    kvm_mmu_hugepage_adjust(fault);
    int ret = RET_PF_RETRY;
    sim_.rcuReadLock();
    TdpIter iter;
    for (tdp_iter_start(iter, root, Level::k4K, fault.gfn); iter.valid && iter.gfn <= fault.gfn; protocol_->tdp_iter_next(*this, iter)) {
        forget.but([&] { return mix(iter.hash(), fault.hash()); });
        if (masks().nxHugePages || (config_.has(Feature::Private2M) && isMirrorRoot(root)))
            disallowed_hugepage_adjust(fault, iter.oldSpte, iter.level);
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
        if (protocol_->carriesOver(*this, child, iter.gfn))
            spSet(child, kExternal, kvm_mmu_memory_cache_alloc(fault.vcpu, VcpuWord::ExternalCache, FrameKind::ExternalTable, child.v).v);
        if (fault.hugePageDisallowed)
            spSet(child, kFlags, kNxHugePageDisallowed);
        int linked;
        if (spte::isPresent(iter.oldSpte)) {
            KVM_BUG_ON(is_mirror_sptep(iter.sptep) && !config_.has(Feature::Private2M), Assert::SplitMirror);
            linked = tdp_mmu_split_huge_page(iter, child, true);
        } else {
            linked = tdp_mmu_link_sp(iter, child, true);
        }
        if (linked != 0) {
            tdp_mmu_free_sp(child);
            break;
        }
        if (fault.hugePageDisallowed && fault.reqLevel >= iter.level)
            track_possible_nx_huge_page(child);
    }
    sim_.rcuReadUnlock();
    forget.but([&] { return mix(fault.hash(), static_cast<u64>(ret)); });
    return ret;
}

} // namespace mirrorscope
