// SPDX-License-Identifier: GPL-3.0-or-later
// By the role of the table page that holds the entry: a page of a mirror root carries the update over, whoever changed it
// (Linux v6.16: is_mirror_sptep()).
#include "kvm/dispatch/dispatch.h"

namespace mirrorscope {

bool dispatchByRole(const Kvm& kvm, Pfn table, Gfn gfn) { return kvm.carriesOver(table, gfn); }

} // namespace mirrorscope
