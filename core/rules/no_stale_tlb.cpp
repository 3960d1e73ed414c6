// SPDX-License-Identifier: GPL-3.0-or-later
// no-stale-tlb: no TLB translates to a frame that was freed or given to another owner, and no table entry that a CPU remembers leads to a
// table that was. A translation counts only while a guest access could use it without a flush that is already pending.
#include "base/text.h"
#include "rules/checker.h"

#include <fmt/format.h>

#include <bit>

namespace mirrorscope::rules {

void noStaleTlbEntry(RuleContext& context, unsigned vcpu, const TlbEntry& entry, bool filled) {
    const System& system = context.system;
    const u64 key = mix(mix(vcpu, entry.gfn.v), entry.pfn.v);
    if (!system.kvm().tlbUsable(vcpu) || context.checker.knows(Rule::NoStaleTlb, key))
        return;
    const FrameKind kind = system.frames().peekKind(entry.pfn);
    std::string now;
    if (system.isTdx() && entry.alias == Alias::Private) {
        Level size = Level::k4K;
        const u64 word = system.module().peekPamt(entry.pfn, &size);
        if (pamt::type(word) == PageType::Reg && kind != FrameKind::Free)
            return;
        // PAGE.AUG writes the entry first and the PAMT, which it holds locked, afterwards; the guest may accept the page between.
        if (filled && kind != FrameKind::Free && pamt::isLocked(word))
            return;
        now = kind == FrameKind::Free ? "which is free" : fmt::format("which the PAMT calls {}", name(pamt::type(word)));
    } else {
        // A frame that user space still maps may have been given to the TD all the same.
        const PageType type = system.isTdx() ? pamt::type(system.module().peekPamt(entry.pfn)) : PageType::Nda;
        const bool gmemIsShared = !system.isTdx() || system.config().has(Feature::InPlaceConversion);
        const bool hosts = kind == FrameKind::HostPage || (kind == FrameKind::Gmem && gmemIsShared);
        if (hosts && type == PageType::Nda)
            return;
        now = kind == FrameKind::Free ? "which is free"
              : hosts                 ? fmt::format("which the PAMT calls {}", name(type))
                                      : fmt::format("which is {} now", name(kind));
    }
    context.checker.report(Rule::NoStaleTlb, key,
                           fmt::format("vcpu{} can still reach pfn {:#x} through its TLB at {}, {}", vcpu, entry.pfn.v,
                                       system.gpaText(entry.gfn, entry.alias), now),
                           {system.frames().meta(entry.pfn)});
}

namespace {
// SEPT.ADD and PAGE.DEMOTE write the entry first and the PAMT of its table, which they hold locked, afterwards; a walk may come between.
bool becomesTable(const System& system, const UpperEntry& entry) {
    const auto walk = system.septAt(entry.gfn, entry.level);
    return walk.reached && ept::pfnOf(walk.entry) == entry.table && sept::stateOf(walk.entry) == SeptState::Table &&
           pamt::isLocked(system.module().peekPamt(entry.table));
}
} // namespace

void noStaleTlbUpper(RuleContext& context, unsigned vcpu, const UpperEntry& entry) {
    const System& system = context.system;
    const bool secure = system.isTdx() && entry.alias == Alias::Private;
    if (system.holdsTable(entry.table, secure) || !system.kvm().tlbUsable(vcpu) || (secure && becomesTable(system, entry)))
        return;
    context.checker.report(Rule::NoStaleTlb, mix(mix(vcpu, entry.gfn.v | number(entry.level)), entry.table.v),
                           fmt::format("vcpu{} can still walk through pfn {:#x}, the table at {} that it remembers, which is {} now", vcpu,
                                       entry.table.v, system.gpaText(entry.gfn, entry.alias), name(system.frames().peekKind(entry.table))),
                           {system.frames().meta(entry.table)});
}

void noStaleTlbFrame(RuleContext& context, Pfn pfn) {
    const Frames& frames = context.system.frames();
    for (unsigned line = 0; line < frames.cachedLines(); ++line)
        for (u64 cached = frames.cachedBy(pfn, line); cached != 0; cached &= cached - 1) {
            const unsigned v = line * 8 + static_cast<unsigned>(std::countr_zero(cached));
            if (!context.kvm().tlbUsable(v))
                continue;
            const Tlb& tlb = context.kvm().tlb(v);
            const u64 size = tlb.size();
            for (u64 i = 0; i < size; ++i)
                if (const TlbEntry entry = tlb.at(i); entry.pfn == pfn)
                    noStaleTlbEntry(context, v, entry);
            tlb.forEachUpper([&](const UpperEntry& entry) {
                if (entry.table == pfn)
                    noStaleTlbUpper(context, v, entry);
            });
        }
}

} // namespace mirrorscope::rules
