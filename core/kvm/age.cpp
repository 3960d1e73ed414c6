// SPDX-License-Identifier: GPL-3.0-or-later
// Aging: test and clear young, without mmu_lock (Linux v6.16 tdp_mmu.c: __kvm_tdp_mmu_age_gfn_range(), lockless since v6.15).
#include "kvm/kvm.h"

namespace mirrorscope {

bool Kvm::ageRange(const GfnRange& range, unsigned filter, bool testOnly) {
    const unsigned types = kvm_gfn_range_filter_to_root_types(filter);
    bool young = false;
    sim_.rcuReadLock();
    forEachListedRoot(types, [&](Pfn root) {
        TdpIter iter;
        for (tdp_iter_start(iter, root, Level::k4K, range.start); iter.valid && iter.gfn < range.end; tdp_iter_next(iter)) {
            if (!spte::isLeaf(iter.oldSpte, iter.level) || (iter.oldSpte & masks_.format.accessed) == 0)
                continue;
            young = true;
            if (testOnly)
                break;
            sim_.step(Site::SpteCmpxchg);
            const u64 found = machine_->get(iter.sptep);
            if (spte::adEnabled(iter.oldSpte))
                machine_->set(iter.sptep, found & ~masks_.format.accessed);
            else if (found == iter.oldSpte) // a failure is ignored
                machine_->set(iter.sptep, masks_.markForAccessTrack(found));
        }
    });
    sim_.rcuReadUnlock();
    return young;
}

bool Kvm::kvm_tdp_mmu_age_gfn_range(const GfnRange& range, unsigned filter) {
    Call call(sim_, "kvm_tdp_mmu_age_gfn_range");
    return ageRange(range, filter, false);
}

bool Kvm::kvm_tdp_mmu_test_age_gfn(const GfnRange& range, unsigned filter) {
    Call call(sim_, "kvm_tdp_mmu_test_age_gfn");
    return ageRange(range, filter, true);
}

} // namespace mirrorscope
