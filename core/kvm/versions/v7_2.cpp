// SPDX-License-Identifier: GPL-3.0-or-later
// Linux v7.2: one place tells the private table, whoever changed the entry (12d595795de7 … 110d4d263450; tdp_mmu.c:
// tdp_mmu_set_spte_atomic(), __handle_changed_spte()). The mirror's entry is frozen over all that follows of its change; there is one
// operation with the old and the new entry; who loses an exchange with FROZEN finds out what is there (02eaaffdd865); the private page of a
// removed table is freed at once. v7.0: an image page may be asked for twice, and a page is made the guest's at each fault.
#include "kvm/protocol.h"
#include "kvm/windows.h"

namespace mirrorscope {

namespace {
// The one operation on the private table (kvm_x86_ops.set_external_spte). 0 or a negative errno.
int set_external_spte(Kvm& kvm, Gfn gfn, u64 oldSpte, u64 newSpte, Level level) {
    ExternalOps& external = kvm.external();
    const Pfn child = spte::isTable(newSpte, level) ? ept::pfnOf(newSpte) : Pfn{0};
    const Pfn externalSpt = child.v == 0 ? child : Pfn{kvm.spGet(child, Kvm::kExternal)};
    if (spte::isLeaf(oldSpte, level) && externalSpt.v != 0 && kvm.config().has(Feature::Private2M))
        return external.split_external_spte(gfn, level, ept::pfnOf(oldSpte), externalSpt);
    if (spte::isPresent(oldSpte)) {
        kvm.lockdep_assert_held_write(LockId::MmuLock);
        return external.remove_external_spte(gfn, level, ept::pfnOf(oldSpte));
    }
    kvm.lockdep_assert_held(LockId::MmuLock);
    if (kvm.KVM_BUG_ON(!spte::isPresent(newSpte), Assert::AtomicMirrorZap))
        return -kEIO;
    if (spte::isLast(newSpte, level))
        return external.set_external_spte(gfn, level, ept::pfnOf(newSpte));
    if (kvm.KVM_BUG_ON(externalSpt.v == 0, Assert::NoExternal) ||
        kvm.WARN_ON_ONCE(above(role::level(kvm.spGet(child, Kvm::kRole))) != level, Assert::ExternalLevel) ||
        kvm.WARN_ON_ONCE(Gfn{kvm.spGet(child, Kvm::kGfn)} != gfn, Assert::ExternalGfn))
        return -kEIO;
    return external.link_external_spt(gfn, level, externalSpt);
}

// __handle_changed_spte(): what it counts, it counts once the private table has followed.
int handleChanged(Kvm& kvm, Pfn table, Gfn gfn, u64 oldSpte, u64 newSpte, Level level, bool shared) {
    Call call(kvm.sim(), "__handle_changed_spte");
    if (!kvm.check_changed_spte(gfn, oldSpte, newSpte, level))
        return 0;
    if (kvm.unlinks_table(oldSpte, newSpte, level)) {
        kvm.protocol().handle_removed_pt(kvm, ept::pfnOf(oldSpte), shared);
    } else if (kvm.protocol().carriesOver(kvm, table, gfn)) {
        if (const int r = set_external_spte(kvm, gfn, oldSpte, newSpte, level); r != 0)
            return r;
    }
    kvm.kvm_update_page_stats(oldSpte, newSpte, level);
    return 0;
}

int setAtomically(Kvm& kvm, TdpIter& iter, u64 newSpte, Changing& change) {
    const Pfn table = frameOf(iter.sptep);
    const Protocol& protocol = kvm.protocol();
    kvm.WARN_ON_ONCE(iter.yielded || spte::isFrozen(iter.oldSpte), Assert::AtomicFrozen);
    kvm.WARN_ON_ONCE(spte::isFrozen(newSpte), Assert::SetFrozen); // c1d3af136fbf; KVM_MMU_WARN_ON()
    if (!protocol.carriesOver(kvm, table, iter.gfn)) {
        if (!kvm.try_cmpxchg64(Site::SpteCmpxchg, iter.sptep, iter.oldSpte, newSpte))
            return -kEBUSY;
        change.reached(iter.oldSpte);
        const int r = protocol.handle_changed_spte(kvm, table, iter.gfn, iter.oldSpte, newSpte, iter.level, true);
        kvm.KVM_BUG_ON(r != 0, Assert::RemoveExternal);
        return r;
    }
    const Freezing updating(kvm);
    if (!protocol.freeze_spte(kvm, iter.sptep, iter.oldSpte, newSpte)) {
        iter.oldSpte = kvm.machine().get(iter.sptep); // what the exchange found
        return -kEBUSY;
    }
    if (kvm.config().traceLine == TraceLine::Before)
        kvm.machine().set(kvm.intended(kvm.sim().actor()), newSpte);
    change.reached(iter.oldSpte);
    const int r = protocol.handle_changed_spte(kvm, table, iter.gfn, iter.oldSpte, newSpte, iter.level, true);
    if (r == 0)
        kvm.write_spte_once(Site::SpteSet, iter.sptep, newSpte);
    else
        protocol.restore_spte(kvm, iter.sptep, iter.oldSpte, newSpte);
    return r;
}

void nothingToCarry(Kvm&, Pfn, Gfn, u64, u64, Level, bool) {}

// The page is the module's no longer, so that nobody needs a grace period; one that it would not give back is leaked.
void freeExternalAtOnce(Kvm& kvm, Pfn child) {
    const Gfn base{kvm.spGet(child, Kvm::kGfn)};
    const Pfn external{kvm.spGet(child, Kvm::kExternal)};
    if (external.v == 0 || !kvm.protocol().carriesOver(kvm, child, base))
        return;
    if (kvm.external().free_external_spt(base, role::level(kvm.spGet(child, Kvm::kRole)), external) == 0)
        kvm.free_page(external);
    kvm.spSet(child, Kvm::kExternal, 0);
}

// Uptodate says that the page was cleared, and no more.
bool neverPrepared(u64) { return false; }
// The page is made before the attribute is looked at, and stays in the file if that refuses it.
int onlyPrivate(Kvm& kvm, const Memslot& slot, Gfn gfn) {
    if (!kvm.gmemFolio(slot, gfn))
        return -kENOMEM;
    return kvm.kvm_mem_is_private(gfn) ? 0 : -kEINVAL;
}
} // namespace

void apply7_2(Protocol& protocol) {
    protocol.set_spte_atomic = setAtomically;
    protocol.handle_changed_spte = handleChanged;
    protocol.carry_set = nothingToCarry;
    protocol.carry_child = nothingToCarry;
    protocol.free_external_spt = freeExternalAtOnce;
    protocol.is_prepared = neverPrepared;
    protocol.may_populate = onlyPrivate;
}

} // namespace mirrorscope
