// SPDX-License-Identifier: GPL-3.0-or-later
// Roots that become invalid, and the fast zap (Linux v6.16 mmu.c: kvm_mmu_zap_all_fast(); tdp_mmu.c: kvm_tdp_mmu_invalidate_roots(),
// kvm_tdp_mmu_zap_invalidated_roots()).
#include "kvm/protocol.h"

namespace mirrorscope {

// mmu_lock is held for writing, or the VM ends.
void Kvm::kvm_tdp_mmu_invalidate_roots(unsigned types) {
    Call call(sim_, "kvm_tdp_mmu_invalidate_roots");
    if (WARN_ON_ONCE((types & KVM_INVALID_ROOTS) != 0, Assert::InvalidateInvalid))
        types &= ~unsigned{KVM_INVALID_ROOTS};
    forEachRoot(types, [&](Pfn root) {
        sim_.step(Site::RootInvalidate);
        spSet(root, kFlags, spGet(root, kFlags) | kScheduledRootToZap);
        spSet(root, kRole, spGet(root, kRole) | role::kInvalid);
    });
}

void Kvm::kvm_tdp_mmu_zap_invalidated_roots(bool shared) {
    Call call(sim_, "kvm_tdp_mmu_zap_invalidated_roots");
    sim_.lock(LockId::MmuLock, !shared);
    forEachRootYieldSafe(KVM_ALL_ROOTS, [&](Pfn root) {
        const u64 flags = spGet(root, kFlags);
        if ((flags & kScheduledRootToZap) == 0)
            return;
        spSet(root, kFlags, flags & ~kScheduledRootToZap); // slots_lock keeps others off
        KVM_BUG_ON(!role::isInvalid(spGet(root, kRole)), Assert::ZapValidRoot);
        tdp_mmu_zap_root(root, shared);
        kvm_tdp_mmu_put_root(root); // the reference that the TDP MMU itself had
    });
    sim_.unlock(LockId::MmuLock, !shared);
}

// slots_lock is held.
void Kvm::kvm_mmu_zap_all_fast() {
    Call call(sim_, "kvm_mmu_zap_all_fast");
    sim_.writeLock(LockId::MmuLock);
    kvm_tdp_mmu_invalidate_roots(KVM_DIRECT_ROOTS); // the mirror stays valid
    kvm_make_all_cpus_request(kReqFreeObsoleteRoots);
    sim_.writeUnlock(LockId::MmuLock);
    kvm_tdp_mmu_zap_invalidated_roots(true);
}

} // namespace mirrorscope
