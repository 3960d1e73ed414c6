// SPDX-License-Identifier: GPL-3.0-or-later
// What is queued behind Linux v7.2, as far as no feature is asked for: 8cd280282d12, a request that says that the VM is dead stays.
#include "tdx/backend/protocol.h"

namespace mirrorscope {

namespace {
bool leavesVmDead(TdxBackend& backend, unsigned vcpu) {
    Kvm& kvm = backend.kvm();
    return (kvm.machine().get(kvm.vcpuWord(vcpu, Kvm::VcpuWord::Requests)) & Kvm::kReqVmDead) != 0;
}
} // namespace

void applyNext(TdxProtocol& protocol) { protocol.vm_dead_pending = leavesVmDead; }

} // namespace mirrorscope
