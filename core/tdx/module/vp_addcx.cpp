// SPDX-License-Identifier: GPL-3.0-or-later
// TDH.VP.ADDCX (tdh_vp_addcx.c).
#include "tdx/module/module.h"

namespace mirrorscope {

u64 tdh_vp_addcx(LeafCall& c) {
    constexpr u64 kMaxPages = 15;
    if (const u64 s = c.explicitPage(c.r.rdx, tdx::RDX, PageType::Tdvpr, LeafCall::Mode::Exclusive); s != 0)
        return s;
    const Pfn tdvpr = pfnOf(c.r.rdx);
    if (const u64 s = c.enterTdImplicit(pamt::owner(c.machine.getBesideLock(c.m.pamt4k(tdvpr))), kOpInit); s != 0)
        return s;
    if (c.machine.get(wordOf(tdvpr, tdvps::State)) != tdvps::Uninitialized)
        return tdx::status(tdx::VCPU_STATE_INCORRECT);
    const u64 have = c.machine.get(wordOf(tdvpr, tdvps::NumPages));
    if (have >= kMaxPages)
        return tdx::status(tdx::TDCX_NUM_INCORRECT);
    if (const u64 s = c.explicitPage(c.r.rcx, tdx::RCX, PageType::Nda, LeafCall::Mode::Exclusive); s != 0)
        return s;
    const Pfn page = pfnOf(c.r.rcx);
    c.sim.step(Site::PamtSet);
    c.machine.fill(page, 0);
    c.machine.set(wordOf(tdvpr, tdvps::Pages0 + static_cast<unsigned>(have)), page.v);
    c.machine.set(wordOf(tdvpr, tdvps::NumPages), have + 1);
    c.addChildren(1);
    c.setPage(page, Level::k4K, PageType::Tdcx, c.tdr, true);
    return tdx::kSuccess;
}

} // namespace mirrorscope
