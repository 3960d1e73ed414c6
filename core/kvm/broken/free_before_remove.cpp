// SPDX-License-Identifier: GPL-3.0-or-later
// break: [free-before-remove]. The file's pages go before what maps them; the backend gives its pin back first, too
// (tdx/backend/broken/).
#include "kvm/broken/broken.h"

namespace mirrorscope::broken {

void freeBeforeRemove(Protocol& protocol) {
    protocol.kvm_gmem_punch_hole = [](Kvm& kvm, const GmemRange& range) {
        kvm.sim().writeLock(LockId::FilemapInvalidateLock);
        kvm.truncate_inode_pages_range(range);
        kvm.kvm_gmem_invalidate_end(kvm.kvm_gmem_invalidate_begin(range));
        kvm.sim().writeUnlock(LockId::FilemapInvalidateLock);
        return 0;
    };
}

} // namespace mirrorscope::broken
