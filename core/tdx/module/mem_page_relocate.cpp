// SPDX-License-Identifier: GPL-3.0-or-later
// TDH.MEM.PAGE.RELOCATE (tdh_mem_page_relocate.c): the entry ends unblocked, at another frame.
#include "tdx/module/module.h"

namespace mirrorscope {

u64 tdh_mem_page_relocate(LeafCall& c) {
    using Mode = LeafCall::Mode;
    c.takeInputs();
    if (const u64 s = c.enterTd(c.rdxIn(), tdx::RDX, Mode::Shared, kOpInitRun); s != 0)
        return s;
    if (const u64 s = c.takeGpa(0, 0); s != 0)
        return s;
    if (const u64 s = c.walkAndLock(Mode::Shared); s != 0)
        return s;
    const SeptState state = sept::stateOf(c.walk.entry);
    if (state == SeptState::Free || !sept::isLeaf(c.walk.entry))
        return c.stateIncorrect();
    const Pfn old = ept::pfnOf(c.walk.entry);
    if (c.r.r8 == hpa(old))
        return tdx::status(tdx::OPERAND_INVALID, tdx::R8);
    if (const u64 s = c.implicitPage(old, tdx::RCX, Mode::Exclusive); s != 0)
        return s;
    if (const u64 s = c.checkTracking(c.bepoch(old, Level::k4K)); s != 0)
        return s;
    if (const u64 s = c.explicitPage(c.r.r8, tdx::R8, PageType::Nda, Mode::Exclusive); s != 0)
        return s;

    const Pfn page = pfnOf(c.r.r8);
    const bool pending = state == SeptState::Pending || state == SeptState::PendingBlocked;
    if (!pending)
        for (unsigned i = 0; i < 512; ++i)
            c.machine.set(wordOf(page, i), c.machine.get(wordOf(old, i)));
    c.storeEntry((pending ? sept::kPendingLeaf : sept::kMapped) | hpa(page));
    c.sim.step(Site::PamtSet);
    c.setPage(old, Level::k4K, PageType::Nda, c.tdr, false);
    c.setPage(page, Level::k4K, PageType::Reg, c.tdr, true);
    c.r.rcx = hpa(old);
    return tdx::kSuccess;
}

} // namespace mirrorscope
