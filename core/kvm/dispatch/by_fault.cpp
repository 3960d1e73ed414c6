// SPDX-License-Identifier: GPL-3.0-or-later
// By fault->is_private. Where there is no fault to look at, nothing is carried over.
#include "kvm/dispatch/dispatch.h"
#include "kvm/kvm.h"

namespace mirrorscope {

bool dispatchByFault(const DispatchQuery& query) { return query.fault != nullptr && query.fault->isPrivate; }

} // namespace mirrorscope
