// SPDX-License-Identifier: GPL-3.0-or-later
// break: [zap-under-read-lock]. 35be969d1ef2 (v6.14): at the end of a VM the roots were zapped with mmu_lock held for reading, as the fast
// zap does it; a mirror's entries can only be removed exclusively.
#include "kvm/broken/broken.h"

namespace mirrorscope::broken {

void zapUnderReadLock(Protocol& protocol) {
    protocol.kvm_tdp_mmu_zap_invalidated_roots = [](Kvm& kvm, bool) { kvm.kvm_tdp_mmu_zap_invalidated_roots(true); };
}

} // namespace mirrorscope::broken
