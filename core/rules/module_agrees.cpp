// SPDX-License-Identifier: GPL-3.0-or-later
// module-agrees: KVM never meets a SEAMCALL status at which the kernel would bug the VM.
#include "rules/checker.h"

#include <fmt/format.h>

namespace mirrorscope::rules {

void moduleAgrees(RuleContext& context) {
    const Kvm& kvm = context.kvm();
    const u64 leaf = kvm.peekVm(Kvm::VmWord::BugLeaf) - 1;
    const u64 status = kvm.peekVm(Kvm::VmWord::BugStatus);
    const std::string operand = tdx::operandText(status);
    context.checker.report(Rule::ModuleAgrees, mix(leaf, status),
                           fmt::format("{} answered {}{}, at which KVM bugs the VM", info(static_cast<Leaf>(leaf)).name,
                                       tdx::statusName(status), operand.empty() ? "" : " with operand " + operand),
                           {kvm.vm(Kvm::VmWord::Bugged)});
}

} // namespace mirrorscope::rules
