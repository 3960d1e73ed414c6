// SPDX-License-Identifier: GPL-3.0-or-later
// break: [reload-keeps-obsolete-root]. Before 20a6cff3b283 (v6.15) kvm_mmu_reload() loaded a root only where there was none; that the one
// which was there had become obsolete was served at the next entry into the guest alone.
#include "kvm/broken/broken.h"

namespace mirrorscope::broken {

void reloadKeepsObsoleteRoot(Protocol& protocol) {
    protocol.kvm_mmu_reload = [](Kvm& kvm, unsigned vcpu) { return kvm.has_root(vcpu) ? 0 : kvm.kvm_mmu_load(vcpu); };
}

} // namespace mirrorscope::broken
