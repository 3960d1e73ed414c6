// SPDX-License-Identifier: GPL-3.0-or-later
// TDH.MNG.KEY.CONFIG (tdh_mng_key_config.c): program the key; the machine has one package.
#include "tdx/module/module.h"

namespace mirrorscope {

u64 tdh_mng_key_config(LeafCall& c) {
    if (const u64 s = c.explicitPage(c.r.rcx, tdx::RCX, PageType::Tdr, LeafCall::Mode::Exclusive); s != 0)
        return s;
    c.tdr = pfnOf(c.r.rcx);
    if (c.tdrWord(tdr::Fatal) != 0)
        return tdx::status(tdx::TD_FATAL);
    if (c.tdrWord(tdr::Lifecycle) != tdr::HkidAssigned)
        return tdx::status(tdx::LIFECYCLE_STATE_INCORRECT);
    if (c.tdrWord(tdr::PkgConfigured) != 0)
        return tdx::status(tdx::KEY_CONFIGURED);
    c.sim.step(Site::PamtSet);
    c.setTdr(tdr::PkgConfigured, 1);
    c.setTdr(tdr::Lifecycle, tdr::KeysConfigured);
    return tdx::kSuccess;
}

} // namespace mirrorscope
