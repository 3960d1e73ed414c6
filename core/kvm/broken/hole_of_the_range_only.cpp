// SPDX-License-Identifier: GPL-3.0-or-later
// break: [hole-of-the-range-only]. "KVM: TDX huge page support for private memory" v3, patch 16, as posted: kvm_gmem_convert() invalidates
// whole folios, kvm_gmem_punch_hole() its range and no more.
#include "kvm/broken/broken.h"

namespace mirrorscope::broken {

void holeOfTheRangeOnly(Protocol& protocol) {
    protocol.kvm_gmem_invalidate_for_hole = [](Kvm& kvm, const GmemRange& range) {
        return kvm.kvm_gmem_invalidate_before_split(range, false);
    };
}

} // namespace mirrorscope::broken
