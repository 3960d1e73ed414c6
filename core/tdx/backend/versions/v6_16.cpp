// SPDX-License-Identifier: GPL-3.0-or-later
// Linux v6.16, where later releases do otherwise: a page of guest_memfd is pinned while the secure EPT maps it, each ioctl that changes the
// TD's state takes a lock of its own, and a failed TDH.MR.EXTEND is told to user space alone.
#include "tdx/backend/protocol.h"

namespace mirrorscope {

void lockVcpu(TdxBackend& backend, std::optional<unsigned> vcpu) {
    if (vcpu)
        backend.kvm().sim().vcpuLock(*vcpu);
}

void unlockVcpu(TdxBackend& backend, std::optional<unsigned> vcpu) {
    if (vcpu)
        backend.kvm().sim().vcpuUnlock(*vcpu);
}

void lockSlots(TdxBackend& backend) { backend.kvm().sim().writeLock(LockId::SlotsLock); }
void unlockSlots(TdxBackend& backend) { backend.kvm().sim().writeUnlock(LockId::SlotsLock); }

// guest_memfd has no migration callback: the page is pinned for as long as the secure EPT maps it.
void pinPage(TdxBackend& backend, Pfn pfn) { backend.kvm().frames().get(pfn); }
void unpinPage(TdxBackend& backend, Pfn pfn) { backend.kvm().put_page(pfn); }

int extendFailed(TdxBackend&, u64) { return -kEIO; }

u64 initVp(TdxBackend& backend, Regs& regs) { return backend.seamcall(Leaf::VpInit, regs); }

bool takesVmDead(TdxBackend& backend, unsigned vcpu) { return backend.kvm().kvm_check_request(vcpu, Kvm::kReqVmDead); }

void applyVersion(const MachineConfig& config, TdxProtocol& protocol) {
    if (config.kernel == Kernel::Fixed)
        applyFixed(protocol);
    if (config.since(Kernel::V6_19))
        apply6_19(protocol);
    if (config.since(Kernel::V7_2))
        apply7_2(protocol);
    if (config.since(Kernel::Next))
        applyNext(protocol);
}

} // namespace mirrorscope
