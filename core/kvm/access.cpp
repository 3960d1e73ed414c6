// SPDX-License-Identifier: GPL-3.0-or-later
// How an SPTE is read and written, each access a micro-step (Linux v6.16 tdp_iter.h).
#include "kvm/kvm.h"

namespace mirrorscope {

u64 Kvm::kvm_tdp_mmu_read_spte(Place sptep) {
    sim_.step(Site::SpteRead);
    if (watch_ != nullptr)
        watch_->tableRead(sptep);
    return machine_->get(sptep);
}

bool Kvm::try_cmpxchg64(Site site, Place sptep, u64& old, u64 newSpte) {
    sim_.step(site);
    const u64 found = machine_->get(sptep);
    if (found != old) {
        old = found;
        return false;
    }
    machine_->set(sptep, newSpte);
    return true;
}

u64 Kvm::kvm_tdp_mmu_write_spte_atomic(Place sptep, u64 newSpte, Site site) {
    sim_.step(site);
    const u64 old = machine_->get(sptep);
    machine_->set(sptep, newSpte);
    return old;
}

void Kvm::write_spte_once(Site site, Place sptep, u64 newSpte) { sim_.store(site, sptep, newSpte); }

bool Kvm::kvm_tdp_mmu_spte_need_atomic_update(u64 oldSpte, Level level) const {
    if (!spte::isLeaf(oldSpte, level))
        return false;
    // spte_needs_atomic_update(): a fast page fault may set W, the CPU may set D; without A/D bits both are software's.
    if (!spte::isWritable(oldSpte) && masks().isMmuWritable(oldSpte))
        return true;
    if (!spte::adEnabled(oldSpte))
        return true;
    return spte::isWritable(oldSpte) && (oldSpte & masks().format.dirty) == 0;
}

u64 Kvm::kvm_tdp_mmu_write_spte(Place sptep, u64 oldSpte, u64 newSpte, Level level) {
    if (kvm_tdp_mmu_spte_need_atomic_update(oldSpte, level))
        return kvm_tdp_mmu_write_spte_atomic(sptep, newSpte);
    write_spte_once(Site::SpteStore, sptep, newSpte);
    return oldSpte;
}

u64 Kvm::tdp_mmu_clear_spte_bits_atomic(Place sptep, u64 mask, Site site) {
    sim_.step(site);
    const u64 old = machine_->get(sptep);
    machine_->set(sptep, old & ~mask);
    return old;
}

u64 Kvm::tdp_mmu_clear_spte_bits(Place sptep, u64 oldSpte, u64 mask, Level level) {
    if (kvm_tdp_mmu_spte_need_atomic_update(oldSpte, level))
        return tdp_mmu_clear_spte_bits_atomic(sptep, mask, Site::SpteStore);
    write_spte_once(Site::SpteStore, sptep, oldSpte & ~mask);
    return oldSpte;
}

} // namespace mirrorscope
