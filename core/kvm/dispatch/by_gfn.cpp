// SPDX-License-Identifier: GPL-3.0-or-later
// By the shared bit of the GFN. Only a TD has one: elsewhere no GFN is private by it.
#include "kvm/dispatch/dispatch.h"

namespace mirrorscope {

bool dispatchByGfn(const DispatchQuery& query) { return query.directBits != 0 && (query.rawGfn & query.directBits) == 0; }

} // namespace mirrorscope
