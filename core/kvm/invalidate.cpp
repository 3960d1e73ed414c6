// SPDX-License-Identifier: GPL-3.0-or-later
// Invalid roots: the fast zap, and what vCPUs do that hold one (Linux v6.16 mmu.c: kvm_mmu_zap_all_fast(),
// kvm_mmu_free_obsolete_roots(); tdp_mmu.c: kvm_tdp_mmu_invalidate_roots(), kvm_tdp_mmu_zap_invalidated_roots()).
#include "kvm/kvm.h"

#include <cassert>

namespace mirrorscope {

void Kvm::kvm_tdp_mmu_invalidate_roots(unsigned types) {
    Call call(sim_, "kvm_tdp_mmu_invalidate_roots");
    forEachListedRoot(types, [&](Pfn root) {
        if (role::isInvalid(spGet(root, kRole)))
            return;
        sim_.step(Site::RootInvalidate);
        spSet(root, kFlags, spGet(root, kFlags) | kScheduledRootToZap);
        spSet(root, kRole, spGet(root, kRole) | role::kInvalid);
    });
}

void Kvm::kvm_tdp_mmu_zap_invalidated_roots(bool shared) {
    Call call(sim_, "kvm_tdp_mmu_zap_invalidated_roots");
    shared ? sim_.readLock(LockId::MmuLock) : sim_.writeLock(LockId::MmuLock);
    forEachRoot(KVM_ALL_ROOTS, [&](Pfn root) {
        const u64 flags = spGet(root, kFlags);
        if ((flags & kScheduledRootToZap) == 0)
            return;
        spSet(root, kFlags, flags & ~kScheduledRootToZap);
        assert(role::isInvalid(spGet(root, kRole)));
        sim_.rcuReadLock();
        tdp_mmu_zap_root(root, shared);
        sim_.rcuReadUnlock();
        kvm_tdp_mmu_put_root(root); // the reference that the TDP MMU itself had
    });
    shared ? sim_.readUnlock(LockId::MmuLock) : sim_.writeUnlock(LockId::MmuLock);
}

void Kvm::kvm_mmu_zap_all_fast() {
    Call call(sim_, "kvm_mmu_zap_all_fast");
    sim_.writeLock(LockId::MmuLock);
    kvm_tdp_mmu_invalidate_roots(KVM_DIRECT_ROOTS); // the mirror stays valid
    for (unsigned v = 0; v < config_.vcpus; ++v) {
        sim_.step(Site::TlbRequest);
        machine_->set(vcpuWord(v, VcpuWord::Requests), machine_->get(vcpuWord(v, VcpuWord::Requests)) | kReqFreeObsoleteRoots);
    }
    kick_all_outside_guest_mode();
    sim_.writeUnlock(LockId::MmuLock);
    kvm_tdp_mmu_zap_invalidated_roots(true);
}

bool Kvm::rootIsObsolete(unsigned vcpu) const {
    const Pfn root{machine_->get(vcpuWord(vcpu, VcpuWord::RootHpa))};
    return root.v != 0 && role::isInvalid(spGet(root, kRole));
}

// Before an entry, and in kvm_mmu_reload(): a root that was invalidated is given back; the mirror root is kept.
void Kvm::kvm_mmu_free_obsolete_roots(unsigned vcpu) {
    const Place place = vcpuWord(vcpu, VcpuWord::RootHpa);
    if (!rootIsObsolete(vcpu) || config_.broken(Break::KeepInvalidRoot))
        return;
    const Pfn root{machine_->get(place)};
    Call call(sim_, "kvm_mmu_free_obsolete_roots");
    sim_.readLock(LockId::MmuLock);
    machine_->set(place, 0);
    kvm_tdp_mmu_put_root(root);
    sim_.readUnlock(LockId::MmuLock);
}

int Kvm::kvm_mmu_reload(unsigned vcpu) {
    kvm_mmu_free_obsolete_roots(vcpu);
    return kvm_mmu_load(vcpu);
}

} // namespace mirrorscope
