// SPDX-License-Identifier: GPL-3.0-or-later
// break: [free-without-rcu]. An unlinked table page is free at once, whoever still walks it.
#include "kvm/broken/broken.h"

namespace mirrorscope::broken {

void freeWithoutRcu(Protocol& protocol) {
    protocol.free_removed_pt = [](Kvm& kvm, Pfn child) { kvm.tdp_mmu_free_sp(child); };
}

} // namespace mirrorscope::broken
