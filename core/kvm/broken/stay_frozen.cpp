// SPDX-License-Identifier: GPL-3.0-or-later
// break: [stay-frozen]. The private update failed, and nobody takes FROZEN_SPTE back.
#include "kvm/broken/broken.h"

namespace mirrorscope::broken {

void stayFrozen(Protocol& protocol) {
    protocol.restore_spte = [](Kvm& kvm, Place, u64, u64) { kvm.sim().step(Site::SpteRestore); };
}

} // namespace mirrorscope::broken
