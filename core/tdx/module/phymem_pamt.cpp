// SPDX-License-Identifier: GPL-3.0-or-later
// TDH.PHYMEM.PAMT.ADD and REMOVE (tdh_phymem_pamt_add.c, tdh_phymem_pamt_remove.c of a module with dynamic PAMT): the two pages that hold
// the 4K PAMT entries of 2M of memory.
#include "tdx/module/pamt_pages.h"

namespace mirrorscope {

namespace {
using Mode = LeafCall::Mode;

// RCX: the HPA of 2M of memory, with the module's level 1.
u64 takeRange(const LeafCall& c, Pfn& range) {
    if (!c.dynamicPamt())
        return tdx::status(tdx::OPERAND_INVALID, tdx::RAX);
    const u64 rcx = c.r.rcx;
    if ((rcx & 0xfff) != number(Level::k2M) - 1 || ((rcx & ~0xfffull) & (bytesPer(Level::k2M) - 1)) != 0 || rcx >= kMaxHpa)
        return tdx::status(tdx::OPERAND_INVALID, tdx::RCX);
    range = pfnOf(rcx);
    return tdx::kSuccess;
}

// Its entry, exclusively.
u64 lockRange(LeafCall& c, Pfn range, PageType& type) {
    if (range.v >= c.frames().count())
        return tdx::status(tdx::OPERAND_ADDR_RANGE_ERROR, tdx::RCX);
    Level found = Level::k2M;
    if (const u64 s = c.walkPamt(range, tdx::RCX, Mode::Exclusive, Level::k2M, found); s != 0)
        return s;
    type = pamt::type(c.machine.getBesideLock(c.pamtOf(range, found)));
    return tdx::kSuccess;
}

} // namespace

u64 tdh_phymem_pamt_add(LeafCall& c) {
    Pfn range;
    if (const u64 s = takeRange(c, range); s != 0)
        return s;
    const PamtPages pages{{{c.r.rdx, tdx::RDX}, {c.r.r8, tdx::R8}}};
    if (const u64 s = checkPamtPages(c, pages); s != 0)
        return s;
    PageType type = PageType::Nda;
    if (const u64 s = lockRange(c, range, type); s != 0)
        return s;
    if (type != PageType::Nda)
        return tdx::status(tdx::HPA_RANGE_NOT_FREE, tdx::RCX);
    if (const u64 s = takePamtPages(c, pages, range, true); s != 0)
        return s;
    c.sim.step(Site::PamtSet);
    for (const auto& [page, op] : pages)
        c.machine.fill(pfnOf(page), 0);
    setPamtPages(c, pages, range);
    return tdx::kSuccess;
}

u64 tdh_phymem_pamt_remove(LeafCall& c) {
    Pfn range;
    if (const u64 s = takeRange(c, range); s != 0)
        return s;
    PageType type = PageType::Nda;
    if (const u64 s = lockRange(c, range, type); s != 0)
        return s;
    if (type != PageType::Pamt)
        return tdx::status(tdx::NO_PAMT_PAGE_PAIR, tdx::RCX);
    const u64 last = std::min<u64>(512, c.frames().count() - range.v);
    for (u64 i = 0; i < last; ++i)
        if (pamt::type(c.machine.getBesideLock(c.pamtOf({range.v + i}, Level::k4K))) != PageType::Nda)
            return tdx::status(tdx::PAMT_PAGE_NOT_EMPTY, i < 256 ? 0 : 1);
    c.sim.step(Site::PamtSet);
    const auto pair = givePamtPages(c, range);
    c.setPage(range, Level::k2M, PageType::Nda, Pfn{0}, true);
    c.r.rdx = hpa(pair[0]);
    c.r.r8 = hpa(pair[1]);
    return tdx::kSuccess;
}

} // namespace mirrorscope
