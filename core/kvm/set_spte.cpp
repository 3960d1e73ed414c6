// SPDX-License-Identifier: GPL-3.0-or-later
// How an SPTE changes, and how the change of a mirror is carried to the real table
// (Linux v6.16 tdp_mmu.c: tdp_mmu_set_spte_atomic(), set_external_spte_present(), handle_changed_spte(); what later releases do otherwise:
// versions/).
#include "base/hash.h"
#include "kvm/protocol.h"
#include "kvm/windows.h"

namespace mirrorscope {

bool Kvm::carriesOver(Pfn table, Gfn) const { return external_ != nullptr && role::isMirror(spGet(table, kRole)); }

// 0; -EBUSY when somebody else was faster (iter.oldSpte is then what he wrote, but before v7.2 not of a mirror's entry), or what the
// backend said.
int Kvm::tdp_mmu_set_spte_atomic(TdpIter& iter, u64 newSpte) {
    Call call(sim_, "tdp_mmu_set_spte_atomic");
    lockdep_assert_held(LockId::MmuLock);
    Forget forget(sim_);
    Changing change(*this, iter.sptep, iter.gfn, iter.oldSpte, newSpte, iter.level, true);
    const int r = protocol_->set_spte_atomic(*this, iter, newSpte, change);
    forget.but(mix(iter.oldSpte, static_cast<u64>(r)));
    return r;
}

// Others are kept out of the entry by FROZEN_SPTE until the private table has followed: nobody finds a present entry whose twin is missing.
int Kvm::set_external_spte_present(Place sptep, Gfn gfn, u64 oldSpte, u64 newSpte, Level level) {
    Call call(sim_, "set_external_spte_present");
    const Freezing updating(*this);
    KVM_BUG_ON(spte::isPresent(oldSpte), Assert::PresentToPresent);
    lockdep_assert_held(LockId::MmuLock);
    if (!protocol_->freeze_spte(*this, sptep, oldSpte, newSpte))
        return -kEBUSY;
    int ret;
    if (spte::isLast(newSpte, level)) {
        ret = external_->set_external_spte(gfn, level, ept::pfnOf(newSpte));
    } else {
        const Pfn child = ept::pfnOf(newSpte);
        const Pfn externalSpt{spGet(child, kExternal)};
        WARN_ON_ONCE(above(role::level(spGet(child, kRole))) != level, Assert::ExternalLevel);
        WARN_ON_ONCE(Gfn{spGet(child, kGfn)} != gfn, Assert::ExternalGfn);
        ret = KVM_BUG_ON(externalSpt.v == 0, Assert::NoExternal) ? -kEIO : external_->link_external_spt(gfn, level, externalSpt);
    }
    if (ret != 0)
        protocol_->restore_spte(*this, sptep, oldSpte, newSpte);
    else
        write_spte_once(Site::SpteSet, sptep, newSpte);
    return ret;
}

bool Kvm::freeze_spte(Place sptep, u64 oldSpte, u64) {
    if (!try_cmpxchg64(Site::SpteFreeze, sptep, oldSpte, spte::kFrozen))
        return false;
    machine_->set(actorWord(sim_.actor(), ActorWord::Freezing), u64{sptep.v} + 1);
    return true;
}

void Kvm::restore_spte(Place sptep, u64 oldSpte, u64) { write_spte_once(Site::SpteRestore, sptep, oldSpte); }

void Kvm::kvm_update_page_stats(u64 oldSpte, u64 newSpte, Level level) {
    const auto bump = [&](unsigned which, bool was, bool is) {
        if (was != is)
            machine_->add(pageStats_ + which, is ? 1 : u64(-1));
    };
    bump(number(level) - 1, spte::isLeaf(oldSpte, level), spte::isLeaf(newSpte, level));
    bump(3, spte::isTable(oldSpte, level), spte::isTable(newSpte, level));
}

void Kvm::check_spte_writable_invariants(u64 spte) {
    if (masks().isMmuWritable(spte))
        WARN_ON_ONCE((spte & masks().hostWritable) == 0, Assert::MmuNotHostWritable);
    else
        WARN_ON_ONCE(spte::isWritable(spte), Assert::WritableNotMmu);
}

// The assertions about a change; false if nothing follows of it.
bool Kvm::check_changed_spte(Gfn gfn, u64 oldSpte, u64 newSpte, Level level) {
    const bool wasLeaf = spte::isLeaf(oldSpte, level), isLeaf = spte::isLeaf(newSpte, level);
    WARN_ON_ONCE(level < Level::k4K || number(level) > 5, Assert::ChangedLevel);
    WARN_ON_ONCE(gfn.v % pagesPer(level) != 0, Assert::ChangedGfn);
    KVM_BUG_ON(wasLeaf && isLeaf && ept::pfnOf(oldSpte) != ept::pfnOf(newSpte), Assert::LeafPfnChanged); // BUG()
    if (oldSpte == newSpte)
        return false;
    if (isLeaf)
        check_spte_writable_invariants(newSpte);
    if (spte::isPresent(oldSpte) || spte::isPresent(newSpte))
        return true;
    WARN_ON_ONCE(!masks().isMmio(oldSpte) && !masks().isMmio(newSpte) && !spte::isFrozen(newSpte), Assert::NonpresentChanged);
    return false;
}

bool Kvm::unlinks_table(u64 oldSpte, u64 newSpte, Level level) {
    return spte::isPresent(oldSpte) && !spte::isLeaf(oldSpte, level) &&
           (spte::isLeaf(newSpte, level) || !spte::isPresent(newSpte) ||
            WARN_ON_ONCE(ept::pfnOf(oldSpte) != ept::pfnOf(newSpte), Assert::TablePfnChanged));
}

// The table was unlinked: every entry of it is made unusable, what it held is removed, and it is freed after a grace period.
void Kvm::handle_removed_pt(Pfn child, bool shared) {
    Call call(sim_, "handle_removed_pt");
    tdp_mmu_unlink_sp(child);
    remove_children(child, shared);
    protocol_->free_external_spt(*this, child);
    protocol_->free_removed_pt(*this, child);
}

void Kvm::tdp_mmu_unlink_sp(Pfn child) {
    machine_->add(vm(VmWord::TablePages), u64(-1));
    if ((spGet(child, kFlags) & kNxHugePageDisallowed) == 0)
        return;
    sim_.writeLock(LockId::TdpMmuPagesLock);
    spSet(child, kFlags, spGet(child, kFlags) & ~kNxHugePageDisallowed);
    untrack_possible_nx_huge_page(child);
    sim_.writeUnlock(LockId::TdpMmuPagesLock);
}

void Kvm::remove_children(Pfn child, bool shared) {
    const Level level = role::level(spGet(child, kRole));
    const Gfn base{spGet(child, kGfn)};
    Forget forget(sim_);
    for (unsigned i = 0; i < 512; ++i) {
        forget.but(i);
        const Place sptep = wordOf(child, i);
        const Gfn gfn{base.v + i * pagesPer(level)};
        u64 old;
        if (shared) {
            // Who froze it for an update of two tables will store once more, over our FROZEN.
            for (Retry retry(sim_);; retry.again())
                if (old = kvm_tdp_mmu_write_spte_atomic(sptep, spte::kFrozen, Site::SpteCmpxchg); !spte::isFrozen(old))
                    break;
        } else {
            if (!spte::isPresent(machine_->peek(sptep))) // mmu_lock is held for writing: nobody makes it present
                continue;
            old = kvm_tdp_mmu_read_spte(sptep);
            old = kvm_tdp_mmu_write_spte(sptep, old, spte::kFrozen, level);
        }
        Changing change(*this, sptep, gfn, old, spte::kFrozen, level, shared);
        change.reached(old);
        KVM_BUG_ON(protocol_->handle_changed_spte(*this, child, gfn, old, spte::kFrozen, level, shared) != 0, Assert::RemoveExternal);
        protocol_->carry_child(*this, child, gfn, old, spte::kFrozen, level, shared);
    }
    forget.all();
}

void Kvm::free_removed_pt(Pfn child) { sim_.callRcu(child.v); }

// The mirror's entry first, then the real one: mmu_lock is held for writing, so that nobody can fault into the gap.
u64 Kvm::tdp_mmu_set_spte(Place sptep, u64 oldSpte, u64 newSpte, Gfn gfn, Level level) {
    Call call(sim_, "tdp_mmu_set_spte");
    lockdep_assert_held_write(LockId::MmuLock);
    Changing change(*this, sptep, gfn, oldSpte, newSpte, level, false);
    WARN_ON_ONCE(spte::isFrozen(oldSpte) || spte::isFrozen(newSpte), Assert::SetFrozen);
    const Clearing window(*this, sptep, gfn, level);
    Forget forget(sim_);
    const bool carried = protocol_->carriesOver(*this, frameOf(sptep), gfn);
    oldSpte = kvm_tdp_mmu_write_spte(sptep, oldSpte, newSpte, level);
    change.reached(oldSpte);
    KVM_BUG_ON(protocol_->handle_changed_spte(*this, frameOf(sptep), gfn, oldSpte, newSpte, level, false) != 0, Assert::RemoveExternal);
    if (carried)
        protocol_->carry_set(*this, frameOf(sptep), gfn, oldSpte, newSpte, level, false);
    return forget.but(oldSpte);
}

void Kvm::tdp_mmu_iter_set_spte(TdpIter& iter, u64 newSpte) {
    WARN_ON_ONCE(iter.yielded, Assert::SetYielded);
    iter.oldSpte = tdp_mmu_set_spte(iter.sptep, iter.oldSpte, newSpte, iter.gfn, iter.level);
}

} // namespace mirrorscope
