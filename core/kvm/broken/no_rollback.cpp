// SPDX-License-Identifier: GPL-3.0-or-later
// break: [no-rollback]. The private update failed, and the mirror's entry stays as if it had not.
#include "kvm/broken/broken.h"

namespace mirrorscope::broken {

void noRollback(Protocol& protocol) {
    protocol.restore_spte = [](Kvm& kvm, Place sptep, u64, u64 newSpte) { kvm.write_spte_once(Site::SpteRestore, sptep, newSpte); };
}

} // namespace mirrorscope::broken
