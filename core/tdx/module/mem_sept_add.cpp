// SPDX-License-Identifier: GPL-3.0-or-later
// TDH.MEM.SEPT.ADD (tdh_mem_sept_add.c), version 0: no L2 tables.
#include "tdx/module/module.h"

namespace mirrorscope {

u64 tdh_mem_sept_add(LeafCall& c) {
    using Mode = LeafCall::Mode;
    constexpr u64 kAllowExisting = 1;
    const u64 rdx = c.r.rdx;
    if ((rdx & 0xfff & ~kAllowExisting) != 0 || rdx >> 52 != 0)
        return tdx::status(tdx::OPERAND_INVALID, tdx::RDX);
    if (const u64 s = c.enterTd(rdx & ~0xfffull, tdx::RDX, Mode::Shared, kOpInitRun); s != 0)
        return s;
    if (const u64 s = c.takeGpa(1, c.topLevel()); s != 0)
        return s;
    if (const u64 s = c.walkAndLock(Mode::Shared); s != 0)
        return s;
    const SeptState state = sept::stateOf(c.walk.entry);
    if (state != SeptState::Free && state != SeptState::Table)
        return c.stateIncorrect();
    if (c.r.r8 == ~0ull)
        return tdx::status(tdx::OPERAND_INVALID, tdx::R8);
    if (state == SeptState::Table)
        return (rdx & kAllowExisting) != 0 ? tdx::kSuccess : c.stateIncorrect();
    if (const u64 s = c.explicitPage(c.r.r8, tdx::R8, PageType::Nda, Mode::Exclusive); s != 0)
        return s;

    const Pfn page = pfnOf(c.r.r8);
    c.machine.fill(page, sept::kFree);
    c.storeEntry(sept::kTable | hpa(page));
    c.sim.step(Site::PamtSet);
    c.setPage(page, Level::k4K, PageType::Ept, c.tdr, true);
    c.addChildren(1);
    return tdx::kSuccess;
}

} // namespace mirrorscope
