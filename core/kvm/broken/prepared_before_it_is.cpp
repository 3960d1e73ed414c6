// SPDX-License-Identifier: GPL-3.0-or-later
// break: [prepared-before-it-is]. d04c77d23122 (v6.11): a page of guest_memfd was marked as prepared before it was: where the RMP could not
// be updated, the next fault took it for the guest's.
#include "kvm/broken/broken.h"

namespace mirrorscope::broken {

void preparedBeforeItIs(Protocol& protocol) {
    protocol.kvm_gmem_get_pfn = [](Kvm& kvm, const Memslot& slot, Gfn gfn, Pfn& pfn) {
        const int r = kvm.kvm_gmem_get_pfn(slot, gfn, pfn);
        if (r != 0 && kvm.machine().get(kvm.gmemPlace(slot, gfn)) != 0)
            kvm.markPrepared(slot, gfn);
        return r;
    };
}

} // namespace mirrorscope::broken
