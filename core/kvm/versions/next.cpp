// SPDX-License-Identifier: GPL-3.0-or-later
// What is queued behind Linux v7.2 (kvm-x86/next, Sep 2026), as far as no feature is asked for: 355323a4dc94, who pre-faults looks at each
// try whether the root is still good.
#include "kvm/protocol.h"

namespace mirrorscope {

void applyNext(Protocol& protocol) {
    protocol.may_repeat_map_page = reloadUnlessSlotGoes;
    protocol.tops_up_each_try = true; // 6415d9c4ee19
}

} // namespace mirrorscope
