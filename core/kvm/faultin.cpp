// SPDX-License-Identifier: GPL-3.0-or-later
// The page behind a fault, and whether it may have gone meanwhile (Linux v6.16 mmu.c: kvm_mmu_faultin_pfn(); kvm_host.h:
// mmu_invalidate_retry_gfn()).
#include "kvm/protocol.h"

namespace mirrorscope {

u64 Kvm::snapshot_invalidate_seq() {
    sim_.step(Site::SeqRead);
    return machine_->get(vm(VmWord::InvalidateSeq));
}

int Kvm::kvm_mmu_faultin_pfn(KvmPageFault& fault) {
    Call call(sim_, "kvm_mmu_faultin_pfn");
    if (KVM_BUG_ON((fault.gfn.v & config_.directBits()) != 0, Assert::FaultAlias))
        return -kEFAULT;
    // smp_rmb(): what is looked up from here on is not older than the snapshot.
    fault.mmuSeq = snapshot_invalidate_seq();
    if (config_.hasPrivateMem()) {
        sim_.step(Site::AttrRead);
        if (fault.isPrivate != kvm_mem_is_private(fault.gfn)) {
            kvm_mmu_prepare_memory_fault_exit(fault);
            return -kEFAULT;
        }
    }
    if (fault.slot < 0)
        return kvm_handle_noslot_fault(fault);
    if (fault.memslot.invalid)
        return RET_PF_RETRY;
    if (protocol_->mmu_invalidate_retry_gfn_unsafe(*this, fault.mmuSeq, fault.gfn))
        return RET_PF_RETRY;
    const bool fromGmem = fault.isPrivate || gmemHasAll(fault.memslot); // fault_from_gmem()
    if (const int r = fromGmem ? kvm_mmu_faultin_pfn_gmem(fault) : hostFaultin(fault.memslot, fault); r != 0)
        return r;
    if (protocol_->mmu_invalidate_retry_gfn_unsafe(*this, fault.mmuSeq, fault.gfn)) {
        kvm_mmu_finish_page_fault(fault);
        return RET_PF_RETRY;
    }
    return RET_PF_CONTINUE;
}

int Kvm::kvm_mmu_faultin_pfn_gmem(KvmPageFault& fault) {
    if (!fault.memslot.guestMemfd) {
        kvm_mmu_prepare_memory_fault_exit(fault);
        return -kEFAULT;
    }
    if (const int r = protocol_->kvm_gmem_get_pfn(*this, fault.memslot, fault.gfn, fault.pfn); r != 0) {
        kvm_mmu_prepare_memory_fault_exit(fault);
        return r;
    }
    fault.mapWritable = !fault.memslot.readonly;
    fault.maxLevel = gmem_max_mapping_level(fault.memslot, fault.gfn);
    return 0;
}

// What the host can address, not what the root reaches: an entry for a gfn beyond that is put where the gfn without its upper bits belongs.
Gfn Kvm::kvm_mmu_max_gfn() { return {(1ull << (config_.maxPhysicalAddress - 12)) - 1}; }

int Kvm::kvm_handle_noslot_fault(KvmPageFault& fault) {
    if (fault.isPrivate) {
        kvm_mmu_prepare_memory_fault_exit(fault);
        return -kEFAULT;
    }
    if (bare(fault.gfn) > protocol_->kvm_mmu_max_gfn(*this))
        return RET_PF_EMULATE;
    return RET_PF_CONTINUE; // an MMIO SPTE will be made
}

// What is read here changes only under mmu_lock, which is held.
bool Kvm::mmu_invalidate_retry_gfn(u64 seq, Gfn gfn) {
    gfn = bare(gfn);
    lockdep_assert_held(LockId::MmuLock);
    if (machine_->get(vm(VmWord::InvalidateInProgress)) != 0) {
        const u64 start = machine_->get(vm(VmWord::InvalidateStart));
        if (WARN_ON_ONCE(start == ~0ull, Assert::RetryNoRange))
            return true;
        if (gfn.v >= start && gfn.v < machine_->get(vm(VmWord::InvalidateEnd)))
            return true;
    }
    return machine_->get(vm(VmWord::InvalidateSeq)) != seq;
}

// The same without the lock, so that an answer may be late: it only saves the way to the lock.
bool Kvm::mmu_invalidate_retry_gfn_unsafe(u64 seq, Gfn gfn) {
    gfn = bare(gfn);
    sim_.step(Site::SeqRead);
    if (machine_->get(vm(VmWord::InvalidateInProgress)) != 0 && gfn.v >= machine_->get(vm(VmWord::InvalidateStart)) &&
        gfn.v < machine_->get(vm(VmWord::InvalidateEnd)))
        return true;
    return machine_->get(vm(VmWord::InvalidateSeq)) != seq;
}

} // namespace mirrorscope
