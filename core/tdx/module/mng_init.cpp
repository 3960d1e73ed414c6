// SPDX-License-Identifier: GPL-3.0-or-later
// TDH.MNG.INIT (tdh_mng_init.c). TD_PARAMS is a shared page: word 0 ATTRIBUTES, word 1 EPT walk length, word 2 GPAW,
// word 3 MAX_VCPUS (a layout of our own; the module's structure has many more fields).
#include "tdx/module/module.h"

namespace mirrorscope {

u64 tdh_mng_init(LeafCall& c) {
    constexpr u64 kSeptVeDisable = 1ull << 28;
    constexpr u32 kAttributes = 64, kEptpControls = 67, kMaxVcpus = 68;
    if (const u64 s = c.enterTd(c.r.rcx, tdx::RCX, LeafCall::Mode::Exclusive, kOpUninit); s != 0)
        return s;
    if ((c.r.rdx & 1023) != 0 || pfnOf(c.r.rdx).v >= c.frames().count())
        return tdx::status(tdx::OPERAND_INVALID, tdx::RDX);
    const auto param = [&](unsigned i) { return c.machine.get(wordOf(pfnOf(c.r.rdx), static_cast<unsigned>(c.r.rdx >> 3 & 511) + i)); };
    if ((param(0) & ~kSeptVeDisable) != 0)
        return tdx::status(tdx::OPERAND_INVALID, kAttributes);
    if (param(3) == 0)
        return tdx::status(tdx::OPERAND_INVALID, kMaxVcpus);
    if (param(1) < 4 || param(1) > 5 || (param(2) != 0 && param(1) != 5))
        return tdx::status(tdx::OPERAND_INVALID, kEptpControls);
    c.sim.step(Site::PamtSet);
    c.setTdcs(tdcs::Attributes, param(0));
    c.setTdcs(tdcs::EptLevels, param(1));
    c.setTdcs(tdcs::Gpaw, param(2));
    c.setTdcs(tdcs::MaxVcpus, param(3));
    c.setTdcs(tdcs::PendingVeDisable, (param(0) & kSeptVeDisable) != 0);
    c.setTdcs(tdcs::TdEpoch, 1);
    c.setTdcs(tdcs::MrHash, 0xcbf29ce484222325ull);
    c.setTdcs(tdcs::OpState, tdcs::Initialized);
    return tdx::kSuccess;
}

} // namespace mirrorscope
