// SPDX-License-Identifier: GPL-3.0-or-later
// TDH.MR.EXTEND (tdh_mr_extend.c): 256 bytes of content go into the MRTD stream.
#include "tdx/module/module.h"

#include <cstring>

namespace mirrorscope {

u64 tdh_mr_extend(LeafCall& c) {
    c.takeInputs();
    constexpr u64 kChunk = 256;
    if (const u64 s = c.enterTd(c.rdxIn(), tdx::RDX, LeafCall::Mode::Exclusive, kOpInit); s != 0)
        return s;
    const u64 gpa = c.rcxIn();
    if ((gpa & (kChunk - 1)) != 0)
        return tdx::status(tdx::OPERAND_INVALID, tdx::RCX);
    if (const u64 s = c.checkPrivateGpa(gpa, tdx::RCX); s != 0)
        return s;
    c.sim.step(Site::SeptRead);
    c.gpa = gpa & ~0xfffull;
    c.level = Level::k4K;
    if (c.walkOnly() != 0 && !sept::isLeaf(c.walk.entry))
        return c.fail(tdx::EPT_ENTRY_NOT_PRESENT);
    c.r.rcx = c.r.rdx = 0;
    if ((c.walk.entry & ept::kRwx) == 0)
        return c.fail(tdx::EPT_ENTRY_NOT_PRESENT);
    if (sept::stateOf(c.walk.entry) != SeptState::Mapped)
        return tdx::status(tdx::EPT_ENTRY_NOT_PRESENT);
    char block[128 + kChunk] = "MR.EXTEND";
    std::memcpy(block + 16, &gpa, sizeof gpa);
    const u64 page = ept::pfnOf(c.walk.entry).v + (gpa >> 12 & (pagesPer(c.walk.level) - 1));
    for (unsigned i = 0; i < kChunk / 8; ++i) {
        const u64 word = c.machine.get(wordOf({page}, static_cast<unsigned>(gpa >> 3 & 511) + i));
        std::memcpy(block + 128 + i * 8, &word, sizeof word);
    }
    c.sim.step(Site::PamtSet);
    c.measure({block, sizeof block});
    return tdx::kSuccess;
}

} // namespace mirrorscope
