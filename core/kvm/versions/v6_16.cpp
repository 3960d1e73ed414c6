// SPDX-License-Identifier: GPL-3.0-or-later
// Linux v6.16, where later releases do otherwise: each function that changes an entry of a mirror calls the hook by itself
// (tdp_mmu.c: __tdp_mmu_set_spte_atomic(), handle_changed_spte(), handle_removed_pt(), remove_external_spte()).
#include "kvm/protocol.h"
#include "kvm/windows.h"

namespace mirrorscope {

namespace by_path {
// __tdp_mmu_set_spte_atomic()
int try_set_spte_atomic(Kvm& kvm, TdpIter& iter, u64 newSpte) {
    kvm.WARN_ON_ONCE(iter.yielded || spte::isFrozen(iter.oldSpte), Assert::AtomicFrozen);
    if (!kvm.protocol().carriesOver(kvm, frameOf(iter.sptep), iter.gfn) || spte::isFrozen(newSpte))
        return kvm.try_cmpxchg64(Site::SpteCmpxchg, iter.sptep, iter.oldSpte, newSpte) ? 0 : -kEBUSY;
    // Nobody zaps a mirror's entry while others may fault.
    if (kvm.KVM_BUG_ON(!spte::isPresent(newSpte), Assert::AtomicMirrorZap))
        return -kEBUSY;
    return kvm.protocol().set_external_spte_present(kvm, iter.sptep, iter.gfn, iter.oldSpte, newSpte, iter.level);
}

namespace {
void remove_external_spte(Kvm& kvm, Gfn gfn, u64 oldSpte, Level level) {
    if (!spte::isLast(oldSpte, level)) // tables go with free_external_spt()
        return;
    kvm.lockdep_assert_held_write(LockId::MmuLock);
    kvm.KVM_BUG_ON(kvm.external().remove_external_spte(gfn, level, ept::pfnOf(oldSpte)) != 0, Assert::RemoveExternal);
}
} // namespace

int set_spte_atomic(Kvm& kvm, TdpIter& iter, u64 newSpte, Changing& change) {
    const int r = try_set_spte_atomic(kvm, iter, newSpte);
    if (r == 0) {
        change.reached(iter.oldSpte);
        kvm.protocol().handle_changed_spte(kvm, frameOf(iter.sptep), iter.gfn, iter.oldSpte, newSpte, iter.level, true);
    }
    return r;
}

int handle_changed_spte(Kvm& kvm, Pfn, Gfn gfn, u64 oldSpte, u64 newSpte, Level level, bool shared) {
    if (!kvm.check_changed_spte(gfn, oldSpte, newSpte, level))
        return 0;
    kvm.kvm_update_page_stats(oldSpte, newSpte, level);
    if (kvm.unlinks_table(oldSpte, newSpte, level))
        kvm.protocol().handle_removed_pt(kvm, ept::pfnOf(oldSpte), shared);
    return 0;
}

void carry_set(Kvm& kvm, Pfn, Gfn gfn, u64 oldSpte, u64 newSpte, Level level, bool) {
    kvm.KVM_BUG_ON(spte::isPresent(newSpte), Assert::SetMirrorPresent);
    remove_external_spte(kvm, gfn, oldSpte, level);
}

void carry_child(Kvm& kvm, Pfn table, Gfn gfn, u64 oldSpte, u64, Level level, bool shared) {
    if (!kvm.protocol().carriesOver(kvm, table, gfn))
        return;
    kvm.KVM_BUG_ON(shared, Assert::RemovedShared);
    if (spte::isPresent(oldSpte))
        remove_external_spte(kvm, gfn, oldSpte, level);
}

void free_external_spt(Kvm& kvm, Pfn child) {
    const Gfn base{kvm.spGet(child, Kvm::kGfn)};
    const Pfn external{kvm.spGet(child, Kvm::kExternal)};
    if (!kvm.protocol().carriesOver(kvm, child, base))
        return;
    // Leaked on purpose: the module may still use it.
    if (external.v != 0 &&
        kvm.WARN_ON_ONCE(kvm.external().free_external_spt(base, role::level(kvm.spGet(child, Kvm::kRole)), external) != 0,
                         Assert::FreeExternal))
        kvm.spSet(child, Kvm::kExternal, 0);
}
} // namespace by_path

bool preparedIfUptodate(u64 folioWord) { return (folioWord & Kvm::kUptodate) != 0; }

int onceAndPrivate(Kvm& kvm, const Memslot& slot, Gfn gfn) {
    if ((kvm.machine().get(kvm.gmemPlace(slot, gfn)) & Kvm::kUptodate) != 0)
        return -kEEXIST;
    return kvm.kvm_mem_is_private(gfn) ? 0 : -kEINVAL;
}

void applyVersion(const MachineConfig& config, Protocol& protocol) {
    if (config.kernel == Kernel::Fixed)
        applyFixed(protocol);
    if (config.since(Kernel::V6_19))
        apply6_19(protocol);
    if (config.since(Kernel::V7_2))
        apply7_2(protocol);
    if (config.since(Kernel::Next))
        applyNext(protocol);
}

} // namespace mirrorscope
