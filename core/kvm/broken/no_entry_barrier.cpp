// SPDX-License-Identifier: GPL-3.0-or-later
// break: [no-entry-barrier]. The requests may be read while vcpu->mode = IN_GUEST_MODE still waits in the store buffer: who made a request
// meanwhile finds the vCPU outside and does not kick it.
#include "kvm/broken/broken.h"

namespace mirrorscope::broken {

void noEntryBarrier(Protocol& protocol) {
    protocol.vcpu_srcu_read_unlock_mb = [](Kvm& kvm) { kvm.sim().srcuReadUnlockWithoutBarrier(); };
}

} // namespace mirrorscope::broken
