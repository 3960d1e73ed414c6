// SPDX-License-Identifier: GPL-3.0-or-later
// Faults that are mended without mmu_lock: write protection and access tracking (Linux v6.16 mmu.c: fast_page_fault()).
// Only the direct root is looked at, on a TD too.
#include "kvm/protocol.h"
#include "kvm/windows.h"

namespace mirrorscope {

bool Kvm::page_fault_can_be_fast(const KvmPageFault& fault) {
    if (config_.hasPrivateMem()) {
        sim_.step(Site::AttrRead);
        if (fault.isPrivate != kvm_mem_is_private(fault.gfn))
            return false;
    }
    if (!fault.present)
        return !masks().adEnabled;
    return fault.write;
}

bool Kvm::is_access_allowed(const KvmPageFault& fault, u64 spte) const {
    if (fault.exec)
        return masks().isExecutable(spte);
    return (spte & (fault.write ? ept::kWrite : ept::kRead)) != 0;
}

int Kvm::fast_page_fault(KvmPageFault& fault) {
    if (!page_fault_can_be_fast(fault))
        return RET_PF_INVALID;
    Call call(sim_, "fast_page_fault");
    const Pfn root{machine_->get(vcpuWord(fault.vcpu, VcpuWord::RootHpa))};
    int ret = RET_PF_INVALID;
    sim_.rcuReadLock();
    for (unsigned tries = 0; tries < 5; ++tries) {
        // kvm_tdp_mmu_fast_pf_get_last_sptep()
        TdpIter iter;
        for (tdp_iter_start(iter, root, Level::k4K, fault.gfn); iter.valid && iter.gfn <= fault.gfn; protocol_->tdp_iter_next(*this, iter))
            if (!spte::isTable(iter.oldSpte, iter.level))
                break;
        const u64 spte = iter.oldSpte;
        if (!iter.valid || !spte::isLeaf(spte, iter.level))
            break;
        if (is_access_allowed(fault, spte)) {
            ret = RET_PF_SPURIOUS;
            break;
        }
        u64 now = spte;
        if (!masks().adEnabled && spte::isAccessTracked(spte))
            now = spte::restoreAccessTrack(now) | ept::kAccessed;
        if (fault.write && masks().isMmuWritable(spte)) {
            now |= ept::kWrite;
            // A huge page that is logged must be split, which is not for here.
            if (iter.level > Level::k4K && fault.slot >= 0 && fault.memslot.dirtyLog)
                break;
        }
        if (now == spte || !is_access_allowed(fault, now))
            break;
        // fast_pf_fix_direct_spte()
        u64 found = spte;
        if (!try_cmpxchg64(Site::SpteCmpxchg, iter.sptep, found, now))
            continue;
        if (spte::isWritable(now) && !spte::isWritable(spte) && fault.slot >= 0) {
            const Marking marking(*this, fault.gfn);
            mark_page_dirty_in_slot(fault.vcpu, fault.memslot, fault.gfn);
        }
        ret = RET_PF_FIXED;
        break;
    }
    sim_.rcuReadUnlock();
    if (ret != RET_PF_INVALID)
        sim_.count(Counter::PfFast);
    return ret;
}

} // namespace mirrorscope
