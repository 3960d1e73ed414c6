// SPDX-License-Identifier: GPL-3.0-or-later
// TDH.MNG.ADDCX (tdh_mng_addcx.c): a control page of the TD; the fourth is the root of its secure EPT.
#include "tdx/module/module.h"

namespace mirrorscope {

u64 tdh_mng_addcx(LeafCall& c) {
    constexpr u64 kMaxPages = 9;
    if (const u64 s = c.explicitPage(c.r.rdx, tdx::RDX, PageType::Tdr, LeafCall::Mode::Exclusive); s != 0)
        return s;
    c.tdr = pfnOf(c.r.rdx);
    if (c.tdrWord(tdr::Fatal) != 0)
        return tdx::status(tdx::TD_FATAL);
    if (c.tdrWord(tdr::Lifecycle) != tdr::KeysConfigured)
        return tdx::status(tdx::TD_KEYS_NOT_CONFIGURED);
    const u64 have = c.tdrWord(tdr::NumTdcx);
    if (have >= kMaxPages)
        return tdx::status(tdx::TDCX_NUM_INCORRECT);
    if (const u64 s = c.explicitPage(c.r.rcx, tdx::RCX, PageType::Nda, LeafCall::Mode::Exclusive); s != 0)
        return s;
    if (have >= tdcs::kPages && c.tdcsWord(tdcs::OpState) != tdcs::Uninitialized)
        return tdx::status(tdx::OP_STATE_INCORRECT);
    const Pfn page = pfnOf(c.r.rcx);
    c.sim.step(Site::PamtSet);
    c.machine.fill(page, have == 2 ? ~0ull : have == tdcs::kRootPage ? sept::kFree : 0);
    c.setTdr(tdr::Tdcx0 + static_cast<unsigned>(have), page.v);
    c.setTdr(tdr::NumTdcx, have + 1);
    c.addChildren(1);
    c.setPage(page, Level::k4K, PageType::Tdcx, c.tdr, true);
    return tdx::kSuccess;
}

} // namespace mirrorscope
