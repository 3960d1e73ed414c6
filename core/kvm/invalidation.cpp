// SPDX-License-Identifier: GPL-3.0-or-later
// The invalidation protocol: what keeps a fault from mapping a page that is about to go (Linux v6.16 kvm_main.c:
// kvm_mmu_invalidate_begin(), kvm_mmu_invalidate_range_add(), kvm_mmu_invalidate_end()). All of it under mmu_lock held for writing.
#include "kvm/protocol.h"

namespace mirrorscope {

void Kvm::kvm_mmu_invalidate_begin() {
    lockdep_assert_held_write(LockId::MmuLock);
    sim_.storing(Site::SeqBegin);
    const u64 count = machine_->get(vm(VmWord::InvalidateInProgress)) + 1;
    sim_.store(vm(VmWord::InvalidateInProgress), count);
    if (count == 1) {
        sim_.store(vm(VmWord::InvalidateStart), ~0ull);
        sim_.store(vm(VmWord::InvalidateEnd), 0);
    }
}

void Kvm::kvm_mmu_invalidate_range_add(const GfnRange& range) {
    lockdep_assert_held_write(LockId::MmuLock);
    WARN_ON_ONCE(machine_->get(vm(VmWord::InvalidateInProgress)) == 0, Assert::RangeAddOutside);
    const u64 start = machine_->get(vm(VmWord::InvalidateStart));
    const u64 end = machine_->get(vm(VmWord::InvalidateEnd));
    // Of whichever address space: faults of both compare their gfn alone.
    sim_.store(vm(VmWord::InvalidateStart), std::min(start, bare(range.start).v));
    sim_.store(vm(VmWord::InvalidateEnd), std::max(end, bare(range.end).v));
}

void Kvm::kvm_mmu_invalidate_end() {
    lockdep_assert_held_write(LockId::MmuLock);
    sim_.storing(Site::SeqEnd);
    sim_.store(vm(VmWord::InvalidateSeq), machine_->get(vm(VmWord::InvalidateSeq)) + 1);
    const u64 count = machine_->get(vm(VmWord::InvalidateInProgress));
    WARN_ON_ONCE(machine_->get(vm(VmWord::InvalidateStart)) == ~0ull, Assert::InvalidateNoRange);
    if (KVM_BUG_ON(count == 0, Assert::InvalidateNegative))
        return;
    sim_.store(vm(VmWord::InvalidateInProgress), count - 1);
    if (count == 1) { // nobody looks at the range any more
        sim_.store(vm(VmWord::InvalidateStart), 0);
        sim_.store(vm(VmWord::InvalidateEnd), 0);
    }
}

void Kvm::flushAndUnlock(bool flush, bool locked) {
    if (flush)
        protocol_->kvm_flush_remote_tlbs(*this);
    if (locked)
        sim_.writeUnlock(LockId::MmuLock);
}

void Kvm::endInvalidation(bool begun) {
    if (!begun)
        return;
    Forget forget(sim_);
    sim_.writeLock(LockId::MmuLock);
    kvm_mmu_invalidate_end();
    sim_.writeUnlock(LockId::MmuLock);
    forget.all();
}

} // namespace mirrorscope
