// SPDX-License-Identifier: GPL-3.0-or-later
// break: [no-end-after-failed-split]. "KVM: TDX huge page support for private memory" v3, patch 15, as posted: kvm_vm_set_mem_attributes()
// returns the error of the split, and what it has begun stays begun.
#include "kvm/broken/broken.h"

namespace mirrorscope::broken {

void noEndAfterFailedSplit(Protocol& protocol) {
    protocol.end_of_failed_conversion = [](Kvm&, bool) {};
}

} // namespace mirrorscope::broken
