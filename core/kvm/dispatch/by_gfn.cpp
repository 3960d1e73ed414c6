// SPDX-License-Identifier: GPL-3.0-or-later
// By the shared bit of the GFN. Only a TD has one: elsewhere no GFN is private by it.
#include "kvm/dispatch/dispatch.h"

namespace mirrorscope {

bool dispatchByGfn(const Kvm& kvm, Pfn table, Gfn gfn) {
    const u64 direct = kvm.config().directBits();
    const u64 rawGfn = gfn.v | kvm.kvm_gfn_root_bits(table);
    return kvm.hasExternal() && direct != 0 && (rawGfn & direct) == 0;
}

} // namespace mirrorscope
