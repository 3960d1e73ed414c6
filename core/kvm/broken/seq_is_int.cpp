// SPDX-License-Identifier: GPL-3.0-or-later
// break: [seq-is-int]. Before ba6e3fe25543 (v6.3), and in stable kernels for longer, is_page_fault_stale() got the snapshot as an int: from
// 0x80000000 on it is extended with ones, and equals no mmu_invalidate_seq any more.
#include "kvm/broken/broken.h"

namespace mirrorscope::broken {

void seqIsInt(Protocol& protocol) {
    protocol.mmu_invalidate_retry_gfn = [](Kvm& kvm, u64 seq, Gfn gfn) {
        const auto asInt = static_cast<std::int32_t>(static_cast<u32>(seq));
        return kvm.mmu_invalidate_retry_gfn(static_cast<u64>(std::int64_t{asInt}), gfn);
    };
}

} // namespace mirrorscope::broken
