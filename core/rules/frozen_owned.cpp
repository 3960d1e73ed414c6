// SPDX-License-Identifier: GPL-3.0-or-later
// frozen-owned: a frozen entry of a reachable table belongs to exactly one actor inside an update.
#include "base/text.h"
#include "rules/checker.h"

#include <fmt/format.h>

namespace mirrorscope::rules {

namespace {
void check(RuleContext& context, Place place) {
    const Kvm& kvm = context.kvm();
    if (!spte::isFrozen(context.machine().peek(place)) || !kvm.reachable(frameOf(place)))
        return;
    // Who begins or ends to update an entry changes it in the same micro-step: looking at the others' words here makes nothing depend on
    // them that does not depend on the entry.
    unsigned owners = 0;
    for (unsigned actor = 0; actor < context.system.sim().actors(); ++actor)
        owners += context.machine().look(kvm.actorWord(actor, Kvm::ActorWord::Freezing)) == u64{place.v} + 1;
    if (owners == 1)
        return;
    const MmuPage page = kvm.peekPage(frameOf(place));
    const Gfn gfn = kvm.gfnOfEntry(page, indexOf(place));
    context.checker.report(Rule::FrozenOwned, place.v,
                           fmt::format("{} at {} is FROZEN and {}", aliasedGpa(gfn, page.isMirror() ? Alias::Private : Alias::Shared),
                                       levelName(page.level()), owners == 0 ? "nobody is updating it" : "more than one actor updates it"),
                           {place});
}
} // namespace

void frozenOwnedEntry(RuleContext& context, Place place) { check(context, place); }
void frozenOwnedRelease(RuleContext& context, Place place) { check(context, place); }

} // namespace mirrorscope::rules
