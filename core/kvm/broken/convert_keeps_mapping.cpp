// SPDX-License-Identifier: GPL-3.0-or-later
// break: [convert-keeps-mapping]. In-place conversion without unmap_mapping_pages(): user space goes on through the page table that it has.
#include "kvm/broken/broken.h"

namespace mirrorscope::broken {

void convertKeepsMapping(Protocol& protocol) {
    protocol.unmap_mapping_pages = [](Kvm&, u64, u64) {};
}

} // namespace mirrorscope::broken
