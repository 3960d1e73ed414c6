// SPDX-License-Identifier: GPL-3.0-or-later
// TDH.VP.FLUSH (tdh_vp_flush.c).
#include "tdx/module/module.h"

namespace mirrorscope {

u64 tdh_vp_flush(LeafCall& c) {
    if (const u64 s = c.explicitPage(c.r.rcx, tdx::RCX, PageType::Tdvpr, LeafCall::Mode::Exclusive); s != 0)
        return s;
    const Pfn tdvpr = pfnOf(c.r.rcx);
    c.tdr = pamt::owner(c.machine.getBesideLock(c.m.pamt4k(tdvpr)));
    if (const u64 s = c.implicitPage(c.tdr, tdx::TDR, LeafCall::Mode::Shared); s != 0)
        return s;
    if (c.tdrWord(tdr::Lifecycle) != tdr::KeysConfigured)
        return tdx::status(tdx::TD_KEYS_NOT_CONFIGURED);
    if (c.machine.get(wordOf(tdvpr, tdvps::NumPages)) < tdvps::kPages)
        return tdx::status(tdx::TDCX_NUM_INCORRECT);
    if (c.machine.get(wordOf(tdvpr, tdvps::AssocLp)) != u64{c.sim.actor()} + 1)
        return tdx::status(tdx::VCPU_NOT_ASSOCIATED);
    c.sim.step(Site::PamtSet);
    c.machine.set(wordOf(tdvpr, tdvps::AssocLp), 0);
    c.setTdcs(tdcs::NumAssocVcpus, c.tdcsWord(tdcs::NumAssocVcpus) - 1);
    return tdx::kSuccess;
}

} // namespace mirrorscope
