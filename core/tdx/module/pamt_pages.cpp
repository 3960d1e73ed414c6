// SPDX-License-Identifier: GPL-3.0-or-later
#include "tdx/module/pamt_pages.h"

namespace mirrorscope {

namespace {
// A page of the pair is free, and in no other pair.
u64 takePage(LeafCall& c, Pfn page, Pfn range, u32 op, bool besideRange) {
    if (!besideRange || page.v >> 9 != range.v >> 9) {
        Level found = Level::k4K;
        if (const u64 s = c.walkPamt(page, op, LeafCall::Mode::Shared, Level::k4K, found); s != 0)
            return s;
        if (pamt::type(c.machine.getBesideLock(c.pamtOf(page, found))) != PageType::Nda)
            return tdx::status(tdx::PAGE_NOT_FREE, op);
    }
    if (c.isPamtPage(page))
        return tdx::status(tdx::PAGE_NOT_FREE, op);
    c.setPamtPage(page, range);
    return tdx::kSuccess;
}
} // namespace

u64 checkPamtPages(LeafCall& c, const PamtPages& pages) {
    for (const auto& [page, op] : pages)
        if ((page & 0xfff) != 0 || page >= kMaxHpa)
            return tdx::status(tdx::OPERAND_INVALID, op);
    for (const auto& [page, op] : pages)
        if (pfnOf(page).v >= c.frames().count())
            return tdx::status(tdx::OPERAND_ADDR_RANGE_ERROR, op);
    return tdx::kSuccess;
}

u64 takePamtPages(LeafCall& c, const PamtPages& pages, Pfn range, bool besideRange) {
    const auto& [first, second] = pages;
    if (const u64 s = takePage(c, pfnOf(first.first), range, first.second, besideRange); s != 0)
        return s;
    if (const u64 s = takePage(c, pfnOf(second.first), range, second.second, besideRange); s != 0) {
        c.clearPamtPage(pfnOf(first.first));
        return s;
    }
    return tdx::kSuccess;
}

void setPamtPages(LeafCall& c, const PamtPages& pages, Pfn range) {
    c.setPage(range, Level::k2M, PageType::Pamt, pfnOf(pages[0].first), false);
    c.machine.set(c.pamtOf(range, Level::k2M) + 1, pfnOf(pages[1].first).v);
}

std::array<Pfn, 2> givePamtPages(LeafCall& c, Pfn range) {
    const Place entry = c.pamtOf(range, Level::k2M);
    const std::array<Pfn, 2> pages{pamt::owner(c.machine.getBesideLock(entry)), Pfn{c.machine.get(entry + 1)}};
    for (const Pfn page : pages)
        c.clearPamtPage(page);
    return pages;
}

} // namespace mirrorscope
