// SPDX-License-Identifier: GPL-3.0-or-later
// TDH.PHYMEM.CACHE.WB (tdh_phymem_cache_wb.c): one package, never interrupted.
#include "tdx/module/module.h"

namespace mirrorscope {

u64 tdh_phymem_cache_wb(LeafCall& c) {
    if (c.r.rcx > 1)
        return tdx::status(tdx::OPERAND_INVALID, tdx::RCX);
    if (c.r.rcx == 1)
        return tdx::status(tdx::WBCACHE_RESUME_ERROR);
    bool any = false;
    for (u64 hkid = 0; hkid < TdxModule::kHkids; ++hkid)
        any |= (c.machine.get(c.kot(hkid)) & 0xff) == 2;
    if (!any)
        return tdx::status(tdx::NO_HKID_READY_TO_WBCACHE);
    c.sim.step(Site::PamtSet);
    for (u64 hkid = 0; hkid < TdxModule::kHkids; ++hkid)
        if ((c.machine.get(c.kot(hkid)) & 0xff) == 2)
            c.machine.set(c.kot(hkid), 2);
    return tdx::kSuccess;
}

} // namespace mirrorscope
