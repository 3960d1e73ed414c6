// SPDX-License-Identifier: GPL-3.0-or-later
// TDH.MEM.PAGE.PROMOTE (tdh_mem_page_promote.c): 512 children of a table become one large page.
#include "tdx/module/pamt_pages.h"

namespace mirrorscope {

u64 tdh_mem_page_promote(LeafCall& c) {
    using Mode = LeafCall::Mode;
    c.takeInputs();
    if (const u64 s = c.checkVersion(); s != 0)
        return s;
    if (const u64 s = c.enterTd(c.rdxIn(), tdx::RDX, Mode::Shared, kOpInitRun); s != 0)
        return s;
    if (const u64 s = c.takeGpa(1, 2); s != 0)
        return s;
    // Who has the tree to himself needs none of the children.
    const bool alone = c.does(Later::PromoteLocksTheTree);
    if (const u64 s = c.walkAndLock(alone ? Mode::Exclusive : Mode::Shared); s != 0)
        return s;
    const SeptState state = sept::stateOf(c.walk.entry);
    if (!sept::isTable(state))
        return c.stateIncorrect();
    const Pfn table = ept::pfnOf(c.walk.entry);
    if (const u64 s = c.implicitPage(table, tdx::RCX, Mode::Exclusive); s != 0)
        return s;
    if (const u64 s = c.checkTracking(c.bepoch(table, Level::k4K)); s != 0)
        return s;

    const Level child = below(c.level);
    const u64 first = c.machine.get(wordOf(table, 0)) & ~(sept::kLock | sept::kHostPriority);
    // The children are locked one after the other; the locks of a failed call are given back.
    const auto unlockUpTo = [&](unsigned n) {
        for (unsigned i = 0; i < n && !alone; ++i) {
            const Place place = wordOf(table, i);
            c.machine.set(place, c.machine.get(place) & ~sept::kLock);
        }
    };
    for (unsigned i = 0; i < 512; ++i) {
        const Place place = wordOf(table, i);
        const u64 entry = c.machine.get(place);
        if (!alone && (entry & sept::kLock) != 0) {
            c.machine.set(place, entry | sept::kHostPriority);
            unlockUpTo(i);
            return c.fail(tdx::OPERAND_BUSY);
        }
        if (!alone)
            c.machine.set(place, (entry & ~sept::kHostPriority) | sept::kLock);
        const SeptState s = sept::stateOf(first);
        const bool fits =
            i != 0 ? (entry & ~(alone ? sept::kHostPriority | sept::kLock : sept::kHostPriority)) == first + i * bytesPer(child)
                   : (s == SeptState::Mapped || s == SeptState::Pending) && (hpa(ept::pfnOf(first)) & (bytesPer(c.level) - 1)) == 0;
        if (!fits) {
            unlockUpTo(i + 1);
            return c.fail(tdx::EPT_INVALID_PROMOTE_CONDITIONS);
        }
    }
    const Pfn page = ept::pfnOf(first);
    if (const u64 s = c.implicitPage(page, tdx::RCX, Mode::Exclusive, c.level); s != 0) {
        unlockUpTo(512);
        return s;
    }

    c.storeEntry(first);
    c.sim.step(Site::PamtSet);
    for (unsigned i = 0; i < 512; ++i)
        c.setPage({page.v + i * pagesPer(child)}, child, PageType::Nda, c.tdr, false);
    if (c.dynamicPamt() && c.level == Level::k2M) {
        const auto pair = givePamtPages(c, page);
        c.setPage(page, c.level, PageType::Reg, c.tdr, true);
        c.r.r12 = hpa(pair[0]);
        c.r.r13 = hpa(pair[1]);
    } else {
        c.setPage(page, c.level, PageType::Reg, c.tdr, false); // pamt_promote() keeps the large entry's old BEPOCH
    }
    c.addChildren(~0ull);
    c.setPage(table, Level::k4K, PageType::Nda, c.tdr, false);
    c.r.rcx = hpa(table);
    return tdx::kSuccess;
}

} // namespace mirrorscope
