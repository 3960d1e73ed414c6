// SPDX-License-Identifier: GPL-3.0-or-later
// break: [populate-shared]. Before e4ee54479273 (v6.11) the image was put into guest_memfd whatever the page's attribute said.
#include "kvm/broken/broken.h"

namespace mirrorscope::broken {

void populateShared(Protocol& protocol) {
    protocol.may_populate = [](Kvm& kvm, const Memslot& slot, Gfn gfn) {
        const int r = onceAndPrivate(kvm, slot, gfn);
        return r == -kEINVAL ? 0 : r;
    };
}

} // namespace mirrorscope::broken
