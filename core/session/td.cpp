// SPDX-License-Identifier: GPL-3.0-or-later
#include "session/td.h"

#include "base/text.h"
#include "scenario/runner.h"
#include "session/session.h"

#include <fmt/format.h>

namespace mirrorscope {

const FrameKindStyle& styleOf(FrameView::Kind kind) {
    static constexpr FrameKindStyle kStyles[] = {
        {"free", "#ffffff", "#22272e"},
        {"KVM's tables", "#56799B", "#8FB4D9"},
        {"secure EPT", "#00A3C4", "#7FE3F5"},
        {"shared memory", "#009E73", "#3FD0A5"},
        {"private memory", "#0072B2", "#56B4E9"},
        {"TDR, TDCS, TDVPS", "#9E5B86", "#CC79A7"},
        {"by raw SEAMCALLs", "#B58900", "#F0E442"},
        {"PAMT pages", "#D55E00", "#FF9F4A"},
        {"caches and reserved", "#8C959F", "#6E7681"},
    };
    static_assert(std::size(kStyles) == static_cast<unsigned>(FrameView::Kind::Count_));
    return kStyles[static_cast<unsigned>(kind)];
}

TdView Session::td() const {
    TdView view;
    if (!system().isTdx())
        return view;
    const TdxModule& module = system().module();
    const Kvm& kvm = system().kvm();
    const Pfn tdr = system().backend().tdr();
    view.exists = tdr.v != 0 && pamt::type(module.peekPamt(tdr)) == PageType::Tdr;
    if (!view.exists)
        return view;
    view.lifecycle = tdr::lifecycleName(module.peekTdr(tdr, tdr::Lifecycle));
    view.pages = module.peekTdr(tdr, tdr::ChldCnt);
    view.controlPages = module.peekTdr(tdr, tdr::NumTdcx);
    view.premapped = system().backend().peek(TdxBackend::Word::NrPremapped);
    view.kvmState = kvm.peekVm(Kvm::VmWord::Dead) != 0 ? "dead" : system().backend().runnable() ? "RUNNABLE" : "INITIALIZED";
    // The control pages may have been reclaimed one by one.
    if (view.controlPages == 0 || pamt::type(module.peekPamt(module.tdcs(tdr))) != PageType::Tdcx)
        return view;
    view.opState = tdcs::opStateName(module.peekTdcs(tdr, tdcs::OpState));
    view.epoch = module.peekTdcs(tdr, tdcs::TdEpoch);
    view.refcount[0] = module.peekTdcs(tdr, tdcs::RefCount0);
    view.refcount[1] = module.peekTdcs(tdr, tdcs::RefCount1);
    view.mrtdFinal = module.peekTdcs(tdr, tdcs::OpState) == tdcs::Runnable;
    for (const u8 byte : module.mrtd(tdr))
        view.mrtd += fmt::format("{:02x}", byte);
    for (unsigned v = 0; v < system().config().vcpus; ++v) {
        const Pfn tdvpr = system().backend().tdvpr(v);
        TdVcpuView vcpu;
        if (tdvpr.v != 0 && pamt::type(module.peekPamt(tdvpr)) == PageType::Tdvpr) {
            vcpu.exists = true;
            vcpu.state = tdvps::stateName(module.peekTdvps(tdvpr, tdvps::State));
            vcpu.epoch = module.peekTdvps(tdvpr, tdvps::VcpuEpoch);
            vcpu.inside = module.peekTdvps(tdvpr, tdvps::State) == tdvps::Active;
            vcpu.flushPending = vcpu.epoch != view.epoch;
            if (const u64 lp = module.peekTdvps(tdvpr, tdvps::AssocLp); lp != 0)
                vcpu.associatedWith = "CPU of " + actorName(static_cast<ActorId>(lp - 1));
        } else {
            // Before teardown nothing of a vCPU is reclaimed.
            vcpu.state = module.peekTdr(tdr, tdr::Lifecycle) <= tdr::KeysConfigured ? "not made yet" : "reclaimed";
        }
        view.vcpus.push_back(std::move(vcpu));
    }
    return view;
}

std::vector<PamtRange> Session::pamtRanges() const {
    std::vector<PamtRange> ranges;
    if (!system().isTdx() || !system().config().has(Feature::DynamicPamt))
        return ranges;
    for (Pfn first{0}; first.v < system().frames().count(); first.v += 512)
        if (const auto pair = system().module().pairOf(first))
            ranges.push_back({first, *pair, system().backend().peekPamtRef(first)});
    return ranges;
}

std::vector<u64> Session::usedFrameLines() const { return system().frames().usedLines(); }

u64 Session::frameCount() const { return system().frames().count(); }

FrameView Session::frame(Pfn pfn) const {
    const Frames& frames = system().frames();
    const Kvm& kvm = system().kvm();
    FrameView view;
    const FrameKind kind = frames.peekKind(pfn);
    view.host = name(kind);
    const auto entryText = [&](Gfn gfn, Level level, Alias alias) {
        return fmt::format("{} at {}", system().gpaText(gfn, alias), levelName(level));
    };
    switch (kind) {
    case FrameKind::Free: break;
    case FrameKind::Table: {
        view.kind = FrameView::Kind::Kvm;
        const MmuPage page = kvm.peekPage(pfn);
        if (page.role == 0)
            break;
        const char* what = page.isMirror() ? "mirror" : "direct";
        const std::optional<u64> references = rootCount(pfn);
        view.use = page.ptep ? fmt::format("{} table of {}", what,
                                           entryText(page.gfn, above(page.level()), page.isMirror() ? Alias::Private : Alias::Shared))
                             : fmt::format("{} root{}", what, references ? ", " + counted(*references, "reference") : "");
        break;
    }
    case FrameKind::ExternalTable: {
        view.kind = FrameView::Kind::External;
        const MmuPage page = kvm.peekPage(kvm.mirrorOfExternal(pfn));
        view.use = fmt::format("secure EPT page of {}", entryText(page.gfn, above(page.level()), Alias::Private));
        break;
    }
    case FrameKind::HostPage:
    case FrameKind::Gmem: {
        view.kind = kind == FrameKind::HostPage ? FrameView::Kind::Shared : FrameView::Kind::Private;
        if (const auto gfn = kvm.gfnOfGuestMemory(pfn))
            view.use = fmt::format("{}, {} references", system().gpaText(*gfn, kind == FrameKind::Gmem ? Alias::Private : Alias::Shared),
                                   frames.references(pfn));
        break;
    }
    case FrameKind::TdxControl: view.kind = FrameView::Kind::Control; break;
    case FrameKind::Raw: view.kind = FrameView::Kind::Raw; break;
    case FrameKind::PamtPage:
        view.kind = FrameView::Kind::Pamt;
        view.use = "in a vCPU's pamt_cache";
        break;
    case FrameKind::Reserved:
    case FrameKind::Cache:
    case FrameKind::Count_: view.kind = FrameView::Kind::Other; break;
    }
    if (system().isTdx()) {
        Level size = Level::k4K;
        const u64 word = system().module().peekPamt(pfn, &size);
        view.pamt = std::string(mirrorscope::name(pamt::type(word))) + (size == Level::k4K ? "" : " " + std::string(levelName(size)));
        if (pamt::owner(word).v != 0 && pamt::type(word) != PageType::Nda)
            view.owner = fmt::format("TDR {:x}", pamt::owner(word).v);
        if (pamt::type(word) == PageType::Reg || pamt::type(word) == PageType::Ept)
            view.bepoch = system().machine().peek(system().module().pamtEntry(pfn, size) + 1);
    }
    if (system().isTdx() && system().config().has(Feature::DynamicPamt)) {
        const TdxModule& module = system().module();
        if (const auto first = module.servedBy(pfn)) {
            view.use = fmt::format("PAMT entries of pfn {:#x} to {:#x}", first->v, first->v + 511);
            view.pamt = name(PageType::Pamt);
        } else if (!module.pairOf(pfn)) {
            view.pamt = "none: its 2M has no PAMT pages";
        }
    }
    if (position() > 0)
        system().machine().forEachChange(position() - 1, [&](Place place, u64) {
            view.changed |= place == frames.meta(pfn) || (system().isTdx() && place == system().module().pamt4k(pfn));
        });
    return view;
}

} // namespace mirrorscope
