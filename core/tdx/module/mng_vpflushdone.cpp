// SPDX-License-Identifier: GPL-3.0-or-later
// TDH.MNG.VPFLUSHDONE (tdh_mng_vpflushdone.c).
#include "tdx/module/module.h"

namespace mirrorscope {

u64 tdh_mng_vpflushdone(LeafCall& c) {
    if (const u64 s = c.explicitPage(c.r.rcx, tdx::RCX, PageType::Tdr, LeafCall::Mode::Exclusive); s != 0)
        return s;
    c.tdr = pfnOf(c.r.rcx);
    const u64 lifecycle = c.tdrWord(tdr::Lifecycle);
    if (lifecycle != tdr::HkidAssigned && lifecycle != tdr::KeysConfigured)
        return tdx::status(tdx::LIFECYCLE_STATE_INCORRECT);
    if (c.tdrWord(tdr::NumTdcx) >= tdcs::kPages && c.tdcsWord(tdcs::OpState) != tdcs::Uninitialized && c.tdcsWord(tdcs::NumAssocVcpus) != 0)
        return tdx::status(tdx::FLUSHVP_NOT_DONE);
    c.sim.step(Site::PamtSet);
    c.setTdr(tdr::Lifecycle, tdr::Blocked);
    c.machine.set(c.kot(c.tdrWord(tdr::Hkid)), 2 | 1 << 8); // FLUSHED, this package's cache not yet written back
    return tdx::kSuccess;
}

} // namespace mirrorscope
