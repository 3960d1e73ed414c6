// SPDX-License-Identifier: GPL-3.0-or-later
#include "session/style.h"

namespace mirrorscope {

namespace {
enum Index { kNone, kTable, kPrivateLeaf, kSharedLeaf, kFrozen, kZapped, kPending, kBlocked, kTableBlocked, kMmio, kOther };
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
};
} // namespace

std::span<const StateStyle> stateStyles() { return std::span(kStyles).first(kOther); }

const StateStyle& styleOf(Column column, const TreeCell& cell) {
    if (cell.zapped)
        return kStyles[kZapped];
    if (column == Column::Private) {
        switch (cell.sept) {
        case SeptState::Free: return kStyles[kNone];
        case SeptState::Table: return kStyles[kTable];
        case SeptState::TableBlocked: return kStyles[kTableBlocked];
        case SeptState::Mapped: return kStyles[kPrivateLeaf];
        case SeptState::Pending: return kStyles[kPending];
        case SeptState::Blocked:
        case SeptState::PendingBlocked: return kStyles[kBlocked];
        case SeptState::Other:
        case SeptState::Count_: break;
        }
        return kStyles[kOther];
    }
    switch (cell.spte) {
    case SpteState::None: return kStyles[kNone];
    case SpteState::Table: return kStyles[kTable];
    case SpteState::Leaf: return kStyles[column == Column::Mirror ? kPrivateLeaf : kSharedLeaf];
    case SpteState::Frozen: return kStyles[kFrozen];
    case SpteState::Mmio: return kStyles[kMmio];
    case SpteState::Count_: break;
    }
    return kStyles[kOther];
}

} // namespace mirrorscope
