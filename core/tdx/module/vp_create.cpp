// SPDX-License-Identifier: GPL-3.0-or-later
// TDH.VP.CREATE (tdh_vp_create.c): a free page becomes the TDVPR of a new vCPU.
#include "tdx/module/module.h"

namespace mirrorscope {

u64 tdh_vp_create(LeafCall& c) {
    if (const u64 s = c.enterTd(c.r.rdx, tdx::RDX, LeafCall::Mode::Shared, kOpInit); s != 0)
        return s;
    if (const u64 s = c.explicitPage(c.r.rcx, tdx::RCX, PageType::Nda, LeafCall::Mode::Exclusive); s != 0)
        return s;
    const Pfn page = pfnOf(c.r.rcx);
    c.sim.step(Site::PamtSet);
    c.machine.fill(page, 0);
    c.machine.set(wordOf(page, tdvps::NumPages), 1);
    c.addChildren(1);
    c.setPage(page, Level::k4K, PageType::Tdvpr, c.tdr, true);
    return tdx::kSuccess;
}

} // namespace mirrorscope
