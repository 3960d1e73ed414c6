// SPDX-License-Identifier: GPL-3.0-or-later
// TDH.VP.ENTER (tdh_vp_enter.c, td_transitions): up to the moment in which the guest runs. On success the vCPU holds
// TDR and TDVPR shared until its exit. R10 tells the caller (the CPU, not the host) that translations were flushed.
// The zero-step filter is not modelled.
#include "tdx/module/module.h"

namespace mirrorscope {

u64 tdh_vp_enter(LeafCall& c) {
    c.r.r10 = 0;
    // Bit 52 is the host's hint, bit 53 resumes an L1: both are looked at last.
    constexpr u64 kHint = 1ull << 52, kResumeL1 = 1ull << 53;
    const u64 rcx = c.r.rcx & ~(kHint | kResumeL1);
    if ((rcx & 0xfff) != 0 || rcx >> 52 != 0)
        return tdx::status(tdx::OPERAND_INVALID, tdx::RCX);
    if (const u64 s = c.explicitPage(rcx, tdx::RCX, PageType::Tdvpr, LeafCall::Mode::Shared); s != 0)
        return s;
    const Pfn tdvpr = pfnOf(rcx);
    if (const u64 s = c.enterTdImplicit(pamt::owner(c.machine.getBesideLock(c.m.pamt4k(tdvpr))), kOpRun); s != 0)
        return s;
    const auto vp = [&](unsigned word) { return wordOf(tdvpr, word); };
    if (c.machine.get(vp(tdvps::NumPages)) < tdvps::kPages)
        return tdx::status(tdx::TDCX_NUM_INCORRECT);
    if (c.machine.get(vp(tdvps::State)) != tdvps::Ready)
        return tdx::status(tdx::VCPU_STATE_INCORRECT);
    const u64 lp = u64{c.sim.actor()} + 1;
    const u64 associated = c.machine.get(vp(tdvps::AssocLp));
    if (associated != 0 && associated != lp)
        return tdx::status(tdx::VCPU_ASSOCIATED);
    if (associated == 0) {
        c.machine.set(vp(tdvps::AssocLp), lp);
        c.setTdcs(tdcs::NumAssocVcpus, c.tdcsWord(tdcs::NumAssocVcpus) + 1);
    }

    if (rcx != c.r.rcx) // no trap exit came before, and there are no L2 VMs
        return tdx::status(tdx::OPERAND_INVALID, tdx::RCX);

    // The epoch is sampled and counted under its lock, so that TRACK can lose no vCPU.
    c.sim.step(Site::EpochSample);
    const Place epochLock = wordOf(c.m.tdcs(c.tdr), tdcs::EpochLock);
    if (!c.lock(epochLock, LeafCall::Mode::Shared))
        return tdx::status(tdx::OPERAND_BUSY, tdx::TD_EPOCH);
    const u64 epoch = c.tdcsWord(tdcs::TdEpoch);
    const unsigned counter = tdcs::RefCount0 + static_cast<unsigned>(epoch & 1);
    c.machine.add(wordOf(c.m.tdcs(c.tdr), counter), 1);
    const bool flush = c.machine.get(vp(tdvps::VcpuEpoch)) != epoch;
    c.machine.set(vp(tdvps::VcpuEpoch), epoch);
    c.r.r10 = flush;

    // What the running vCPU goes on holding: TDR, TDVPR and the TDVPR's PAMT parents, all shared. They are taken once
    // more here because the caller releases what the leaf locked.
    for (const Place place : {c.m.pamt4k(c.tdr), c.m.pamt4k(tdvpr), c.m.pamt2m(tdvpr), c.m.pamt1g(tdvpr)})
        c.machine.setLock(place, c.machine.look(place) + 4, true);
    c.machine.set(vp(tdvps::State), tdvps::Active);
    return tdx::kSuccess;
}

} // namespace mirrorscope
