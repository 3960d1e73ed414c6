// SPDX-License-Identifier: GPL-3.0-or-later
// TDH.MEM.SEPT.ADD (tdh_mem_sept_add.c). Version 1 also takes tables for L2 VMs in R9 to R11, of which there are none here.
#include "tdx/module/module.h"

namespace mirrorscope {

u64 tdh_mem_sept_add(LeafCall& c) {
    using Mode = LeafCall::Mode;
    constexpr u64 kAllowExisting = 1, kNone = ~0ull, kUnused = 1ull << 63;
    c.takeInputs();
    if (const u64 s = c.checkVersion(); s != 0)
        return s;
    const u64 rdx = c.rdxIn();
    // Bit 63 is an output of version 1, "the page was not used", and ignored on the way in.
    const u64 newPage = c.r.r8 == kNone ? kNone : c.r.r8 & ~kUnused;
    if ((rdx & 0xffe) != 0 || rdx >> 52 != 0)
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
    bool add = false;
    if (newPage == kNone) {
        if (c.r.version == 0)
            return tdx::status(tdx::OPERAND_INVALID, tdx::R8);
        if (state != SeptState::Table)
            return c.stateIncorrect();
    } else if (state == SeptState::Table) {
        if ((rdx & kAllowExisting) == 0)
            return c.stateIncorrect();
    } else {
        if (const u64 s = c.explicitPage(newPage, tdx::R8, PageType::Nda, Mode::Exclusive); s != 0)
            return s;
        add = true;
    }
    if (c.r.version > 0) {
        u32 operand = tdx::R9;
        for (const u64 l2 : {c.r.r9, c.r.r10, c.r.r11}) {
            if (l2 != kNone) // no such L2 VM
                return tdx::status(tdx::OPERAND_INVALID, operand);
            ++operand;
        }
        c.r.r8 = add ? kNone : newPage | kUnused;
    }
    if (!add)
        return tdx::kSuccess;

    const Pfn page = pfnOf(newPage);
    c.machine.fill(page, sept::kFree);
    c.storeEntry(sept::kTable | hpa(page));
    c.sim.step(Site::PamtSet);
    c.setPage(page, Level::k4K, PageType::Ept, c.tdr, true);
    c.addChildren(1);
    return tdx::kSuccess;
}

} // namespace mirrorscope
