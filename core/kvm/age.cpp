// SPDX-License-Identifier: GPL-3.0-or-later
// Aging: test and clear young, without mmu_lock (Linux v6.16 tdp_mmu.c: __kvm_tdp_mmu_age_gfn_range(), lockless since v6.15).
#include "kvm/protocol.h"

namespace mirrorscope {

void Kvm::kvm_tdp_mmu_age_spte(TdpIter& iter) {
    if (spte::adEnabled(iter.oldSpte))
        iter.oldSpte = tdp_mmu_clear_spte_bits_atomic(iter.sptep, masks().format.accessed, Site::SpteCmpxchg);
    else
        by_path::try_set_spte_atomic(
            *this, iter, masks().markForAccessTrack(iter.oldSpte)); // a failure is ignored: the page is most likely young anyway
}

bool Kvm::ageRange(const GfnRange& range, unsigned filter, bool testOnly) {
    const unsigned types = protocol_->kvm_gfn_range_filter_to_root_types(*this, filter);
    WARN_ON_ONCE((types & ~unsigned{KVM_VALID_ROOTS}) != 0, Assert::AgeInvalid);
    bool young = false;
    sim_.rcuReadLock();
    forEachRoot(types, range.start, [&](Pfn root) {
        TdpIter iter;
        for (tdp_iter_start(iter, root, Level::k4K, range.start); iter.valid && iter.gfn < range.end;
             protocol_->tdp_iter_next(*this, iter)) {
            if (!spte::isLeaf(iter.oldSpte, iter.level) || (iter.oldSpte & masks().format.accessed) == 0)
                continue;
            young = true;
            if (testOnly)
                break;
            kvm_tdp_mmu_age_spte(iter);
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
