// SPDX-License-Identifier: GPL-3.0-or-later
// lock-order: locks are taken in the documented order (reference: Documentation/virt/kvm/locking.rst, v6.16) and mode, and are free when
// the machine is quiet.
#include "rules/checker.h"

#include <fmt/format.h>

namespace mirrorscope::rules {

namespace {
// From the outermost to the innermost.
constexpr LockId kOrder[] = {LockId::SlotsLock, LockId::FilemapInvalidateLock, LockId::MmuLock, LockId::TdpMmuPagesLock};
bool holds(u64 held, LockId lock) { return (held >> 2 * static_cast<unsigned>(lock) & 3) != 0; }
} // namespace

void lockOrderTaken(RuleContext& context, unsigned actor, u64 old, u64 now) {
    std::optional<LockId> inner;
    for (unsigned i = std::size(kOrder); i-- > 0;) {
        const LockId lock = kOrder[i];
        if (holds(now, lock) && !holds(old, lock) && inner)
            context.checker.report(Rule::LockOrder, mix(static_cast<u64>(lock), static_cast<u64>(*inner)),
                                   fmt::format("{} takes {} while it holds {}, which is taken after it everywhere else",
                                               context.system.sim().actorName(static_cast<u8>(actor)), name(lock), name(*inner)),
                                   {context.system.sim().lockPlace(lock)});
        if (holds(old, lock))
            inner = lock;
    }
}

// tdp_mmu_set_spte() and what stores as its entry's only owner: mmu_lock is held for writing.
void lockOrderStore(RuleContext& context, Place place) {
    const Machine& machine = context.machine();
    if (machine.steps() == 0 || machine.step(machine.steps() - 1).site != Site::SpteStore)
        return;
    const u8 actor = machine.step(machine.steps() - 1).actor;
    const Place lock = context.system.sim().lockPlace(LockId::MmuLock);
    if (machine.peek(lock) >> 32 != u64{actor} + 1)
        context.checker.report(Rule::LockOrder, place.v,
                               fmt::format("{} stores an SPTE without mmu_lock held for writing", context.system.sim().actorName(actor)),
                               {place});
}

void lockOrderQuiet(RuleContext& context) {
    for (unsigned i = 0; i < kLocks; ++i)
        if (const Place lock = context.system.sim().lockPlace(static_cast<LockId>(i)); context.machine().peek(lock) != 0)
            context.checker.report(Rule::LockOrder, mix(i, 3),
                                   fmt::format("{} is held although the machine is quiet", name(static_cast<LockId>(i))), {lock});
}

} // namespace mirrorscope::rules
