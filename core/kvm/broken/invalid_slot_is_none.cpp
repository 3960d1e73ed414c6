// SPDX-License-Identifier: GPL-3.0-or-later
// break: [invalid-slot-is-none]. Before e0c378684b65 (v5.12) a slot that was about to go was no slot for a fault: it made an MMIO entry,
// over a page that was still mapped.
#include "kvm/broken/broken.h"

namespace mirrorscope::broken {

void invalidSlotIsNone(Protocol& protocol) {
    protocol.kvm_mmu_faultin_pfn = [](Kvm& kvm, KvmPageFault& fault) {
        if (fault.slot >= 0 && fault.memslot.invalid)
            fault.slot = -1;
        return kvm.kvm_mmu_faultin_pfn(fault);
    };
}

} // namespace mirrorscope::broken
