// SPDX-License-Identifier: GPL-3.0-or-later
#include "session/style.h"

#include <fmt/format.h>

namespace mirrorscope {

namespace {
using H = StateStyle::Hatch;
constexpr StateStyle kStyles[] = {
    {"none", "·", "#8C959F", "#6E7681", H::None, "nothing is mapped here; free in the private tree"},
    {"table", "▸", "#56799B", "#8FB4D9", H::None, "leads to a table of the next level"},
    {"leaf", "■", "#0072B2", "#56B4E9", H::None, "a private page, mapped"},
    {"leaf", "□", "#009E73", "#3FD0A5", H::None, "a shared page, mapped"},
    {"frozen", "❄", "#00A3C4", "#7FE3F5", H::Rising, "another actor is between the two tables"},
    {"zapped", "✕", "#D55E00", "#FF9A57", H::None, "went away within the last micro-steps"},
    {"pending", "◔", "#B58900", "#F0E442", H::None, "added, not yet accepted by the guest"},
    {"blocked", "⊘", "#9A5B00", "#E69F00", H::Falling, "no new translation can be made"},
    {"table-blocked", "⊘", "#9A5B00", "#E69F00", H::Falling, "a table that no walk passes"},
    {"mmio", "M", "#9E5B86", "#CC79A7", H::None, "an access is emulated"},
    {"other", "?", "#57606A", "#8B949E", H::None, "a state of migration"},
    {"unknown", "?", "#57606A", "#8B949E", H::None, "older than the recording: no line has told yet what it holds"},
};
} // namespace

std::span<const StateStyle> stateStyles() { return std::span(kStyles).first(kStyleOther); }

StyleIndex styleIndexOf(Column column, const TreeCell& cell) {
    if (cell.zapped)
        return kStyleZapped;
    if (column == Column::Private) {
        switch (cell.sept) {
        case SeptState::Free: return kStyleNone;
        case SeptState::Table: return kStyleTable;
        case SeptState::TableBlocked: return kStyleTableBlocked;
        case SeptState::Mapped: return kStylePrivateLeaf;
        case SeptState::Pending: return kStylePending;
        case SeptState::Blocked:
        case SeptState::PendingBlocked: return kStyleBlocked;
        case SeptState::Other:
        case SeptState::Count_: break;
        }
        return kStyleOther;
    }
    switch (cell.spte) {
    case SpteState::None: return kStyleNone;
    case SpteState::Table: return kStyleTable;
    case SpteState::Leaf: return column == Column::Mirror || cell.ofGmem ? kStylePrivateLeaf : kStyleSharedLeaf;
    case SpteState::Frozen: return kStyleFrozen;
    case SpteState::Mmio: return kStyleMmio;
    case SpteState::Unknown: return kStyleUnknown;
    case SpteState::Count_: break;
    }
    return kStyleOther;
}

const StateStyle& styleAt(unsigned index) { return kStyles[index]; }

const StateStyle& styleOf(Column column, const TreeCell& cell) { return kStyles[styleIndexOf(column, cell)]; }

std::string cellText(Column column, const TreeCell& cell) {
    if (!cell.exists)
        return "";
    const StateStyle& style = styleOf(column, cell);
    // The secure EPT's own words for nothing and for a leaf.
    const bool own = column == Column::Private && !cell.zapped && (cell.sept == SeptState::Free || cell.sept == SeptState::Mapped);
    std::string text = fmt::format("{} {}", style.sign, own ? name(cell.sept) : style.name);
    if (cell.zapped || cell.pfn.v == 0)
        return text;
    text += fmt::format(" {:x}", cell.pfn.v);
    const bool leaf = column == Column::Private ? cell.sept == SeptState::Mapped : cell.spte == SpteState::Leaf;
    if (leaf)
        text += " " + rightsText(cell.rights);
    return text;
}

std::string rmpText(const RmpView& rmp) {
    return fmt::format("{} {:x}{}", stateName(rmp.entry), rmp.pfn.v, rmp.entry.level == Level::k2M ? " 2M" : "");
}

TreeCell likeRmp(const RmpView& rmp) {
    TreeCell cell;
    cell.exists = true;
    cell.changed = rmp.changed;
    cell.sept = !rmp.entry.assigned ? SeptState::Free : rmp.entry.validated ? SeptState::Mapped : SeptState::Pending;
    return cell;
}

std::vector<std::string_view> columnTitles(const Session& session) {
    if (session.hasColumn(Column::Mirror))
        return {treeName(Column::Shared), treeName(Column::Mirror), treeName(Column::Private)};
    return session.hasRmp() ? std::vector<std::string_view>{"direct", "RMP"} : std::vector<std::string_view>{"direct"};
}

StepGroup groupOf(Site site) {
    switch (site) {
    case Site::SpteRead:
    case Site::RootGet:
    case Site::SeptRead: return StepGroup::Walk;
    case Site::SpteCmpxchg:
    case Site::SpteStore:
    case Site::SpteFreeze:
    case Site::SpteSet:
    case Site::RootPut:
    case Site::RootList:
    case Site::RootInvalidate:
    case Site::SpteRestore: return StepGroup::Entry;
    case Site::SeamcallEnter:
    case Site::SeamcallLeave:
    case Site::SeptLock:
    case Site::SeptSet:
    case Site::PamtSet:
    case Site::PamtRef:
    case Site::EpochAdvance:
    case Site::EpochSample:
    case Site::TdcallEnter:
    case Site::TdcallLeave:
    case Site::RmpSet: return StepGroup::Seamcall;
    case Site::LockAcquire:
    case Site::LockRelease:
    case Site::SeqRead:
    case Site::SeqBegin:
    case Site::NotifierCount:
    case Site::StoreDrain:
    case Site::Fence:
    case Site::SeqEnd: return StepGroup::Lock;
    case Site::EptWalk:
    case Site::EptAd:
    case Site::TlbFill:
    case Site::TlbHit:
    case Site::TlbEvict:
    case Site::TlbFlush:
    case Site::TlbRequest: return StepGroup::Tlb;
    case Site::VcpuEnter:
    case Site::VcpuMode:
    case Site::KickMode:
    case Site::RequestTake:
    case Site::VcpuExit:
    case Site::KickSend:
    case Site::KickWait:
    case Site::KickAck: return StepGroup::Vcpu;
    case Site::GmemGet:
    case Site::GmemUnlock:
    case Site::AttrRead:
    case Site::SlotRead:
    case Site::SlotSet:
    case Site::SlotGeneration:
    case Site::DirtySet:
    case Site::DirtyTake:
    case Site::DirtyRead:
    case Site::DirtyRingPush:
    case Site::DirtyRingCollect:
    case Site::DirtyRingReset:
    case Site::UffdCopy:
    case Site::GmemRemove:
    case Site::AttrSet:
    case Site::AttrNext:
    case Site::HostFault:
    case Site::HostAccess:
    case Site::HostUnmap:
    case Site::PageAlloc:
    case Site::PageFree: return StepGroup::Memory;
    case Site::RcuEnter:
    case Site::RcuLeave:
    case Site::RcuQueue:
    case Site::RcuFree: return StepGroup::Rcu;
    case Site::SrcuSync: return StepGroup::Rcu;
    case Site::VmState:
    case Site::VmRead:
    case Site::CallEnter:
    case Site::Count_: break;
    }
    return StepGroup::Other;
}

const GroupStyle& styleOf(StepGroup group) {
    static constexpr GroupStyle kGroups[] = {
        {"walk", "#8C959F", "#6E7681"},   {"entry", "#0072B2", "#56B4E9"}, {"SEAMCALL", "#D55E00", "#FF9A57"},
        {"lock", "#9E5B86", "#CC79A7"},   {"TLB", "#B58900", "#F0E442"},   {"vCPU", "#009E73", "#3FD0A5"},
        {"memory", "#56799B", "#8FB4D9"}, {"RCU", "#6B5B95", "#B3A2DB"},   {"other", "#57606A", "#8B949E"},
    };
    return kGroups[static_cast<unsigned>(group)];
}

} // namespace mirrorscope
