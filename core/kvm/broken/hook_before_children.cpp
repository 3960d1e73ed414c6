// SPDX-License-Identifier: GPL-3.0-or-later
// break: [hook-before-children]. The real table's page is removed before what it holds; and the first two passes of a root's zap are left
// out, as with CONFIG_KVM_PROVE_MMU, or no table would have children any more.
#include "kvm/broken/broken.h"

namespace mirrorscope::broken {

void hookBeforeChildren(Protocol& protocol) {
    protocol.handle_removed_pt = [](Kvm& kvm, Pfn child, bool shared) {
        kvm.tdp_mmu_unlink_sp(child);
        kvm.protocol().free_external_spt(kvm, child);
        kvm.remove_children(child, shared);
        kvm.free_removed_pt(child);
    };
    protocol.tdp_mmu_zap_root_at = [](Kvm& kvm, Pfn root, bool shared, Level zapLevel) {
        if (zapLevel >= Level::k1G)
            kvm.tdp_mmu_zap_root_at(root, shared, zapLevel);
    };
}

} // namespace mirrorscope::broken
