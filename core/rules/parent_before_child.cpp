// SPDX-License-Identifier: GPL-3.0-or-later
// parent-before-child: a private table page is linked in both trees before a leaf below it is.
#include "base/text.h"
#include "rules/checker.h"

#include <fmt/format.h>

namespace mirrorscope::rules {

std::optional<SeptRange> septRangeOf(const System& system, Place place) {
    const Pfn frame = frameOf(place);
    if (pamt::owner(system.module().peekPamt(frame)) != system.backend().tdr())
        return std::nullopt;
    const auto table = system.septTable(frame);
    if (!table)
        return std::nullopt;
    return SeptRange{{table->base.v + indexOf(place) * pagesPer(table->level)}, table->level};
}

void parentBeforeChild(RuleContext& context, Place place, u64 old) {
    const u64 entry = context.machine().peek(place);
    if (!sept::isLeaf(entry) || sept::stateOf(entry) == SeptState::Free || sept::stateOf(old) != SeptState::Free)
        return;
    const System& system = context.system;
    const auto range = septRangeOf(system, place);
    if (!range)
        return;
    const auto [gfn, level] = *range;
    const auto real = system.septAt(gfn, level);
    const auto mirror = system.spteAt(system.mirrorRoot(), gfn, level);
    const bool realLinked = real.reached && real.place == place;
    const bool mirrorLinked = mirror.exists && mirror.level == level;
    if (realLinked && mirrorLinked)
        return;
    context.checker.report(Rule::ParentBeforeChild, mix(gfn.v, number(level)),
                           fmt::format("{} at {} became {} although its table is not linked in the {}", aliasedGpa(gfn, Alias::Private),
                                       levelName(level), name(sept::stateOf(entry)), realLinked ? "mirror" : "secure EPT"),
                           {place});
}

// The PAMT entry of a frame changed type or owner: a table page must not go before the tables and pages that it names.
void tableRemoved(RuleContext& context, Pfn frame, u64 old) {
    const TdxModule& module = context.system.module();
    if (pamt::type(old) != PageType::Ept || pamt::type(module.peekPamt(frame)) == PageType::Ept)
        return;
    // TDH.PHYMEM.PAGE.RECLAIM takes pages in any order: then only KVM's own order counts, while its mirror still has what is below.
    const bool teardown = module.peekTdr(pamt::owner(old), tdr::Lifecycle) == tdr::Teardown;
    const Pfn mirror = context.system.kvm().mirrorOfExternal(frame);
    if (teardown && mirror.v == 0)
        return;
    for (unsigned i = 0; i < 512; ++i) {
        const u64 entry = context.machine().peek(wordOf(frame, i));
        const Pfn child = ept::pfnOf(entry);
        if (teardown && !spte::isPresent(context.machine().peek(wordOf(mirror, i))))
            continue;
        if (sept::stateOf(entry) == SeptState::Free || !context.system.frames().valid(child) || child.v == 0)
            continue;
        Level size = Level::k4K;
        const u64 record = module.peekPamt(child, &size);
        const bool held = pamt::type(record) == PageType::Ept || pamt::type(record) == PageType::Reg;
        if (!held || size != Level::k4K || pamt::owner(record) != pamt::owner(old)) // PROMOTE has merged what it held
            continue;
        context.checker.report(
            Rule::ParentBeforeChild, mix(frame.v, i),
            fmt::format("pfn {:#x} left the secure EPT before pfn {:#x}, which its entry {} leads to", frame.v, child.v, i),
            {wordOf(frame, i)});
        return;
    }
}

} // namespace mirrorscope::rules
