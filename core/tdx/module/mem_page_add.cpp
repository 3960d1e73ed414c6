// SPDX-License-Identifier: GPL-3.0-or-later
// TDH.MEM.PAGE.ADD (tdh_mem_page_add.c): only before MR.FINALIZE; TDR is exclusive, so nothing else is locked.
#include "tdx/module/module.h"

#include <cstring>

namespace mirrorscope {

u64 tdh_mem_page_add(LeafCall& c) {
    using Mode = LeafCall::Mode;
    c.takeInputs();
    if (const u64 s = c.enterTd(c.rdxIn(), tdx::RDX, Mode::Exclusive, kOpInit); s != 0)
        return s;
    if (const u64 s = c.takeGpa(0, 0); s != 0)
        return s;
    c.sim.step(Site::SeptRead);
    if (const u64 s = c.walkOnly(); s != 0)
        return s;
    if (sept::stateOf(c.walk.entry) != SeptState::Free)
        return c.stateIncorrect();
    if ((c.r.r9 & 0xfff) != 0 || c.r.r9 >> 12 >= c.frames().count())
        return tdx::status(tdx::OPERAND_INVALID, tdx::R9);
    if (const u64 s = c.explicitPage(c.r.r8, tdx::R8, PageType::Nda, Mode::Exclusive); s != 0)
        return s;

    const Pfn page = pfnOf(c.r.r8);
    const Pfn source = pfnOf(c.r.r9);
    for (unsigned i = 0; i < 512; ++i)
        c.machine.set(wordOf(page, i), c.machine.get(wordOf(source, i)));
    c.storeEntry(sept::kMapped | hpa(page));
    c.sim.step(Site::PamtSet);
    c.setPage(page, Level::k4K, PageType::Reg, c.tdr, true);
    c.addChildren(1);
    char block[128] = "MEM.PAGE.ADD";
    std::memcpy(block + 16, &c.gpa, sizeof c.gpa);
    c.measure({block, sizeof block});
    return tdx::kSuccess;
}

} // namespace mirrorscope
