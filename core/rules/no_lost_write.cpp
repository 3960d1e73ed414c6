// SPDX-License-Identifier: GPL-3.0-or-later
// no-lost-write: a guest reads what was last written to that page through any mapping since it was accepted, added or faulted in.
// Conversion, punch hole and discard end that; so does a guest's own accept, but not one that a #VE handler makes of a page that held data.
#include "base/text.h"
#include "rules/checker.h"

#include <fmt/format.h>

namespace mirrorscope::rules {

void noLostWrite(RuleContext& context, unsigned vcpu, Gfn gfn, Alias alias, u64 word, u64 value, Place record) {
    const Machine& machine = context.machine();
    if (machine.peek(record) != word + 1 || machine.peek(record + 1) == value)
        return;
    const u64 gpa = gpaOf(gfn) | word << 3;
    context.checker.report(
        Rule::NoLostWrite, mix(gfn.v << 12 | word << 3, static_cast<u64>(alias)),
        fmt::format("vcpu{} reads {:#x} at {}, where {:#x} was written last", vcpu, value,
                    context.system.config().directBits() != 0 ? aliasedGpa(gfn, alias) : hex(gpa) + (isSmm(gfn) ? " in SMM" : ""),
                    machine.peek(record + 1)),
        {record});
}

} // namespace mirrorscope::rules
