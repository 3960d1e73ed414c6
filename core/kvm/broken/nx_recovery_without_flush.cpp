// SPDX-License-Identifier: GPL-3.0-or-later
// break: [nx-recovery-without-flush]. 048f49809c52 (v5.17): what kvm_tdp_mmu_zap_sp() said of a flush was not heard.
#include "kvm/broken/broken.h"

namespace mirrorscope::broken {

void nxRecoveryWithoutFlush(Protocol& protocol) {
    protocol.flush_after_nx_recovery = [](Kvm&, bool) {};
}

} // namespace mirrorscope::broken
