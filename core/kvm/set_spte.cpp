// SPDX-License-Identifier: GPL-3.0-or-later
// How an SPTE changes, and how the change of a mirror is carried to the real table
// (Linux v6.16 tdp_mmu.c: tdp_mmu_set_spte_atomic(), set_external_spte_present(), handle_changed_spte()).
#include "kvm/dispatch/dispatch.h"
#include "kvm/kvm.h"

#include <cassert>

namespace mirrorscope {

// mmu_lock is held for reading. 0, -EBUSY when somebody else was faster, or what the backend said.
int Kvm::tdp_mmu_set_spte_atomic(TdpIter& iter, u64 newSpte, const KvmPageFault* fault) {
    Call call(sim_, "tdp_mmu_set_spte_atomic");
    assert(sim_.heldByMe(LockId::MmuLock));
    assert(!spte::isFrozen(iter.oldSpte));
    const Origin origin{fault, iter.isPrivate};
    if (carriesOver(frameOf(iter.sptep), iter.gfn, origin) && !spte::isFrozen(newSpte)) {
        if (!spte::isPresent(newSpte)) {
            kvm_bug(0xff, 0); // an atomic zap of a mirror entry
            return -kEBUSY;
        }
        if (const int r = set_external_spte_present(iter.sptep, iter.gfn, iter.oldSpte, newSpte, iter.level); r != 0)
            return r;
    } else {
        sim_.step(Site::SpteCmpxchg);
        const u64 found = machine_->get(iter.sptep);
        if (found != iter.oldSpte) {
            iter.oldSpte = found;
            return -kEBUSY;
        }
        machine_->set(iter.sptep, newSpte);
    }
    handle_changed_spte(iter.gfn, iter.oldSpte, newSpte, iter.level, true, origin);
    return 0;
}

bool Kvm::carriesOver(Pfn table, Gfn gfn, const Origin& origin) const {
    if (external_ == nullptr)
        return false;
    const bool mirror = role::isMirror(spGet(table, kRole));
    return carries(config_.dispatch, {.mirrorPage = mirror,
                                      .fault = origin.fault,
                                      .iterPrivate = origin.iterPrivate,
                                      .rawGfn = gfn.v | (mirror ? 0 : config_.directBits()),
                                      .directBits = config_.directBits()});
}

int Kvm::set_external_spte_present(Place sptep, Gfn gfn, u64 oldSpte, u64 newSpte, Level level) {
    Call call(sim_, "set_external_spte_present");
    const bool freeze = !config_.broken(Break::NoFreeze);
    const Place mine = actorWord(sim_.actor(), ActorWord::Freezing);

    if (config_.broken(Break::LeafBeforeLink) && !spte::isLast(newSpte, level) && level == Level::k2M) {
        sim_.step(Site::SpteSet);
        if (machine_->get(sptep) != oldSpte)
            return -kEBUSY;
        machine_->set(sptep, newSpte); // kvm_tdp_mmu_map() links it once it has set the leaf
        return 0;
    }
    sim_.step(freeze ? Site::SpteFreeze : Site::SpteSet);
    if (machine_->get(sptep) != oldSpte)
        return -kEBUSY;
    machine_->set(sptep, freeze ? spte::kFrozen : newSpte);
    machine_->set(mine, u64{sptep.v} + 1);

    int ret;
    if (spte::isLast(newSpte, level)) {
        ret = external_->set_external_spte(gfn, level, ept::pfnOf(newSpte));
    } else {
        const Pfn external{spGet(ept::pfnOf(newSpte), kExternal)};
        if (external.v == 0) { // who allocated the table decided otherwise
            kvm_bug(0xff, 0);
            ret = -kEIO;
        } else {
            ret = external_->link_external_spt(gfn, level, external);
        }
    }

    if (ret == 0) {
        sim_.step(Site::SpteSet);
        machine_->set(sptep, newSpte);
    } else {
        sim_.step(Site::SpteRestore);
        if (config_.broken(Break::NoRollback))
            machine_->set(sptep, newSpte);
        else if (!config_.broken(Break::StayFrozen))
            machine_->set(sptep, oldSpte);
    }
    machine_->set(mine, 0);
    return ret;
}

void Kvm::accountPages(u64 oldSpte, u64 newSpte, Level level) {
    const auto bump = [&](unsigned which, bool was, bool is) {
        if (was != is)
            machine_->add(pageStats_ + which, is ? 1 : u64(-1));
    };
    bump(0, spte::isLeaf(oldSpte, level), spte::isLeaf(newSpte, level));
    bump(1, spte::isTable(oldSpte, level), spte::isTable(newSpte, level));
}

void Kvm::handle_changed_spte(Gfn gfn, u64 oldSpte, u64 newSpte, Level level, bool shared, const Origin& origin) {
    if (oldSpte == newSpte)
        return;
    assert(gfn.v % pagesPer(level) == 0);
    // A present leaf never gets another page; only a broken protocol leads here.
    if (spte::isLeaf(oldSpte, level) && spte::isLeaf(newSpte, level) && ept::pfnOf(oldSpte) != ept::pfnOf(newSpte))
        kvm_bug(kBugOfHost, gfn.v);
    accountPages(oldSpte, newSpte, level);
    if (spte::isTable(oldSpte, level) && (!spte::isPresent(newSpte) || spte::isLast(newSpte, level)))
        handle_removed_pt(ept::pfnOf(oldSpte), shared, origin);
}

// The table was unlinked: every entry of it is made unusable, what it held is removed, and it is freed after a grace
// period.
void Kvm::handle_removed_pt(Pfn child, bool shared, const Origin& origin) {
    Call call(sim_, "handle_removed_pt");
    const u64 word = spGet(child, kRole);
    const Level level = role::level(word);
    const Gfn base{spGet(child, kGfn)};
    const auto freeExternal = [&] {
        if (const Pfn external{spGet(child, kExternal)}; external.v != 0 && carriesOver(child, base, origin)) {
            if (external_->free_external_spt(base, level, external) != 0)
                spSet(child, kExternal, 0); // leaked on purpose: the module may still use it
        }
    };
    if (config_.broken(Break::HookBeforeChildren))
        freeExternal();
    for (unsigned i = 0; i < 512; ++i) {
        const Place sptep = wordOf(child, i);
        const Gfn gfn{base.v + i * pagesPer(level)};
        u64 old;
        if (shared) {
            while (true) {
                sim_.retryPoint(mix(sptep.v, 0x7e));
                sim_.step(Site::SpteCmpxchg);
                old = machine_->get(sptep);
                machine_->set(sptep, spte::kFrozen);
                if (!spte::isFrozen(old))
                    break;
            }
        } else {
            old = machine_->get(sptep);
            if (!spte::isPresent(old))
                continue;
            sim_.step(Site::SpteStore);
            machine_->set(sptep, spte::kFrozen);
        }
        handle_changed_spte(gfn, old, spte::kFrozen, level, shared, origin);
        if (spte::isPresent(old) && carriesOver(child, gfn, origin)) {
            if (shared)
                kvm_bug(0xff, 0);
            remove_external_spte(gfn, old, level);
        }
    }
    if (!config_.broken(Break::HookBeforeChildren))
        freeExternal();
    if (config_.broken(Break::FreeWithoutRcu))
        tdp_mmu_free_sp(child);
    else
        sim_.callRcu(child.v);
}

void Kvm::remove_external_spte(Gfn gfn, u64 oldSpte, Level level) {
    if (!spte::isLast(oldSpte, level))
        return;
    assert(sim_.heldForWriting(LockId::MmuLock));
    if (external_->remove_external_spte(gfn, level, ept::pfnOf(oldSpte)) != 0 && machine_->get(vm(VmWord::Bugged)) == 0)
        kvm_bug(0xff, 0);
}

// mmu_lock is held for writing. Mirror entry first, then the real one: nobody can fault into the gap.
u64 Kvm::tdp_mmu_set_spte(Place sptep, u64 oldSpte, u64 newSpte, Gfn gfn, Level level, bool iterPrivate) {
    Call call(sim_, "tdp_mmu_set_spte");
    assert(sim_.heldForWriting(LockId::MmuLock));
    assert(!spte::isFrozen(newSpte));
    const Place clearing = actorWord(sim_.actor(), ActorWord::Clearing);
    const Place clearingLevel = actorWord(sim_.actor(), ActorWord::ClearingLevel);
    const Origin origin{nullptr, iterPrivate};
    const bool carried = carriesOver(frameOf(sptep), gfn, origin);
    const bool mirror = is_mirror_sptep(sptep);
    sim_.step(Site::SpteStore);
    oldSpte = machine_->get(sptep); // the CPU may have set A or D meanwhile
    machine_->set(sptep, newSpte);
    if (mirror) {
        machine_->set(clearingLevel, number(level));
        machine_->set(clearing, gfn.v + 1);
    }
    handle_changed_spte(gfn, oldSpte, newSpte, level, false, origin);
    if (carried) {
        if (spte::isPresent(newSpte))
            kvm_bug(0xff, 0);
        remove_external_spte(gfn, oldSpte, level);
    }
    if (mirror) {
        machine_->set(clearing, 0);
        machine_->set(clearingLevel, 0);
    }
    return oldSpte;
}

} // namespace mirrorscope
