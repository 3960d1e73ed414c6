// SPDX-License-Identifier: GPL-3.0-or-later
// coherent: every reachable unfrozen mirror entry agrees with the secure EPT.
#include "base/text.h"
#include "rules/checker.h"

#include <fmt/format.h>

namespace mirrorscope::rules {

namespace {

// Is the entry in a window in which it may lack or keep its twin?
bool inWindow(const RuleContext& context, Gfn gfn, Level level, bool mirrorIsLeaf, SeptState real) {
    const Machine& machine = context.machine();
    const Kvm& kvm = context.kvm();
    // Mapped by KVM_TDX_INIT_MEM_REGION, not yet added.
    if (mirrorIsLeaf && real == SeptState::Free && context.system.backend().peek(TdxBackend::Word::PremapGfn) == gfn.v + 1)
        return true;
    for (unsigned actor = 0; actor < context.system.sim().actors(); ++actor) {
        const u64 clearing = machine.peek(kvm.actorWord(actor, Kvm::ActorWord::Clearing));
        if (clearing == 0)
            continue;
        // A removed table keeps its twin, and so does what is below it, until tdp_mmu_set_spte() returns; the parts of a leaf that is split
        // get theirs in that time.
        const Level span = levelOf(static_cast<unsigned>(machine.peek(kvm.actorWord(actor, Kvm::ActorWord::ClearingLevel))));
        if ((mirrorIsLeaf ? level < span : level <= span) && roundDown(gfn, span) == Gfn{clearing - 1})
            return true;
    }
    return false;
}

bool asked(const RuleContext& context) {
    const Pfn tdr = context.system.backend().tdr();
    return tdr.v != 0 && context.system.module().peekTdr(tdr, mirrorscope::tdr::Lifecycle) != mirrorscope::tdr::Teardown;
}

// False when the two differ where they must not.
bool checkPair(RuleContext& context, Pfn spt, unsigned index) {
    const Kvm& kvm = context.kvm();
    const MmuPage page = kvm.peekPage(spt);
    if (!page.isMirror() || role::isInvalid(page.role) || !kvm.reachable(spt))
        return true;
    const Level level = page.level();
    const Gfn gfn{page.gfn.v + index * pagesPer(level)};
    const Place mirrorPlace = wordOf(spt, index);
    const u64 mirror = context.machine().peek(mirrorPlace);
    if (spte::isFrozen(mirror))
        return true;
    const Pfn tdr = context.system.backend().tdr();
    const Pfn table = page.ptep ? page.externalSpt : context.system.module().septRoot(tdr);
    if (table.v == 0)
        return true;
    const Place realPlace = wordOf(table, index);
    const u64 real = context.machine().peek(realPlace);
    const SeptState state = sept::stateOf(real);
    const SpteState mirrorState = stateOf(kvm.masks(), mirror, level);

    bool agrees = false;
    switch (mirrorState) {
    case SpteState::None:
    case SpteState::Mmio: agrees = state == SeptState::Free; break;
    case SpteState::Table: agrees = state == SeptState::Table && ept::pfnOf(real) == kvm.peekPage(ept::pfnOf(mirror)).externalSpt; break;
    case SpteState::Leaf:
        agrees = (state == SeptState::Mapped || state == SeptState::Pending) && ept::pfnOf(real) == ept::pfnOf(mirror);
        break;
    case SpteState::Frozen:
    case SpteState::Unknown:
    case SpteState::Count_: agrees = true; break;
    }
    if (agrees || inWindow(context, gfn, level, mirrorState == SpteState::Leaf, state))
        return true;
    const auto frame = [](u64 entry, bool has) { return has ? fmt::format(" pfn {:#x}", ept::pfnOf(entry).v) : std::string(); };
    context.checker.report(Rule::Coherent, mix(gfn.v, number(level)),
                           fmt::format("{} at {}: the mirror says {}{}, the secure EPT says {}{}", aliasedGpa(gfn, Alias::Private),
                                       levelName(level), name(mirrorState), frame(mirror, mirrorState == SpteState::Leaf), name(state),
                                       frame(real, sept::isLeaf(real) && state != SeptState::Free)),
                           {mirrorPlace, realPlace});
    return false;
}

// The entry, and what a table that was just linked there makes reachable; below a difference everything differs.
void checkEntry(RuleContext& context, Place place) {
    const Pfn spt = frameOf(place);
    const u64 entry = context.machine().peek(place);
    if (checkPair(context, spt, indexOf(place)) && spte::isTable(entry, context.kvm().peekPage(spt).level()))
        for (unsigned i = 0; i < 512; ++i)
            checkPair(context, ept::pfnOf(entry), i);
}

} // namespace

void coherentTable(RuleContext& context, Place place) {
    if (context.kvm().peekPage(frameOf(place)).isMirror() && asked(context))
        checkEntry(context, place);
}

void coherentSept(RuleContext& context, Place place) {
    if (!asked(context))
        return;
    const Pfn frame = frameOf(place);
    const Pfn tdr = context.system.backend().tdr();
    const Pfn spt = context.system.module().septRoot(tdr) == frame ? context.system.mirrorRoot() : context.kvm().mirrorOfExternal(frame);
    if (spt.v != 0 && context.system.frames().peekKind(spt) == FrameKind::Table)
        checkPair(context, spt, indexOf(place));
}

void coherentWindowClosed(RuleContext& context, Gfn gfn, Level level) {
    if (!asked(context))
        return;
    const auto at = context.system.spteAt(context.system.mirrorRoot(), gfn, level);
    if (at.exists)
        checkEntry(context, at.place);
}

} // namespace mirrorscope::rules
