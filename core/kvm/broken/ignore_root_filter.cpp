// SPDX-License-Identifier: GPL-3.0-or-later
// break: [ignore-root-filter]. What concerns one kind of memory walks the roots of both.
#include "kvm/broken/broken.h"

namespace mirrorscope::broken {

void ignoreRootFilter(Protocol& protocol) {
    protocol.kvm_gfn_range_filter_to_root_types = [](const Kvm& kvm, unsigned) -> unsigned {
        return kvm.kvm_has_mirrored_tdp() ? KVM_VALID_ROOTS : KVM_DIRECT_ROOTS;
    };
}

} // namespace mirrorscope::broken
