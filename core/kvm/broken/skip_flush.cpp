// SPDX-License-Identifier: GPL-3.0-or-later
// break: [skip-flush]. No remote TLB flush.
#include "kvm/broken/broken.h"

namespace mirrorscope::broken {

void skipFlush(Protocol& protocol) {
    protocol.kvm_flush_remote_tlbs = [](Kvm&) {};
}

} // namespace mirrorscope::broken
