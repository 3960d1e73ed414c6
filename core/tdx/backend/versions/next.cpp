// SPDX-License-Identifier: GPL-3.0-or-later
// What is queued behind Linux v7.2, as far as no feature is asked for: 8cd280282d12, a request that says that the VM is dead stays.
#include "kvm/versions/versions.h"
#include "tdx/backend/protocol.h"

namespace mirrorscope {

namespace {
bool leavesVmDead(TdxBackend& backend, unsigned vcpu) { return vmDeadPending(backend.kvm(), vcpu); }
} // namespace

void applyNext(TdxProtocol& protocol) { protocol.vm_dead_pending = leavesVmDead; }

} // namespace mirrorscope
