// SPDX-License-Identifier: GPL-3.0-or-later
// The iterator over one table tree (Linux v6.16 arch/x86/kvm/mmu/tdp_iter.c). Every read of an SPTE is a micro-step.
#include "kvm/kvm.h"

namespace mirrorscope {

u64 Kvm::read_spte(Place sptep) {
    sim_.step(Site::SpteRead);
    return machine_->get(sptep);
}

void Kvm::iterRefresh(TdpIter& iter) {
    iter.sptep = wordOf(iter.ptPath[number(iter.level) - 1], tableIndex(iter.gfn.v | iter.gfnBits, iter.level));
    iter.oldSpte = read_spte(iter.sptep);
}

void Kvm::tdp_iter_start(TdpIter& iter, Pfn root, Level minLevel, Gfn gfn) {
    iter.gfnBits = kvm_gfn_root_bits(root);
    iter.rootLevel = role::level(spGet(root, kRole));
    iter.minLevel = minLevel;
    iter.nextLastLevelGfn = gfn;
    iter.ptPath[number(iter.rootLevel) - 1] = root;
    iter.level = iter.rootLevel;
    iter.gfn = roundDown(gfn, iter.level);
    iterRefresh(iter);
    iter.valid = true;
}

bool Kvm::tdp_iter_step_down(TdpIter& iter) {
    if (iter.level == iter.minLevel)
        return false;
    // Read again: the entry may have changed since the iterator stopped at it.
    iter.oldSpte = read_spte(iter.sptep);
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
    iter.oldSpte = read_spte(iter.sptep);
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

void Kvm::tdp_iter_next(TdpIter& iter) {
    if (tdp_iter_step_down(iter))
        return;
    do {
        if (tdp_iter_step_side(iter))
            return;
    } while (tdp_iter_step_up(iter));
    iter.valid = false;
}

} // namespace mirrorscope
