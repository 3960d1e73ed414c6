// SPDX-License-Identifier: GPL-3.0-or-later
// TDH.PHYMEM.PAGE.RDMD, RECLAIM and WBINVD (tdh_phymem_page_*.c): what the host does with frames by their address.
#include "tdx/module/module.h"

namespace mirrorscope {

namespace {
// The PAMT entry that covers the frame of that address, which RCX gave, whatever its size and type.
u64 coveringPage(LeafCall& c, u64 page, LeafCall::Mode mode, Pfn& pfn, Level& size) {
    if ((page & 0xfff) != 0 || page >= kMaxHpa)
        return tdx::status(tdx::OPERAND_INVALID, tdx::RCX);
    pfn = {page >> 12};
    if (pfn.v >= c.frames().count())
        return tdx::status(tdx::OPERAND_ADDR_RANGE_ERROR, tdx::RCX);
    return c.walkPamt(pfn, tdx::RCX, mode, Level::k4K, size);
}
} // namespace

u64 tdh_phymem_page_rdmd(LeafCall& c) {
    Pfn pfn;
    Level size = Level::k4K;
    if (const u64 s = coveringPage(c, c.r.rcx, LeafCall::Mode::Shared, pfn, size); s != 0) {
        c.r.rcx = c.r.rdx = c.r.r8 = c.r.r9 = c.r.r10 = c.r.r11 = 0;
        return s;
    }
    const u64 word = c.machine.getBesideLock(c.pamtOf(pfn, size));
    PageType type = pamt::type(word);
    if (type == PageType::Nda && c.isPamtPage(pfn)) {
        type = PageType::Pamt;
        size = Level::k4K;
    }
    c.r.rcx = static_cast<u8>(type);
    c.r.rdx = type == PageType::Pamt ? 0 : hpa(pamt::owner(word));
    c.r.r8 = number(size) - 1;
    c.r.r9 = type == PageType::Reg || type == PageType::Ept ? c.machine.get(c.pamtOf(pfn, size) + 1) : 0;
    c.r.r10 = c.r.r11 = 0;
    return tdx::kSuccess;
}

u64 tdh_phymem_page_reclaim(LeafCall& c) {
    Pfn pfn;
    Level size = Level::k4K;
    if (const u64 s = coveringPage(c, c.r.rcx, LeafCall::Mode::Exclusive, pfn, size); s != 0) {
        c.r.rcx = c.r.rdx = c.r.r8 = 0;
        return s;
    }
    const u64 hpaPage = c.r.rcx;
    const u64 word = c.machine.getBesideLock(c.pamtOf(pfn, size));
    const PageType type = pamt::type(word);
    c.r.rcx = c.r.rdx = c.r.r8 = 0;
    if (type == PageType::Nda || type == PageType::Rsvd)
        return tdx::status(tdx::PAGE_METADATA_INCORRECT, tdx::RCX);
    c.r.rcx = static_cast<u8>(type);
    c.r.rdx = hpa(pamt::owner(word));
    c.r.r8 = number(size) - 1;
    if ((hpaPage & (bytesPer(size) - 1)) != 0)
        return tdx::status(tdx::OPERAND_INVALID, tdx::RCX);
    c.tdr = type == PageType::Tdr ? pfn : pamt::owner(word);
    if (type != PageType::Tdr)
        if (const u64 s = c.implicitPage(c.tdr, tdx::TDR, LeafCall::Mode::Shared); s != 0)
            return s;
    if (c.tdrWord(tdr::Lifecycle) != tdr::Teardown)
        return tdx::status(tdx::LIFECYCLE_STATE_INCORRECT);
    if (type == PageType::Tdr && c.tdrWord(tdr::ChldCnt) != 0)
        return tdx::status(tdx::TD_ASSOCIATED_PAGES_EXIST);
    c.sim.step(Site::PamtSet);
    if (type != PageType::Tdr)
        c.addChildren(-pagesPer(size));
    c.setPage(pfn, size, PageType::Nda, pamt::owner(word), false);
    return tdx::kSuccess;
}

u64 tdh_phymem_page_wbinvd(LeafCall& c) {
    // The HKID bits of the address, 51:46, are stripped before the page is looked up.
    constexpr u64 kHkidBits = 0x3full << 46;
    // Whatever the size of the free range that it is in: 2M have no entries of 4K while nobody has given pages for them.
    Pfn pfn;
    Level size = Level::k4K;
    if (const u64 s = coveringPage(c, c.r.rcx & ~kHkidBits, LeafCall::Mode::Shared, pfn, size); s != 0)
        return s;
    const bool isFree = pamt::type(c.machine.getBesideLock(c.pamtOf(pfn, size))) == PageType::Nda && !c.isPamtPage(pfn);
    return isFree ? tdx::kSuccess : tdx::status(tdx::PAGE_METADATA_INCORRECT, tdx::RCX);
}

} // namespace mirrorscope
