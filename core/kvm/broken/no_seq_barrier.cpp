// SPDX-License-Identifier: GPL-3.0-or-later
// break: [no-seq-barrier]. Without smp_rmb() the snapshot of mmu_invalidate_seq may be read after what it is to guard, and the two reads of
// mmu_invalidate_retry() in the other order: a whole invalidation between the page and the snapshot is not noticed.
#include "kvm/broken/broken.h"

namespace mirrorscope::broken {

namespace {
bool retryTheOtherWayRound(Kvm& kvm, u64 seq, Gfn gfn) {
    Machine& machine = kvm.machine();
    kvm.sim().step(Site::SeqRead);
    if (machine.get(kvm.vm(Kvm::VmWord::InvalidateSeq)) != seq)
        return true;
    kvm.sim().step(Site::SeqRead);
    return machine.get(kvm.vm(Kvm::VmWord::InvalidateInProgress)) != 0 && gfn.v >= machine.get(kvm.vm(Kvm::VmWord::InvalidateStart)) &&
           gfn.v < machine.get(kvm.vm(Kvm::VmWord::InvalidateEnd));
}
} // namespace

void noSeqBarrier(Protocol& protocol) {
    protocol.kvm_mmu_faultin_pfn = [](Kvm& kvm, KvmPageFault& fault) {
        const int r = kvm.kvm_mmu_faultin_pfn(fault);
        if (r == RET_PF_CONTINUE)
            fault.mmuSeq = kvm.snapshot_invalidate_seq();
        return r;
    };
    protocol.mmu_invalidate_retry_gfn_unsafe = retryTheOtherWayRound;
    protocol.mmu_invalidate_retry_gfn = retryTheOtherWayRound;
}

} // namespace mirrorscope::broken
