// SPDX-License-Identifier: GPL-3.0-or-later
// Who decides that an update must also reach the private table? Four answers to the question of the KVM list of May 2024, each
// really deciding; v6.16 has the first. One small file each.
#pragma once

#include "kvm/protocol.h"

namespace mirrorscope {

// For the entry of `table` that stands for `gfn`, which the present actor changes.
bool dispatchByRole(const Kvm& kvm, Pfn table, Gfn gfn);
bool dispatchByFault(const Kvm& kvm, Pfn table, Gfn gfn);
bool dispatchByIter(const Kvm& kvm, Pfn table, Gfn gfn);
bool dispatchByGfn(const Kvm& kvm, Pfn table, Gfn gfn);

} // namespace mirrorscope
