// SPDX-License-Identifier: GPL-3.0-or-later
// no-use-after-free: no walk reads a table page after its grace period, and no entry still names a frame that went away before it.
#include "rules/checker.h"

#include <fmt/format.h>

namespace mirrorscope::rules {

void noUseAfterFreeRead(RuleContext& context, Place entry) {
    const Pfn table = frameOf(entry);
    if (table.v == 0 || context.system.holdsTable(table, false) || context.system.holdsTable(table, true))
        return;
    const FrameKind kind = context.system.frames().peekKind(table);
    if (kind == FrameKind::ExternalTable || kind == FrameKind::Raw) // the module's own; a walk met it while it changes hands
        return;
    context.checker.report(
        Rule::NoUseAfterFree, mix(table.v, 1),
        fmt::format("a walk reads entry {} of pfn {:#x}, which is no table any more but {}", indexOf(entry), table.v, name(kind)), {entry});
}

void noUseAfterFreeZap(RuleContext& context, Place place, u64 old) {
    const MmuPage page = context.kvm().peekPage(frameOf(place));
    if (page.role == 0 || !spte::isLeaf(old, page.level()) || spte::isPresent(context.machine().peek(place)))
        return;
    const Pfn pfn = ept::pfnOf(old);
    if (!context.system.frames().valid(pfn) || context.system.frames().peekKind(pfn) != FrameKind::Free)
        return;
    context.checker.report(Rule::NoUseAfterFree, mix(pfn.v, 2),
                           fmt::format("an entry is zapped that still led to pfn {:#x}, which was freed before", pfn.v), {place});
}

} // namespace mirrorscope::rules
