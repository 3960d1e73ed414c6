// SPDX-License-Identifier: GPL-3.0-or-later
// TDH.MEM.RANGE.UNBLOCK (tdh_mem_range_unblock.c). The operand of TLB_TRACKING_NOT_DONE is SEPT_TREE in 1.5.01.
#include "tdx/module/module.h"

namespace mirrorscope {

u64 tdh_mem_range_unblock(LeafCall& c) {
    using Mode = LeafCall::Mode;
    c.takeInputs();
    if (const u64 s = c.enterTd(c.rdxIn(), tdx::RDX, Mode::Shared, kOpInitRun); s != 0)
        return s;
    if (const u64 s = c.takeGpa(0, c.topLevel()); s != 0)
        return s;
    if (const u64 s = c.walkAndLock(Mode::Exclusive); s != 0)
        return s;
    const u64 entry = c.walk.entry & ~sept::kLock;
    if (!sept::isAnyBlocked(entry))
        return c.stateIncorrect();
    const Level size = sept::isLeaf(entry) ? c.level : Level::k4K;
    if (c.trackedState() && !c.tracked(c.bepoch(ept::pfnOf(entry), size)))
        return tdx::status(tdx::TLB_TRACKING_NOT_DONE, c.does(Later::UnblockNamesRcx) ? tdx::RCX : tdx::SEPT_TREE);
    const bool pending = sept::stateOf(entry) == SeptState::PendingBlocked;
    c.storeEntryAndUnlock((entry & ~sept::kBlocked) | (pending ? 0 : ept::kRwx));
    return tdx::kSuccess;
}

} // namespace mirrorscope
