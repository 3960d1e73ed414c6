// SPDX-License-Identifier: GPL-3.0-or-later
// By what the walk's iterator was told: from the fault, or by each caller that walks without one.
#include "kvm/dispatch/dispatch.h"
#include "kvm/windows.h"

namespace mirrorscope {

bool dispatchByIter(const Kvm& kvm, Pfn, Gfn) { return kvm.hasExternal() && (Origin::of(kvm) & Origin::kIterPrivate) != 0; }

} // namespace mirrorscope
