// SPDX-License-Identifier: GPL-3.0-or-later
// break: [unmap-valid-roots-only]. d62007edf01f (v5.18): an unmap walked valid roots only, while invalid ones still mapped the page.
#include "kvm/broken/broken.h"

namespace mirrorscope::broken {

void unmapValidRootsOnly(Protocol& protocol) {
    protocol.unmap_root_types = [](const Kvm& kvm, unsigned filter) {
        return kvm.protocol().kvm_gfn_range_filter_to_root_types(kvm, filter);
    };
}

} // namespace mirrorscope::broken
