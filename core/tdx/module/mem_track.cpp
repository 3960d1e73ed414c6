// SPDX-License-Identifier: GPL-3.0-or-later
// TDH.MEM.TRACK (tdh_mem_track.c): TD_EPOCH rises, if nobody is left inside who entered before the last TRACK.
#include "tdx/module/module.h"

namespace mirrorscope {

u64 tdh_mem_track(LeafCall& c) {
    if (const u64 s = c.enterTd(c.r.rcx, tdx::RCX, LeafCall::Mode::Shared, kOpInitRun); s != 0)
        return s;
    c.sim.step(Site::EpochAdvance);
    if (!c.lock(wordOf(c.m.tdcs(c.tdr), tdcs::EpochLock), LeafCall::Mode::Exclusive))
        return tdx::status(tdx::OPERAND_BUSY, tdx::TD_EPOCH);
    const u64 epoch = c.tdcsWord(tdcs::TdEpoch);
    if (c.tdcsWord(tdcs::RefCount0 + static_cast<unsigned>(~epoch & 1)) != 0)
        return tdx::status(tdx::PREVIOUS_TLB_EPOCH_BUSY);
    c.setTdcs(tdcs::TdEpoch, epoch + 1);
    return tdx::kSuccess;
}

} // namespace mirrorscope
