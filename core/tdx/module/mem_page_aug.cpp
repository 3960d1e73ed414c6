// SPDX-License-Identifier: GPL-3.0-or-later
// TDH.MEM.PAGE.AUG (tdh_mem_page_aug.c): the page is pending until the guest accepts it.
#include "tdx/module/module.h"

namespace mirrorscope {

u64 tdh_mem_page_aug(LeafCall& c) {
    using Mode = LeafCall::Mode;
    c.takeInputs();
    if (const u64 s = c.enterTd(c.rdxIn(), tdx::RDX, Mode::Shared, kOpInitRun); s != 0)
        return s;
    if (const u64 s = c.takeGpa(0, 1); s != 0)
        return s;
    if (const u64 s = c.walkAndLock(Mode::Shared); s != 0)
        return s;
    if (sept::stateOf(c.walk.entry) != SeptState::Free)
        return c.stateIncorrect();
    if (const u64 s = c.explicitPage(c.r.r8, tdx::R8, PageType::Nda, Mode::Exclusive, c.level); s != 0)
        return s;

    const Pfn page = pfnOf(c.r.r8);
    c.storeEntryAndUnlock(sept::kPendingLeaf | hpa(page));
    c.sim.step(Site::PamtSet);
    c.setPage(page, c.level, PageType::Reg, c.tdr, true);
    c.addChildren(pagesPer(c.level));
    return tdx::kSuccess;
}

} // namespace mirrorscope
