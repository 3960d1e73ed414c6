// SPDX-License-Identifier: GPL-3.0-or-later
// TDH.MEM.SEPT.RD (tdh_mem_sept_rd.c).
#include "tdx/module/module.h"

namespace mirrorscope {

u64 tdh_mem_sept_rd(LeafCall& c) {
    c.takeInputs();
    if (const u64 s = c.enterTd(c.rdxIn(), tdx::RDX, LeafCall::Mode::Shared, kOpInitRun); s != 0)
        return s;
    if (const u64 s = c.takeGpa(0, c.topLevel()); s != 0)
        return s;
    if (const u64 s = c.walkAndLock(LeafCall::Mode::Shared); s != 0)
        return s;
    c.extended(c.walk.entry, c.walk.level);
    c.r.r8 = 0;
    return tdx::kSuccess;
}

} // namespace mirrorscope
