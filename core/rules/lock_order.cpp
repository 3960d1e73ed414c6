// SPDX-License-Identifier: GPL-3.0-or-later
// lock-order: locks are taken in the documented order (reference: Documentation/virt/kvm/locking.rst, v6.16) and mode, and are free when
// the machine is quiet.
#include "rules/checker.h"

#include <fmt/format.h>

namespace mirrorscope::rules {

namespace {
// From the outermost to the innermost.
constexpr LockId kOrder[] = {LockId::KvmLock, LockId::SlotsLock,       LockId::FilemapInvalidateLock,
                             LockId::MmuLock, LockId::TdpMmuPagesLock, LockId::PamtLock};
bool holds(u64 held, LockId lock) { return (held >> 2 * static_cast<unsigned>(lock) & 3) != 0; }
} // namespace

void lockOrderTaken(RuleContext& context, unsigned actor, u64 old, u64 now) {
    std::optional<LockId> inner;
    for (unsigned i = std::size(kOrder); i-- > 0;) {
        const LockId lock = kOrder[i];
        if (holds(now, lock) && !holds(old, lock) && inner)
            context.checker.report(Rule::LockOrder, mix(static_cast<u64>(lock), static_cast<u64>(*inner)),
                                   fmt::format("{} takes {} while it holds {}, which is taken after it everywhere else",
                                               context.system.sim().actorName(static_cast<ActorId>(actor)), name(lock), name(*inner)),
                                   {context.system.sim().lockPlace(lock)});
        if (holds(old, lock))
            inner = lock;
    }
}

void lockOrderAsserted(RuleContext& context) {
    const Kvm& kvm = context.kvm();
    const u64 what = kvm.peekVm(Kvm::VmWord::LockdepLock) - 1;
    const auto names = context.system.sim().paths().names(static_cast<u32>(kvm.peekVm(Kvm::VmWord::LockdepFunction)));
    context.checker.report(Rule::LockOrder, mix(what, kvm.peekVm(Kvm::VmWord::LockdepFunction)),
                           fmt::format("{}() needs {} held{}, and it is not", names.empty() ? "?" : names.back(),
                                       name(static_cast<LockId>(what / 2)), what % 2 != 0 ? " for writing" : ""),
                           {kvm.vm(Kvm::VmWord::LockdepLock)});
}

void lockOrderQuiet(RuleContext& context) {
    for (unsigned i = 0; i < kLocks; ++i)
        if (const Place lock = context.system.sim().lockPlace(static_cast<LockId>(i)); context.machine().peek(lock) != 0)
            context.checker.report(Rule::LockOrder, mix(i, 3),
                                   fmt::format("{} is held although the machine is quiet", name(static_cast<LockId>(i))), {lock});
}

} // namespace mirrorscope::rules
