// SPDX-License-Identifier: GPL-3.0-or-later
// no-leak: at quiet and after destroy-vm, every frame is reachable or free.
#include "rules/checker.h"

#include <fmt/format.h>

namespace mirrorscope::rules {

void noLeak(RuleContext& context, Pfn pfn) {
    const System& system = context.system;
    const Kvm& kvm = context.kvm();
    const FrameKind kind = system.frames().peekKind(pfn);
    const u64 pamt = system.isTdx() ? system.module().peekPamt(pfn) : 0;
    const PageType type = pamt::type(pamt);
    bool held = false;
    switch (kind) {
    case FrameKind::Free:
    case FrameKind::Reserved:
    case FrameKind::Count_: held = true; break;
    case FrameKind::Cache: held = kvm.cachedByVcpu(pfn); break;
    case FrameKind::Table: held = kvm.reachable(pfn); break;
    case FrameKind::ExternalTable: {
        const Pfn mirror = kvm.mirrorOfExternal(pfn);
        held = system.frames().peekKind(mirror) == FrameKind::Table && kvm.peekPage(mirror).externalSpt == pfn;
        break;
    }
    case FrameKind::HostPage:
    case FrameKind::Gmem: held = kvm.guestMemoryNames(pfn) || type == PageType::Reg; break;
    case FrameKind::TdxControl:
    case FrameKind::Raw: held = type != PageType::Nda || system.module().isPamtPage(pfn); break;
    case FrameKind::PamtPage: held = system.backend().inPamtCache(pfn) || system.module().isPamtPage(pfn); break;
    }
    const bool destroyed = kvm.peekVm(Kvm::VmWord::Destroyed) != 0;
    // What a script gave the module by raw SEAMCALLs is not the VM's, and stays: pages of the PAMT, a second TD's TDR and what that owns.
    const auto isOfAnother = [&] {
        const auto isAnothersTdr = [&](Pfn tdr) {
            return pamt::type(system.module().peekPamt(tdr)) == PageType::Tdr && system.frames().peekKind(tdr) != FrameKind::TdxControl;
        };
        return kind == FrameKind::Raw && system.isTdx() &&
               (system.module().isPamtPage(pfn) || (type != PageType::Nda && (isAnothersTdr(pfn) || isAnothersTdr(pamt::owner(pamt)))));
    };
    if (destroyed)
        held = kind == FrameKind::Free || kind == FrameKind::Reserved || isOfAnother();
    if (!held && !context.checker.knows(Rule::NoLeak, pfn.v))
        context.checker.report(
            Rule::NoLeak, pfn.v,
            fmt::format("pfn {:#x} is {} and nothing leads to it{}", pfn.v, name(kind), destroyed ? " after the VM was destroyed" : ""),
            {system.frames().meta(pfn)});
}

} // namespace mirrorscope::rules
