// SPDX-License-Identifier: GPL-3.0-or-later
// TDH.MNG.KEY.FREEID (tdh_mng_key_freeid.c).
#include "tdx/module/module.h"

namespace mirrorscope {

u64 tdh_mng_key_freeid(LeafCall& c) {
    if (const u64 s = c.explicitPage(c.r.rcx, tdx::RCX, PageType::Tdr, LeafCall::Mode::Exclusive); s != 0)
        return s;
    c.tdr = pfnOf(c.r.rcx);
    if (c.tdrWord(tdr::Lifecycle) != tdr::Blocked)
        return tdx::status(tdx::LIFECYCLE_STATE_INCORRECT);
    const Place kot = c.kot(c.tdrWord(tdr::Hkid));
    if (c.machine.get(kot) >> 8 != 0)
        return tdx::status(tdx::WBCACHE_NOT_COMPLETE);
    c.sim.step(Site::PamtSet);
    c.machine.set(kot, 0);
    c.setTdr(tdr::Lifecycle, tdr::Teardown);
    return tdx::kSuccess;
}

u64 tdh_mng_key_reclaimid(LeafCall&) { return tdx::kSuccess; } // a no-op since the module's first release

} // namespace mirrorscope
