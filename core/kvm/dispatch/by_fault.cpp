// SPDX-License-Identifier: GPL-3.0-or-later
// By fault->is_private. Where there is no fault to look at, nothing is carried over.
#include "kvm/dispatch/dispatch.h"
#include "kvm/windows.h"

namespace mirrorscope {

bool dispatchByFault(const Kvm& kvm, Pfn, Gfn) { return kvm.hasExternal() && (Origin::of(kvm) & Origin::kFaultPrivate) != 0; }

} // namespace mirrorscope
