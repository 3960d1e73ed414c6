// SPDX-License-Identifier: GPL-3.0-or-later
// break: [ignore-invalidate-seq]. A fault installs its entry without looking whether the page has gone meanwhile.
#include "kvm/broken/broken.h"

namespace mirrorscope::broken {

void ignoreInvalidateSeq(Protocol& protocol) {
    protocol.mmu_invalidate_retry_gfn = [](Kvm&, u64, Gfn) { return false; };
    protocol.mmu_invalidate_retry_gfn_unsafe = [](Kvm&, u64, Gfn) { return false; };
}

} // namespace mirrorscope::broken
