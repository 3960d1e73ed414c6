// SPDX-License-Identifier: GPL-3.0-or-later
// TDH.MR.FINALIZE (tdh_mr_finalize.c).
#include "tdx/module/module.h"

#include <cstring>

namespace mirrorscope {

u64 tdh_mr_finalize(LeafCall& c) {
    if (const u64 s = c.enterTd(c.r.rcx, tdx::RCX, LeafCall::Mode::Exclusive, kOpInit); s != 0)
        return s;
    if (c.tdcsWord(tdcs::NumVcpus) == 0)
        return tdx::status(tdx::NO_VCPUS);
    c.sim.step(Site::PamtSet);
    const auto digest = c.m.mrtd(c.tdr);
    for (unsigned i = 0; i < 6; ++i) {
        u64 word;
        std::memcpy(&word, digest.data() + i * 8, sizeof word);
        c.setTdcs(tdcs::Mrtd0 + i, word);
    }
    c.setTdcs(tdcs::OpState, tdcs::Runnable);
    return tdx::kSuccess;
}

} // namespace mirrorscope
