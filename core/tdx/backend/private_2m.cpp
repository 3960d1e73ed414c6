// SPDX-License-Identifier: GPL-3.0-or-later
// Private pages of 2M in the secure EPT (machine.features: [private-2M]; tdx.c of the series v3, 6 Jan 2026, and v5, 28 Jan 2026): a leaf
// becomes a table by BLOCK, TRACK and DEMOTE, with mmu_lock held for writing; no page is mapped larger than the guest accepts it. With
// `non-blocking-resize` by DEMOTE alone, with mmu_lock held for reading as well.
#include "tdx/backend/protocol.h"

namespace mirrorscope {

int TdxBackend::split_external_spte(Gfn gfn, Level level, Pfn pfn, Pfn spt) {
    Call hook(sim_, "tdx_sept_set_private_spte");
    return tdx_sept_split_private_spte(gfn, level, pfn, spt);
}

u64 TdxBackend::block_for_split(Gfn gfn, Level level) {
    Regs regs{.rcx = gpaLevel(gfn, level), .rdx = tdrHpa()};
    return callWithKick(Leaf::MemRangeBlock, regs);
}

// Under the read lock nothing is tried where an entry must be blocked first: it would have to be unblocked when DEMOTE is busy, and that
// may be busy as well. Whatever fails here leaves the entry blocked, in a VM that is dead.
int TdxBackend::tdx_sept_split_private_spte(Gfn gfn, Level level, Pfn pfn, Pfn spt) {
    Call call(sim_, "tdx_sept_split_private_spte");
    const bool blocks = !kvm_.config().has(Feature::NonBlockingResize), shared = !sim_.heldForWriting(LockId::MmuLock);
    if (kvm_.WARN_ON_ONCE(shared && blocks, Assert::SplitShared))
        return -kEOPNOTSUPP;
    if (kvm_.KVM_BUG_ON(get(Word::State) != kRunnable || level != Level::k2M, Assert::SplitLevel))
        return -kEIO;
    // Of the new table, which is a page of 4K; and, for DEMOTE, of the 512 that it will map.
    if (const int r = pamtGet(spt, PamtFrom::SplitCache); r != 0)
        return r;
    if (blocks) {
        if (const u64 status = protocol_->block_for_split(*this, gfn, level); status != tdx::kSuccess) {
            pamtPut(spt);
            return bug(Leaf::MemRangeBlock, status, kEIO);
        }
        protocol_->tdx_track(*this);
    }
    return demote(gfn, level, pfn, spt, shared);
}

int TdxBackend::demote(Gfn gfn, Level level, Pfn pfn, Pfn spt, bool shared) {
    Regs regs{.rcx = gpaLevel(gfn, level), .rdx = tdrHpa(), .r8 = hpa(spt)};
    const auto pair = splitsWithPamt() ? allocPair(PamtFrom::SplitCache) : std::nullopt;
    if (pair) {
        regs.r12 = hpa((*pair)[0]);
        regs.r13 = hpa((*pair)[1]);
    }
    if (kvm_.KVM_BUG_ON(splitsWithPamt() && !pair, Assert::SplitNoPair)) {
        pamtPut(spt);
        return -kEIO;
    }
    // With mmu_lock held for reading nobody is kicked out: as for AUG, the entry stays what it was, and the caller tries again.
    const u64 status = shared ? seamcall(Leaf::MemPageDemote, regs) : callWithKick(Leaf::MemPageDemote, regs);
    if (status != tdx::kSuccess) {
        if (pair)
            freePair(*pair);
        pamtPut(spt);
        return shared && tdx::isBusy(status) ? -kEBUSY : bug(Leaf::MemPageDemote, status, kEIO);
    }
    if (pair)
        pamtSplit(pfn);
    return 0;
}

// What the guest has accepted in smaller pieces once is never mapped larger again, so that the lock is taken once for each. Held for
// reading, it lets a fault that knew nothing of it map the page at large in between; the caller's own fault then splits that.
int TdxBackend::tdx_honor_guest_accept_level(Gfn gfn, Level level) {
    Call call(sim_, "tdx_honor_guest_accept_level");
    sim_.step(Site::SlotRead);
    if (level > Level::k2M || kvm_.slotOf(gfn) < 0 || kvm_.hugepage_test_guest_inhibit(gfn, above(level)))
        return 0;
    const Gfn first = roundDown(gfn, level);
    const bool shared = kvm_.config().has(Feature::NonBlockingResize);
    sim_.lock(LockId::MmuLock, !shared);
    const int r = kvm_.kvm_split_cross_boundary_leafs({first, {first.v + pagesPer(level)}}, KVM_FILTER_PRIVATE, shared);
    if (r == 0) {
        kvm_.hugepage_set_guest_inhibit(gfn, above(level));
        if (level == Level::k4K)
            kvm_.hugepage_set_guest_inhibit(gfn, Level::k1G);
    }
    sim_.unlock(LockId::MmuLock, !shared);
    return r;
}

} // namespace mirrorscope
