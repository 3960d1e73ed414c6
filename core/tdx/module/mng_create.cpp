// SPDX-License-Identifier: GPL-3.0-or-later
// TDH.MNG.CREATE (tdh_mng_create.c): a free page becomes the TDR of a new TD.
#include "tdx/module/module.h"

namespace mirrorscope {

u64 tdh_mng_create(LeafCall& c) {
    const u64 hkid = c.r.rdx;
    if (hkid == 0 || hkid >= TdxModule::kHkids)
        return tdx::status(tdx::OPERAND_INVALID, tdx::RDX);
    if (const u64 s = c.explicitPage(c.r.rcx, tdx::RCX, PageType::Nda, LeafCall::Mode::Exclusive); s != 0)
        return s;
    if (c.machine.get(c.kot(hkid)) != 0)
        return tdx::status(tdx::HKID_NOT_FREE);
    c.tdr = pfnOf(c.r.rcx);
    c.sim.step(Site::PamtSet);
    c.machine.fill(c.tdr, 0);
    c.machine.set(c.kot(hkid), 1);
    c.setTdr(tdr::Lifecycle, tdr::HkidAssigned);
    c.setTdr(tdr::Hkid, hkid);
    c.setPage(c.tdr, Level::k4K, PageType::Tdr, {0}, true);
    return tdx::kSuccess;
}

} // namespace mirrorscope
