// SPDX-License-Identifier: GPL-3.0-or-later
// Linux v6.18 and v6.19: NX huge pages are recovered under mmu_lock for reading (v6.18, "Recover TDP MMU NX huge pages using MMU read
// lock"; tdp_mmu.c: kvm_tdp_mmu_zap_possible_nx_huge_page()), and who pre-faults a slot that is about to go is told so (3ccbf6f47098). What
// v6.19 changed is the TDX backend's: tdx/backend/versions/v6_19.cpp.
#include "kvm/protocol.h"

namespace mirrorscope {

namespace {
// Nothing is zapped unless the parent's entry still leads to the table: it may have been replaced, frozen or zapped meanwhile. True: a
// flush is owed.
bool zapPossibleNxHugePage(Kvm& kvm, Pfn child) {
    Call call(kvm.sim(), "kvm_tdp_mmu_zap_possible_nx_huge_page");
    kvm.lockdep_assert_held(LockId::MmuLock);
    const u64 ptep = kvm.spGet(child, Kvm::kPtep);
    if (kvm.WARN_ON_ONCE(ptep == 0, Assert::ZapSpOfRoot))
        return false;
    TdpIter iter;
    iter.sptep = Place{ptep - 1};
    iter.level = above(role::level(kvm.spGet(child, Kvm::kRole)));
    iter.gfn = {kvm.spGet(child, Kvm::kGfn)};
    iter.oldSpte = kvm.kvm_tdp_mmu_read_spte(iter.sptep);
    if (!spte::isTable(iter.oldSpte, iter.level) || ept::pfnOf(iter.oldSpte) != child)
        return false;
    return kvm.tdp_mmu_set_spte_atomic(iter, spte::kNonpresent) == 0;
}

// The first page of the list that lies in the range. It is off the list from here on, whatever becomes of it.
Pfn takeFirst(Kvm& kvm, const GfnRange& range) {
    kvm.sim().writeLock(LockId::TdpMmuPagesLock);
    Pfn page{kvm.machine().get(kvm.vm(Kvm::VmWord::NxHead))};
    while (page.v != 0) {
        const Gfn gfn = bare({kvm.spGet(page, Kvm::kGfn)}); // the list is one for all address spaces
        if (gfn >= range.start && gfn < range.end)
            break;
        page = {kvm.spGet(page, Kvm::kNextNx)};
    }
    if (page.v != 0) {
        kvm.WARN_ON_ONCE((kvm.spGet(page, Kvm::kFlags) & Kvm::kNxHugePageDisallowed) == 0, Assert::NxNotDisallowed);
        kvm.WARN_ON_ONCE((kvm.spGet(page, Kvm::kRole) & role::kDirect) == 0, Assert::NxNotDirect);
        kvm.unaccount_nx_huge_page(page);
    }
    kvm.sim().writeUnlock(LockId::TdpMmuPagesLock);
    return page;
}

u64 recoverUnderReadLock(Kvm& kvm, const GfnRange& range) {
    Sim& sim = kvm.sim();
    u64 zapped = 0;
    sim.srcuReadLock();
    sim.readLock(LockId::MmuLock);
    sim.rcuReadLock();
    bool flush = false;
    for (Pfn child = takeFirst(kvm, range); child.v != 0; child = takeFirst(kvm, range)) {
        int index = -1;
        if (kvm.machine().get(kvm.vm(Kvm::VmWord::NrDirtyLogging)) != 0)
            index = kvm.slotOf({kvm.spGet(child, Kvm::kGfn)});
        // A page that is logged would only be faulted in small again.
        if ((index < 0 || !kvm.slot(index).dirtyLog) && zapPossibleNxHugePage(kvm, child)) {
            flush = true;
            ++zapped;
        }
        const Yield yield = kvm.config().yield;
        if (yield == Yield::Always || (yield == Yield::Contended && sim.contended(LockId::MmuLock))) {
            kvm.protocol().flush_after_nx_recovery(kvm, flush);
            flush = false;
            sim.rcuReadUnlock();
            sim.readUnlock(LockId::MmuLock);
            sim.readLock(LockId::MmuLock);
            sim.rcuReadLock();
        }
    }
    kvm.protocol().flush_after_nx_recovery(kvm, flush);
    sim.rcuReadUnlock();
    sim.readUnlock(LockId::MmuLock);
    sim.srcuReadUnlock();
    return zapped;
}
} // namespace

bool slotGoes(Kvm& kvm, Gfn gfn) {
    kvm.sim().step(Site::SlotRead);
    const int index = kvm.slotOf(gfn);
    return index >= 0 && kvm.slot(index).invalid;
}

int repeatUnlessSlotGoes(Kvm& kvm, unsigned, u64 addr) { return slotGoes(kvm, {(addr >> 12) & ~kvm.config().directBits()}) ? -kEAGAIN : 0; }

int reloadUnlessSlotGoes(Kvm& kvm, unsigned vcpu, u64 addr) {
    const int r = repeatUnlessSlotGoes(kvm, vcpu, addr);
    return r != 0 ? r : kvm.protocol().kvm_mmu_reload(kvm, vcpu);
}

bool vmDeadPending(const Kvm& kvm, unsigned vcpu) {
    return (kvm.machine().get(kvm.vcpuWord(vcpu, Kvm::VcpuWord::Requests)) & Kvm::kReqVmDead) != 0;
}

void apply6_19(Protocol& protocol) {
    protocol.recover_nx_huge_pages = recoverUnderReadLock;
    protocol.may_repeat_map_page = repeatUnlessSlotGoes;
    protocol.is_immutable = immutableWithGmem;
}

} // namespace mirrorscope
