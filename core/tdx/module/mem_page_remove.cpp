// SPDX-License-Identifier: GPL-3.0-or-later
// TDH.MEM.PAGE.REMOVE (tdh_mem_page_remove.c).
#include "tdx/module/module.h"

namespace mirrorscope {

u64 tdh_mem_page_remove(LeafCall& c) {
    using Mode = LeafCall::Mode;
    c.takeInputs();
    if (const u64 s = c.enterTd(c.rdxIn(), tdx::RDX, Mode::Shared, kOpInitRun); s != 0)
        return s;
    if (const u64 s = c.takeGpa(0, 2); s != 0)
        return s;
    if (const u64 s = c.walkAndLock(Mode::Shared); s != 0)
        return s;
    const SeptState state = sept::stateOf(c.walk.entry);
    if (state != SeptState::Mapped && state != SeptState::Blocked && state != SeptState::Pending && state != SeptState::PendingBlocked)
        return c.stateIncorrect();
    const Pfn page = ept::pfnOf(c.walk.entry & ~(bytesPer(c.level) - 1));
    if (const u64 s = c.implicitPage(page, tdx::RCX, Mode::Exclusive, c.level); s != 0)
        return s;
    if (const u64 s = c.checkTracking(c.bepoch(page, c.level)); s != 0)
        return s;

    c.storeEntryAndUnlock(sept::kFree);
    c.sim.step(Site::PamtSet);
    c.addChildren(-pagesPer(c.level));
    c.setPage(page, c.level, PageType::Nda, c.tdr, false);
    c.r.rcx = hpa(page);
    return tdx::kSuccess;
}

} // namespace mirrorscope
