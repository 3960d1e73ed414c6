// SPDX-License-Identifier: GPL-3.0-or-later
// TDH.PHYMEM.PAMT.ADD and REMOVE (tdh_phymem_pamt_add.c, tdh_phymem_pamt_remove.c of a module with dynamic PAMT): the two pages that hold
// the 4K PAMT entries of 2M of memory.
#include "tdx/module/module.h"

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

// A page of the pair is free, and in no other pair; its entry is locked unless its range is the very one.
u64 takePairPage(LeafCall& c, Pfn page, Pfn range, u32 op) {
    if (page.v >> 9 != range.v >> 9) {
        Level found = Level::k4K;
        if (const u64 s = c.walkPamt(page, op, Mode::Shared, Level::k4K, found); s != 0)
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

u64 tdh_phymem_pamt_add(LeafCall& c) {
    Pfn range;
    if (const u64 s = takeRange(c, range); s != 0)
        return s;
    const std::pair<u64, u32> pair[] = {{c.r.rdx, tdx::RDX}, {c.r.r8, tdx::R8}};
    for (const auto& [page, op] : pair)
        if ((page & 0xfff) != 0 || page >= kMaxHpa)
            return tdx::status(tdx::OPERAND_INVALID, op);
    for (const auto& [page, op] : pair)
        if (pfnOf(page).v >= c.frames().count())
            return tdx::status(tdx::OPERAND_ADDR_RANGE_ERROR, op);
    PageType type = PageType::Nda;
    if (const u64 s = lockRange(c, range, type); s != 0)
        return s;
    const Place entry = c.pamtOf(range, Level::k2M);
    if (type != PageType::Nda)
        return tdx::status(tdx::HPA_RANGE_NOT_FREE, tdx::RCX);
    if (const u64 s = takePairPage(c, pfnOf(c.r.rdx), range, tdx::RDX); s != 0)
        return s;
    if (const u64 s = takePairPage(c, pfnOf(c.r.r8), range, tdx::R8); s != 0) {
        c.clearPamtPage(pfnOf(c.r.rdx));
        return s;
    }
    c.sim.step(Site::PamtSet);
    for (const auto& [page, op] : pair)
        c.machine.fill(pfnOf(page), 0);
    c.setPage(range, Level::k2M, PageType::Pamt, pfnOf(c.r.rdx), false);
    c.machine.set(entry + 1, pfnOf(c.r.r8).v);
    return tdx::kSuccess;
}

u64 tdh_phymem_pamt_remove(LeafCall& c) {
    Pfn range;
    if (const u64 s = takeRange(c, range); s != 0)
        return s;
    PageType type = PageType::Nda;
    if (const u64 s = lockRange(c, range, type); s != 0)
        return s;
    const Place entry = c.pamtOf(range, Level::k2M);
    if (type != PageType::Pamt)
        return tdx::status(tdx::NO_PAMT_PAGE_PAIR, tdx::RCX);
    const u64 last = std::min<u64>(512, c.frames().count() - range.v);
    for (u64 i = 0; i < last; ++i)
        if (pamt::type(c.machine.getBesideLock(c.pamtOf({range.v + i}, Level::k4K))) != PageType::Nda)
            return tdx::status(tdx::PAMT_PAGE_NOT_EMPTY, i < 256 ? 0 : 1);
    c.sim.step(Site::PamtSet);
    const Pfn pair[] = {pamt::owner(c.machine.getBesideLock(entry)), Pfn{c.machine.get(entry + 1)}};
    for (const Pfn page : pair)
        c.clearPamtPage(page);
    c.setPage(range, Level::k2M, PageType::Nda, Pfn{0}, true);
    c.r.rdx = hpa(pair[0]);
    c.r.r8 = hpa(pair[1]);
    return tdx::kSuccess;
}

} // namespace mirrorscope
