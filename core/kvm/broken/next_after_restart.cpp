// SPDX-License-Identifier: GPL-3.0-or-later
// break: [next-after-restart]. 3a0f64de479c (v5.16): after a yield the iterator began anew, and then advanced: the entry at the goal was
// skipped.
#include "kvm/broken/broken.h"

namespace mirrorscope::broken {

void nextAfterRestart(Protocol& protocol) {
    protocol.tdp_iter_next = [](Kvm& kvm, TdpIter& iter) {
        if (iter.yielded)
            kvm.tdp_iter_restart(iter);
        kvm.tdp_iter_step(iter);
    };
}

} // namespace mirrorscope::broken
