// SPDX-License-Identifier: GPL-3.0-or-later
// break: [attributes-of-the-range-only]. Before 9129633d568e (v6.15) an invalidation covered what changes and no more: a fault beside it
// could still install a huge page, whose mixed flag is set only afterwards.
#include "kvm/broken/broken.h"

namespace mirrorscope::broken {

void attributesOfTheRangeOnly(Protocol& protocol) {
    protocol.kvm_arch_pre_set_memory_attributes = [](Kvm&, const Memslot&, const GfnRange&) {};
}

} // namespace mirrorscope::broken
