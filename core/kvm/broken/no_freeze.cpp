// SPDX-License-Identifier: GPL-3.0-or-later
// break: [no-freeze]. The mirror's entry has its final value at once, while the private table is still being updated.
#include "kvm/broken/broken.h"

namespace mirrorscope::broken {

void noFreeze(Protocol& protocol) {
    protocol.freeze_spte = [](Kvm& kvm, Place sptep, u64 oldSpte, u64 newSpte) {
        return kvm.try_cmpxchg64(Site::SpteSet, sptep, oldSpte, newSpte);
    };
}

} // namespace mirrorscope::broken
