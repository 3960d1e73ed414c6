// SPDX-License-Identifier: GPL-3.0-or-later
// TDH.MEM.RANGE.BLOCK (tdh_mem_range_block.c): the entry first, then the epoch, so that a TRACK between is harmless.
#include "tdx/module/module.h"

namespace mirrorscope {

u64 tdh_mem_range_block(LeafCall& c) {
    using Mode = LeafCall::Mode;
    c.takeInputs();
    if (const u64 s = c.enterTd(c.rdxIn(), tdx::RDX, Mode::Shared, kOpInitRun); s != 0)
        return s;
    if (const u64 s = c.takeGpa(0, c.topLevel()); s != 0)
        return s;
    if (const u64 s = c.walkAndLock(Mode::Exclusive); s != 0)
        return s;
    const u64 entry = c.walk.entry & ~sept::kLock;
    u64 blocked = 0;
    switch (sept::stateOf(entry)) {
    case SeptState::Table:
    case SeptState::Mapped:
        blocked =
            (entry & ~(ept::kRwx | (sept::isLeaf(entry) ? 7ull << 3 : 0))) | sept::kBlocked | (sept::isLeaf(entry) ? sept::kMemoryType : 0);
        break;
    case SeptState::Pending: blocked = entry | sept::kBlocked; break;
    case SeptState::TableBlocked:
    case SeptState::Blocked:
    case SeptState::PendingBlocked: return c.fail(tdx::GPA_RANGE_ALREADY_BLOCKED);
    case SeptState::Free:
    case SeptState::Other:
    case SeptState::Count_: return c.stateIncorrect();
    }
    c.storeEntry(blocked);
    c.sim.step(Site::PamtSet);
    const Pfn page = ept::pfnOf(blocked);
    const Level size = sept::isLeaf(blocked) ? c.level : Level::k4K;
    c.machine.set(c.pamtOf(page, size) + 1, c.tdcsWord(tdcs::TdEpoch));
    return tdx::kSuccess;
}

} // namespace mirrorscope
