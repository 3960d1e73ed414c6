// SPDX-License-Identifier: GPL-3.0-or-later
// single-owner: the PAMT and the host agree on who uses a frame.
#include "base/text.h"
#include "rules/checker.h"

#include <fmt/format.h>

namespace mirrorscope::rules {

namespace {
void snpOwner(RuleContext& context, Pfn pfn) {
    const System& system = context.system;
    const RmpEntry entry = system.rmp().peek(pfn);
    if (!entry.assigned)
        return;
    const FrameKind kind = system.frames().peekKind(pfn);
    const auto gfn = context.kvm().gfnOfGuestMemory(pfn);
    if (kind == FrameKind::Gmem && (!gfn || *gfn == entry.gfn))
        return;
    const std::string what =
        kind == FrameKind::Gmem ? "it belongs to gpa " + gpaHex(*gfn) : fmt::format("the host uses it as {}", name(kind));
    context.checker.report(
        Rule::SingleOwner, pfn.v,
        fmt::format("pfn {:#x} has two owners: the RMP gives it to the guest at gpa {}, {}", pfn.v, gpaHex(entry.gfn), what),
        {system.frames().meta(pfn), system.rmp().place(pfn)});
}
} // namespace

void singleOwner(RuleContext& context, Pfn pfn) {
    if (context.system.isSnp())
        snpOwner(context, pfn);
    if (!context.system.isTdx())
        return;
    Level size = Level::k4K;
    const u64 record = context.system.module().peekPamt(pfn, &size);
    const PageType type = context.system.module().isPamtPage(pfn) ? PageType::Pamt : pamt::type(record);
    const FrameKind kind = context.system.frames().peekKind(pfn);
    bool agrees = false;
    switch (type) {
    case PageType::Nda: agrees = true; break;
    case PageType::Reg: agrees = kind == FrameKind::Gmem || kind == FrameKind::Raw; break;
    case PageType::Ept: agrees = kind == FrameKind::ExternalTable || kind == FrameKind::Cache || kind == FrameKind::Raw; break;
    case PageType::Tdr:
    case PageType::Tdcx:
    case PageType::Tdvpr: agrees = kind == FrameKind::TdxControl || kind == FrameKind::Raw; break;
    case PageType::Pamt: agrees = kind == FrameKind::PamtPage || kind == FrameKind::Raw; break;
    case PageType::Rsvd: break;
    }
    if (!agrees)
        context.checker.report(
            Rule::SingleOwner, pfn.v & ~(pagesPer(size) - 1), // of a large page the first that is met
            fmt::format("pfn {:#x} has two owners: the PAMT says {}, the host uses it as {}", pfn.v, name(type), name(kind)),
            {context.system.frames().meta(pfn), context.system.module().pamt4k(pfn)});
}

} // namespace mirrorscope::rules
