// SPDX-License-Identifier: GPL-3.0-or-later
// kernel-asserts: no KVM_BUG_ON, BUG or WARN of the modelled functions would fire, but for those that a SEAMCALL's status fires
// (module-agrees).
#include "rules/checker.h"

#include <fmt/format.h>

namespace mirrorscope::rules {

void kernelAsserts(RuleContext& context, Assert which) {
    const AssertInfo& row = info(which);
    context.checker.report(Rule::KernelAsserts, static_cast<u64>(which),
                           fmt::format("{}() would {}: {}", row.function,
                                       row.kind == AssertInfo::Kind::Bug      ? "stop the host at BUG()"
                                       : row.kind == AssertInfo::Kind::KvmBug ? "bug the VM at KVM_BUG_ON()"
                                                                              : fmt::format("warn at {}()", name(row.kind)),
                                       conditionText(row)),
                           {context.kvm().assertWord(which)});
}

} // namespace mirrorscope::rules
