// SPDX-License-Identifier: GPL-3.0-or-later
// Small mappings become huge ones again when dirty logging has ended (Linux v6.16 tdp_mmu.c: recover_huge_pages_range()).
#include "kvm/protocol.h"
#include "kvm/windows.h"

namespace mirrorscope {

// Out of the first present leaf below. -EAGAIN when the lock is wanted, -ENOENT when there is none.
int Kvm::tdp_mmu_make_huge_spte(const TdpIter& parent, u64& huge) {
    Call call(sim_, "tdp_mmu_make_huge_spte");
    TdpIter iter;
    tdp_iter_start(iter, ept::pfnOf(parent.oldSpte), Level::k4K, parent.gfn, parent.gfnBits);
    for (; iter.valid && iter.gfn.v < parent.gfn.v + pagesPer(parent.level); protocol_->tdp_iter_next(*this, iter))
        if (spte::isLeaf(iter.oldSpte, iter.level)) {
            if (tdp_mmu_iter_need_resched(parent))
                return -kEAGAIN;
            KVM_BUG_ON(parent.level == Level::k4K, Assert::HugeOfNothing);
            huge = make_huge_spte(masks(), iter.oldSpte, parent.level);
            return 0;
        }
    return -kENOENT;
}

bool Kvm::recover_huge_pages_range(Pfn root, const Memslot& s) {
    if (WARN_ON_ONCE(s.dirtyLog, Assert::RecoverLogged))
        return false;
    const Origin origin = Origin::ofWalk(*this, isMirrorRoot(root));
    const GfnRange range = s.range();
    bool any = false, flush = false;
    sim_.rcuReadLock();
    TdpIter iter;
    for (tdp_iter_start(iter, root, Level::k2M, range.start); iter.valid && iter.gfn < range.end; protocol_->tdp_iter_next(*this, iter)) {
        for (Retry retry(sim_, iter.oldSpte);; retry.again(iter.oldSpte)) {
            if (tdp_mmu_iter_cond_resched(iter, flush, true)) {
                flush = false;
                break;
            }
            if (iter.level > Level::k1G || !spte::isTable(iter.oldSpte, iter.level))
                break;
            // Half outside of the slot nothing can be huge.
            if (iter.gfn < range.start || iter.gfn >= range.end)
                break;
            if (kvm_mmu_max_mapping_level(s, iter.gfn, Level::k1G, s.guestMemfd && kvm_mem_is_private(iter.gfn)) < iter.level)
                break;
            u64 huge = 0;
            const int r = tdp_mmu_make_huge_spte(iter, huge);
            if (r == -kENOENT)
                break;
            if (r == 0 && tdp_mmu_set_spte_atomic(iter, huge) == 0) {
                any = flush = true;
                break;
            }
        }
    }
    // The flush must have reached every vCPU before the unlinked tables may go.
    if (flush)
        protocol_->kvm_flush_remote_tlbs(*this);
    sim_.rcuReadUnlock();
    return any;
}

bool Kvm::kvm_tdp_mmu_recover_huge_pages(int index) {
    Call call(sim_, "kvm_tdp_mmu_recover_huge_pages");
    lockdep_assert_held(LockId::MmuLock);
    const Memslot s = slot(index);
    bool any = false;
    forEachRootYieldSafe(KVM_VALID_ROOTS, s.range(), [&](Pfn root) { any |= recover_huge_pages_range(root, s); });
    return any;
}

void Kvm::kvm_mmu_recover_huge_pages(int index) {
    Call call(sim_, "kvm_mmu_recover_huge_pages");
    sim_.readLock(LockId::MmuLock);
    kvm_tdp_mmu_recover_huge_pages(index);
    sim_.readUnlock(LockId::MmuLock);
}

} // namespace mirrorscope
