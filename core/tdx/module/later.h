// SPDX-License-Identifier: GPL-3.0-or-later
// What a TDX module of the 2.0 line does otherwise than 1.5.01 (machine.module), as far as TDs without partitioning, migration and devices
// can tell: from single files of a late 1.5.x and of 2.0, and from 1.5.05.
#pragma once

#include "machine/config.h"

namespace mirrorscope {

enum class Later : u8 {
    VpInitVersion1,      // TDH.VP.INIT has a version 1, which takes the TDR exclusively (1.5.05); KVM calls that one
    AcceptUnderTheLock,  // (late 1.5, as the next two) ACCEPT decides under the entry's lock whether there is a leaf: no PAGE_SIZE_MISMATCH
                         // for a page that just came
    KeepsHostPriority,   // a store of an entry's state keeps a host's priority that was asked for meanwhile
    PromoteLocksTheTree, // PROMOTE takes the tree exclusively, and none of its 512 children
    UnblockNamesRcx,     // the operand of UNBLOCK's TLB_TRACKING_NOT_DONE is RCX (1.5.05), not SEPT_TREE
};
constexpr bool does(const MachineConfig& machine, Later) { return machine.module == ModuleLine::V2_0; }

} // namespace mirrorscope
