// SPDX-License-Identifier: GPL-3.0-or-later
// break: [zap-half-of-the-root]. Review of May 2024: a walk over a whole root went from 0 to the largest gfn, in which the shared bit is
// not; a TD's shared memory stands behind it. (v6.16 walks the raw table: for_each_tdp_pte_min_level_all().)
#include "kvm/broken/broken.h"

namespace mirrorscope::broken {

void zapHalfOfTheRoot(Protocol& protocol) {
    protocol.tdp_iter_next = [](Kvm& kvm, TdpIter& iter) {
        kvm.tdp_iter_next(iter);
        const u64 shared = kvm.config().directBits();
        if (shared != 0 && iter.gfnBits == 0 && iter.gfn.v >= shared)
            iter.valid = false;
    };
}

} // namespace mirrorscope::broken
