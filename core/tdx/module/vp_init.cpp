// SPDX-License-Identifier: GPL-3.0-or-later
// TDH.VP.INIT (tdh_vp_init.c).
#include "tdx/module/module.h"

namespace mirrorscope {

u64 tdh_vp_init(LeafCall& c) {
    if (const u64 s = c.checkVersion(); s != 0)
        return s;
    if (const u64 s = c.explicitPage(c.r.rcx, tdx::RCX, PageType::Tdvpr, LeafCall::Mode::Exclusive); s != 0)
        return s;
    const Pfn tdvpr = pfnOf(c.r.rcx);
    const auto mode = c.r.version > 0 ? LeafCall::Mode::Exclusive : LeafCall::Mode::Shared;
    if (const u64 s = c.enterTdImplicit(pamt::owner(c.machine.getBesideLock(c.m.pamt4k(tdvpr))), kOpInit, mode); s != 0)
        return s;
    if (c.machine.get(wordOf(tdvpr, tdvps::NumPages)) < tdvps::kPages)
        return tdx::status(tdx::TDCX_NUM_INCORRECT);
    if (c.machine.get(wordOf(tdvpr, tdvps::State)) != tdvps::Uninitialized)
        return tdx::status(tdx::VCPU_STATE_INCORRECT);
    const u64 vcpus = c.tdcsWord(tdcs::NumVcpus);
    if (vcpus >= c.tdcsWord(tdcs::MaxVcpus))
        return tdx::status(tdx::MAX_VCPUS_EXCEEDED);
    c.sim.step(Site::PamtSet);
    c.machine.set(wordOf(tdvpr, tdvps::State), tdvps::Ready);
    c.machine.set(wordOf(tdvpr, tdvps::Index), vcpus);
    c.machine.set(wordOf(tdvpr, tdvps::AssocLp), u64{c.sim.actor()} + 1);
    c.setTdcs(tdcs::NumVcpus, vcpus + 1);
    c.setTdcs(tdcs::NumAssocVcpus, c.tdcsWord(tdcs::NumAssocVcpus) + 1);
    return tdx::kSuccess;
}

} // namespace mirrorscope
