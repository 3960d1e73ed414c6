// SPDX-License-Identifier: GPL-3.0-or-later
// Tables that stand only because an executable 4K page was asked for (the iTLB multihit mitigation), and the worker that makes their
// range huge again (Linux v6.16 mmu.c: kvm_recover_nx_huge_pages(); tdp_mmu.c: disallowed_hugepage_adjust()).
//
// Two facts: such a table must not be replaced by a huge page at a fault (nx_huge_page_disallowed); and the worker may recover it
// (kvm->arch.possible_nx_huge_pages), which is so only where a huge page would have been possible when it was made.
#include "kvm/protocol.h"

namespace mirrorscope {

void Kvm::disallowed_hugepage_adjust(KvmPageFault& fault, u64 spte, Level level) {
    if (level == Level::k4K || level != fault.goalLevel || !spte::isTable(spte, level))
        return;
    const Pfn child = ept::pfnOf(spte);
    // With private-2M, a table of a mirror is never made huge again (v3, patch 6).
    const bool stays = config_.has(Feature::Private2M) && role::isMirror(spGet(child, kRole));
    if (!stays && (spGet(child, kFlags) & kNxHugePageDisallowed) == 0)
        return;
    fault.goalLevel = below(level);
    fault.pfn.v |= fault.gfn.v & (pagesPer(level) - 1) & ~(pagesPer(fault.goalLevel) - 1);
}

// Under tdp_mmu_pages_lock: somebody may have unlinked the table since it was linked.
void Kvm::track_possible_nx_huge_page(Pfn child) {
    sim_.writeLock(LockId::TdpMmuPagesLock);
    if ((spGet(child, kFlags) & (kNxHugePageDisallowed | kNxTracked)) == kNxHugePageDisallowed) {
        spSet(child, kFlags, spGet(child, kFlags) | kNxTracked);
        const Pfn tail{machine_->get(vm(VmWord::NxTail))};
        machine_->set(tail.v == 0 ? vm(VmWord::NxHead) : sp(tail, kNextNx), child.v);
        machine_->set(vm(VmWord::NxTail), child.v);
    }
    sim_.writeUnlock(LockId::TdpMmuPagesLock);
}

u64 Kvm::nxLpageSplits() const {
    u64 pages = 0;
    for (u64 page = peekVm(VmWord::NxHead); page != 0; page = machine_->peek(sp({page}, kNextNx)))
        ++pages;
    return pages;
}

void Kvm::untrack_possible_nx_huge_page(Pfn child) {
    if ((spGet(child, kFlags) & kNxTracked) == 0)
        return;
    spSet(child, kFlags, spGet(child, kFlags) & ~kNxTracked);
    Pfn before{0};
    Place link = vm(VmWord::NxHead);
    while (machine_->get(link) != child.v) {
        before = {machine_->get(link)};
        link = sp(before, kNextNx);
    }
    machine_->set(link, spGet(child, kNextNx));
    spSet(child, kNextNx, 0);
    if (machine_->get(vm(VmWord::NxTail)) == child.v)
        machine_->set(vm(VmWord::NxTail), before.v);
}

// mmu_lock is held for writing, so that the list needs no other.
void Kvm::unaccount_nx_huge_page(Pfn child) {
    spSet(child, kFlags, spGet(child, kFlags) & ~kNxHugePageDisallowed);
    untrack_possible_nx_huge_page(child);
}

void Kvm::flush_after_nx_recovery(bool flush) {
    if (flush)
        protocol_->kvm_flush_remote_tlbs(*this);
}

// The whole list, as far as it lies in the range; the kernel's worker takes a part of it at a time, by a ratio and a clock.
u64 Kvm::kvm_recover_nx_huge_pages(const GfnRange& range) {
    Call call(sim_, "kvm_recover_nx_huge_pages");
    return protocol_->recover_nx_huge_pages(*this, range);
}

u64 Kvm::recover_nx_huge_pages_exclusively(const GfnRange& range) {
    u64 zapped = 0;
    sim_.srcuReadLock();
    sim_.writeLock(LockId::MmuLock);
    sim_.rcuReadLock();
    bool flush = false;
    // Always the first one of the list: zapping a page unlinks it, and those below it.
    const auto first = [&] {
        Pfn page{machine_->get(vm(VmWord::NxHead))};
        for (; page.v != 0; page = {spGet(page, kNextNx)})
            if (const Gfn gfn = bare({spGet(page, kGfn)}); gfn >= range.start && gfn < range.end)
                break;
        return page;
    };
    for (Pfn child = first(); child.v != 0; child = first()) {
        const Gfn gfn{spGet(child, kGfn)};
        WARN_ON_ONCE((spGet(child, kFlags) & kNxHugePageDisallowed) == 0, Assert::NxNotDisallowed);
        WARN_ON_ONCE((spGet(child, kRole) & role::kDirect) == 0, Assert::NxNotDirect);
        int index = -1;
        if (machine_->get(vm(VmWord::NrDirtyLogging)) != 0) {
            index = slotOf(gfn);
            WARN_ON_ONCE(index < 0, Assert::NxNoSlot);
        }
        // A page that is logged would only be faulted in small again.
        if (index >= 0 && slot(index).dirtyLog) {
            unaccount_nx_huge_page(child);
        } else if (kvm_tdp_mmu_zap_sp(child)) {
            flush = true;
            ++zapped;
        }
        if (WARN_ON_ONCE((spGet(child, kFlags) & kNxHugePageDisallowed) != 0, Assert::NxStays))
            break;
        if (config_.yield == Yield::Always || (config_.yield == Yield::Contended && sim_.contended(LockId::MmuLock))) {
            protocol_->flush_after_nx_recovery(*this, flush);
            flush = false;
            sim_.rcuReadUnlock();
            sim_.writeUnlock(LockId::MmuLock);
            sim_.writeLock(LockId::MmuLock);
            sim_.rcuReadLock();
        }
    }
    protocol_->flush_after_nx_recovery(*this, flush);
    sim_.rcuReadUnlock();
    sim_.writeUnlock(LockId::MmuLock);
    sim_.srcuReadUnlock();
    return zapped;
}

} // namespace mirrorscope
