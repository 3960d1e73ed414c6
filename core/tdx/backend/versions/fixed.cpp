// SPDX-License-Identifier: GPL-3.0-or-later
// `kernel: fixed`: v6.16 with what came after (6b5b71ffabf9 and 15945e9ec195, v6.19; 2bc2694fe20b, v6.18).
#include "kvm/versions/versions.h"
#include "tdx/backend/protocol.h"

namespace mirrorscope {

// The page is added while the mirror's entry is frozen: tdx_mem_page_add(), called by the hook.
int addInTheHook(TdxBackend& backend, Gfn gfn, Level, Pfn pfn) {
    Kvm& kvm = backend.kvm();
    Call call(kvm.sim(), "tdx_mem_page_add");
    const Pfn source{backend.get(TdxBackend::Word::PageAddSource)};
    u64 status = tdx::kSuccess;
    int r = 0;
    if (kvm.KVM_BUG_ON(source.v == 0, Assert::PageAddNoPremap)) {
        r = -kEIO;
    } else {
        Regs regs{.rcx = TdxBackend::gpaLevel(gfn, Level::k4K), .rdx = backend.tdrHpa(), .r8 = hpa(pfn), .r9 = hpa(source)};
        status = backend.seamcall(Leaf::MemPageAdd, regs);
        if (status != tdx::kSuccess)
            r = tdx::isBusy(status) ? -kEBUSY : backend.bug(Leaf::MemPageAdd, status, kEIO);
    }
    if (r != 0)
        backend.unpin(pfn);
    return r;
}

namespace {
int populateThroughTheHook(TdxBackend& backend, Gfn gfn, Pfn source) {
    backend.set(TdxBackend::Word::PremapGfn, 0); // the mirror is never ahead
    backend.set(TdxBackend::Word::PageAddSource, source.v);
    const int mapped = backend.kvm().kvm_tdp_map_page(0, gfn.v << 12, true);
    backend.set(TdxBackend::Word::PageAddSource, 0);
    return mapped;
}

// The update of the slot waits for this SRCU reader; the guest is entered, and asks again. The same for a root that became invalid, which
// only the way back into the guest replaces (no commit is known).
bool retriesLocally(TdxBackend& backend, unsigned vcpu, u64 gpa) {
    const bool goes = slotGoes(backend.kvm(), {gpa >> 12});
    return !backend.kvm().is_obsolete_root(vcpu) && !goes;
}

// Under the locks that the other changes of the TD's state are made under.
int initVcpuUnderSlotsLock(TdxBackend& backend, unsigned vcpu) {
    Sim& sim = backend.kvm().sim();
    sim.writeLock(LockId::SlotsLock);
    const int result = backend.init_vcpu_locked(vcpu);
    sim.writeUnlock(LockId::SlotsLock);
    return result;
}
} // namespace

void applyFixed(TdxProtocol& protocol) {
    protocol.add_or_record = addInTheHook;
    protocol.populate_one = populateThroughTheHook;
    protocol.init_vcpu_locked = initVcpuUnderSlotsLock;
    protocol.retries_locally = retriesLocally;
}

} // namespace mirrorscope
