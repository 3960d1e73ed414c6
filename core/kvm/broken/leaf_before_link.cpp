// SPDX-License-Identifier: GPL-3.0-or-later
// break: [leaf-before-link]. A mirror's 2M entry leads to its new table at once, and the private table is told when the whole fault was
// mapped: the leaf comes before its table.
#include "kvm/broken/broken.h"

namespace mirrorscope::broken {

namespace {
Place unlinked(Kvm& kvm) { return kvm.actorWord(kvm.sim().actor(), Kvm::ActorWord::Broken); }

int setTableUnlinked(Kvm& kvm, Place sptep, Gfn gfn, u64 oldSpte, u64 newSpte, Level level) {
    if (spte::isLast(newSpte, level) || level != Level::k2M)
        return kvm.set_external_spte_present(sptep, gfn, oldSpte, newSpte, level);
    if (!kvm.try_cmpxchg64(Site::SpteSet, sptep, oldSpte, newSpte))
        return -kEBUSY;
    kvm.machine().set(unlinked(kvm), ept::pfnOf(newSpte).v);
    return 0;
}

int mapThenLink(Kvm& kvm, KvmPageFault& fault) {
    const int r = kvm.kvm_tdp_mmu_map(fault);
    const Pfn child{kvm.machine().get(unlinked(kvm))};
    kvm.machine().set(unlinked(kvm), 0);
    if (child.v != 0)
        kvm.external().link_external_spt({kvm.spGet(child, Kvm::kGfn)}, Level::k2M, {kvm.spGet(child, Kvm::kExternal)});
    return r;
}
} // namespace

void leafBeforeLink(Protocol& protocol) {
    protocol.set_external_spte_present = setTableUnlinked;
    protocol.kvm_tdp_mmu_map = mapThenLink;
}

} // namespace mirrorscope::broken
