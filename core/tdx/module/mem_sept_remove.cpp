// SPDX-License-Identifier: GPL-3.0-or-later
// TDH.MEM.SEPT.REMOVE (tdh_mem_sept_remove.c).
#include "tdx/module/module.h"

namespace mirrorscope {

u64 tdh_mem_sept_remove(LeafCall& c) {
    using Mode = LeafCall::Mode;
    c.takeInputs();
    if (const u64 s = c.checkVersion(); s != 0)
        return s;
    if (const u64 s = c.enterTd(c.rdxIn(), tdx::RDX, Mode::Shared, kOpInitRun); s != 0)
        return s;
    if (const u64 s = c.takeGpa(1, c.topLevel()); s != 0)
        return s;
    if (const u64 s = c.walkAndLock(Mode::Exclusive); s != 0)
        return s;
    const SeptState state = sept::stateOf(c.walk.entry);
    if (!sept::isTable(state))
        return c.stateIncorrect();
    const Pfn table = ept::pfnOf(c.walk.entry);
    if (const u64 s = c.implicitPage(table, tdx::RCX, Mode::Exclusive); s != 0)
        return s;
    if (const u64 s = c.checkTracking(c.bepoch(table, Level::k4K)); s != 0)
        return s;
    for (unsigned i = 0; i < 512; ++i)
        if (sept::stateOf(c.machine.get(wordOf(table, i))) != SeptState::Free)
            return c.fail(tdx::EPT_PAGE_NOT_FREE);

    c.storeEntryAndUnlock(sept::kFree);
    c.sim.step(Site::PamtSet);
    c.addChildren(~0ull);
    c.setPage(table, Level::k4K, PageType::Nda, c.tdr, false);
    c.r.rcx = hpa(table);
    return tdx::kSuccess;
}

} // namespace mirrorscope
