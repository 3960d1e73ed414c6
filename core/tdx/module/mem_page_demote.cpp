// SPDX-License-Identifier: GPL-3.0-or-later
// TDH.MEM.PAGE.DEMOTE (tdh_mem_page_demote.c): a large page becomes a table of 512.
#include "tdx/module/pamt_pages.h"

namespace mirrorscope {

u64 tdh_mem_page_demote(LeafCall& c) {
    using Mode = LeafCall::Mode;
    c.takeInputs();
    // Bit 0 of RDX is the L2 mode, which means nothing without L2 VMs.
    if ((c.rdxIn() & 0xffe) != 0 || c.rdxIn() >> 52 != 0)
        return tdx::status(tdx::OPERAND_INVALID, tdx::RDX);
    if (const u64 s = c.enterTd(c.rdxIn() & ~0xfffull, tdx::RDX, Mode::Shared, kOpInitRun); s != 0)
        return s;
    if (const u64 s = c.takeGpa(1, 2); s != 0)
        return s;
    if (const u64 s = c.walkAndLock(Mode::Shared); s != 0)
        return s;
    const SeptState state = sept::stateOf(c.walk.entry);
    if (state != SeptState::Mapped && state != SeptState::Blocked && state != SeptState::Pending && state != SeptState::PendingBlocked)
        return c.stateIncorrect();
    const Pfn page = ept::pfnOf(c.walk.entry & ~(bytesPer(c.level) - 1));
    // Who still has the large translation reaches the same pages by it: NON-BLOCKING-RESIZE needs no CPU to forget it.
    if (!c.nonBlockingResize() || sept::isAnyBlocked(c.walk.entry))
        if (const u64 s = c.checkTracking(c.bepoch(page, c.level)); s != 0)
            return s;
    if (const u64 s = c.explicitPage(c.r.r8, tdx::R8, PageType::Nda, Mode::Exclusive); s != 0)
        return s;
    if (const u64 s = c.implicitPage(page, tdx::RCX, Mode::Exclusive, c.level); s != 0)
        return s;

    // What a page of 2M does not need, its 512 do: their PAMT entries.
    const PamtPages pages{{{c.r.r12, tdx::R12}, {c.r.r13, tdx::R13}}};
    const bool takesPair = c.dynamicPamt() && c.level == Level::k2M;
    if (takesPair) {
        if (const u64 s = checkPamtPages(c, pages); s != 0)
            return s;
        if (const u64 s = takePamtPages(c, pages, page, false); s != 0)
            return s;
    }

    const Pfn table = pfnOf(c.r.r8);
    const Level child = below(c.level);
    const bool pending = state == SeptState::Pending || state == SeptState::PendingBlocked;
    c.sim.step(Site::PamtSet);
    for (unsigned i = 0; i < 512; ++i)
        c.machine.set(wordOf(table, i), (pending ? sept::kPendingLeaf : sept::kMapped) | hpa({page.v + i * pagesPer(child)}));
    if (takesPair)
        setPamtPages(c, pages, page);
    else
        c.setPage(page, c.level, PageType::Nda, c.tdr, false);
    for (unsigned i = 0; i < 512; ++i)
        c.setPage({page.v + i * pagesPer(child)}, child, PageType::Reg, c.tdr, true);
    c.setPage(table, Level::k4K, PageType::Ept, c.tdr, false);
    c.addChildren(1);
    c.storeEntry(sept::kTable | hpa(table));
    return tdx::kSuccess;
}

} // namespace mirrorscope
