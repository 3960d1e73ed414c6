// SPDX-License-Identifier: GPL-3.0-or-later
// The iterator over one table tree (Linux v6.16 arch/x86/kvm/mmu/tdp_iter.c). Every read of an SPTE is a micro-step.
#include "kvm/protocol.h"

namespace mirrorscope {

void Kvm::iterRefresh(TdpIter& iter) {
    iter.sptep = wordOf(iter.ptPath[number(iter.level) - 1], tableIndex(iter.gfn.v | iter.gfnBits, iter.level));
    iter.oldSpte = kvm_tdp_mmu_read_spte(iter.sptep);
}

void Kvm::tdp_iter_start(TdpIter& iter, Pfn root, Level minLevel, Gfn gfn, u64 gfnBits) {
    iter.gfnBits = gfnBits;
    iter.valid = false;
    if (WARN_ON_ONCE(root.v == 0 || frames_.peekKind(root) != FrameKind::Table || role::level(spGet(root, kRole)) == Level::None,
                     Assert::IterRoot))
        return;
    iter.rootLevel = role::level(spGet(root, kRole));
    iter.minLevel = minLevel;
    iter.nextLastLevelGfn = inSmm(gfn, role::isSmm(spGet(root, kRole)));
    iter.ptPath[number(iter.rootLevel) - 1] = root;
    tdp_iter_restart(iter);
}

void Kvm::tdp_iter_restart(TdpIter& iter) {
    iter.yielded = false;
    iter.yieldedGfn = iter.nextLastLevelGfn;
    iter.level = iter.rootLevel;
    iter.gfn = roundDown(iter.nextLastLevelGfn, iter.level);
    iterRefresh(iter);
    iter.valid = true;
}

bool Kvm::tdp_mmu_iter_need_resched(const TdpIter& iter) const {
    // Something must have been done since the last time, or two that wait for each other would never end.
    if (config_.yield == Yield::Never || iter.nextLastLevelGfn == iter.yieldedGfn)
        return false;
    return config_.yield == Yield::Always || sim_.contended(LockId::MmuLock);
}

bool Kvm::tdp_mmu_iter_cond_resched(TdpIter& iter, bool flush, bool shared) {
    WARN_ON_ONCE(iter.yielded, Assert::ReschedYielded);
    if (!tdp_mmu_iter_need_resched(iter))
        return false;
    Call call(sim_, "tdp_mmu_iter_cond_resched");
    if (flush)
        protocol_->kvm_flush_remote_tlbs(*this);
    sim_.rcuReadUnlock();
    sim_.unlock(LockId::MmuLock, !shared);
    sim_.lock(LockId::MmuLock, !shared);
    sim_.rcuReadLock();
    WARN_ON_ONCE(iter.gfn > iter.nextLastLevelGfn, Assert::ReschedPast);
    iter.yielded = true;
    return true;
}

bool Kvm::tdp_iter_step_down(TdpIter& iter) {
    if (iter.level == iter.minLevel)
        return false;
    // Read again: the entry may have changed since the iterator stopped at it.
    iter.oldSpte = kvm_tdp_mmu_read_spte(iter.sptep);
    if (!spte::isTable(iter.oldSpte, iter.level))
        return false;
    const Pfn child = ept::pfnOf(iter.oldSpte);
    iter.level = below(iter.level);
    iter.ptPath[number(iter.level) - 1] = child;
    iter.gfn = roundDown(iter.nextLastLevelGfn, iter.level);
    iterRefresh(iter);
    return true;
}

bool Kvm::tdp_iter_step_side(TdpIter& iter) {
    if (tableIndex(iter.gfn.v | iter.gfnBits, iter.level) == 511)
        return false;
    iter.gfn.v += pagesPer(iter.level);
    iter.nextLastLevelGfn = iter.gfn;
    iter.sptep = iter.sptep + 1;
    iter.oldSpte = kvm_tdp_mmu_read_spte(iter.sptep);
    return true;
}

bool Kvm::tdp_iter_step_up(TdpIter& iter) {
    if (iter.level == iter.rootLevel)
        return false;
    iter.level = above(iter.level);
    iter.gfn = roundDown(iter.gfn, iter.level);
    iterRefresh(iter);
    return true;
}

void Kvm::tdp_iter_step(TdpIter& iter) {
    if (tdp_iter_step_down(iter))
        return;
    do {
        if (tdp_iter_step_side(iter))
            return;
    } while (tdp_iter_step_up(iter));
    iter.valid = false;
}

void Kvm::tdp_iter_next(TdpIter& iter) {
    if (iter.yielded)
        tdp_iter_restart(iter);
    else
        tdp_iter_step(iter);
}

} // namespace mirrorscope
