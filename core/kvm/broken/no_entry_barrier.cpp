// SPDX-License-Identifier: GPL-3.0-or-later
// break: [no-entry-barrier]. The vCPU's mode is stored and its requests are loaded without a barrier between: on a CPU with a store buffer
// (memory-model: tso) a sender may still find it OUTSIDE_GUEST_MODE when it has looked for requests already.
#include "kvm/broken/broken.h"

namespace mirrorscope::broken {

void noEntryBarrier(Protocol& protocol) {
    protocol.smp_mb_after_mode_store = [](Kvm&) {};
}

} // namespace mirrorscope::broken
