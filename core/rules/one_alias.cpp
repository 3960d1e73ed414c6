// SPDX-License-Identifier: GPL-3.0-or-later
// one-alias: a page of a TD is not reachable through its private and its shared alias at once. Elsewhere one tree maps both.
#include "base/text.h"
#include "rules/checker.h"

#include <fmt/format.h>

namespace mirrorscope::rules {

namespace {
bool mapsPrivate(const System& system, Gfn gfn) {
    const auto walk = system.septAt(gfn);
    const SeptState state = sept::stateOf(walk.entry);
    return walk.level != Level::None && (state == SeptState::Mapped || state == SeptState::Pending);
}

bool mapsShared(const System& system, Gfn gfn) {
    const auto at = system.spteAt(system.directRoot(), gfn);
    return at.exists && spte::isLeaf(at.value, at.level);
}

void report(RuleContext& context, Gfn gfn, Place place) {
    context.checker.report(Rule::OneAlias, gfn.v,
                           fmt::format("gpa {} is reachable through its private and its shared alias at once", gpaHex(gfn)), {place});
}
} // namespace

void oneAliasShared(RuleContext& context, Place place) {
    const System& system = context.system;
    const MmuPage page = context.kvm().peekPage(frameOf(place));
    if (page.isMirror() || role::isInvalid(page.role) || !spte::isLeaf(context.machine().peek(place), page.level()))
        return;
    const Gfn first = context.kvm().gfnOfEntry(page, indexOf(place));
    for (u64 i = 0; i < pagesPer(page.level()); ++i)
        if (const Gfn gfn{first.v + i}; mapsPrivate(system, gfn) && mapsShared(system, gfn)) {
            report(context, gfn, place);
            return;
        }
}

void oneAliasPrivate(RuleContext& context, Place place) {
    const System& system = context.system;
    const u64 entry = context.machine().peek(place);
    const SeptState state = sept::stateOf(entry);
    if (!sept::isLeaf(entry) || (state != SeptState::Mapped && state != SeptState::Pending))
        return;
    const auto range = septRangeOf(system, place);
    for (u64 i = 0; range && i < pagesPer(range->level); ++i)
        if (const Gfn gfn{range->gfn.v + i}; mapsShared(system, gfn) && mapsPrivate(system, gfn)) {
            report(context, gfn, place);
            return;
        }
}

// With in-place conversion one page is both: what is private, user space neither maps nor holds for a device.
void oneAliasUser(RuleContext& context, Gfn gfn, Place place) {
    if (context.kvm().peekPrivate(gfn) && context.kvm().peekHeldByUser(gfn))
        context.checker.report(Rule::OneAlias, mix(gfn.v, 1),
                               fmt::format("user space can reach the page at gpa {}, which is private", gpaHex(gfn)), {place});
}

} // namespace mirrorscope::rules
