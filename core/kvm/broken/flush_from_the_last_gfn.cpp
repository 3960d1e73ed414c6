// SPDX-License-Identifier: GPL-3.0-or-later
// break: [flush-from-the-last-gfn]. 574c3c55e969 (v5.16): where a flush of a range exists (a hypervisor below offers one), the one for a
// removed table began at the last gfn of the loop over its entries, not at the first.
#include "kvm/broken/broken.h"

namespace mirrorscope::broken {

void flushFromTheLastGfn(Protocol& protocol) {
    protocol.kvm_flush_remote_tlbs_gfn = [](Kvm& kvm, Gfn gfn, Level level) {
        const u64 pages = pagesPer(level);
        const Gfn last{gfn.v + pages - pagesPer(below(level))};
        for (unsigned v = 0; v < kvm.config().vcpus; ++v) {
            kvm.sim().step(Site::TlbFlush);
            kvm.tlb(v).drop({last, {last.v + pages}});
        }
    };
}

} // namespace mirrorscope::broken
