// SPDX-License-Identifier: GPL-3.0-or-later
// By what the walk's iterator was told: from the fault, or by each caller that walks without one.
#include "kvm/dispatch/dispatch.h"

namespace mirrorscope {

bool dispatchByIter(const DispatchQuery& query) { return query.iterPrivate; }

} // namespace mirrorscope
