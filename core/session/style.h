// SPDX-License-Identifier: GPL-3.0-or-later
// How states look: sign, name and the colours of the Okabe-Ito palette, one table for window, SVG, text and legend.
#pragma once

#include "session/session.h"

#include <span>
#include <string>
#include <string_view>

namespace mirrorscope {

struct StateStyle {
    std::string_view name;
    std::string_view sign;
    std::string_view light, dark; // #rrggbb
    enum class Hatch : u8 { None, Rising, Falling } hatch = Hatch::None;
    std::string_view help;
};

// Indexes into stateStyles().
enum StyleIndex : unsigned {
    kStyleNone,
    kStyleTable,
    kStylePrivateLeaf,
    kStyleSharedLeaf,
    kStyleFrozen,
    kStyleZapped,
    kStylePending,
    kStyleBlocked,
    kStyleTableBlocked,
    kStyleMmio,
    kStyleOther,
    kStyleUnknown
};
StyleIndex styleIndexOf(Column column, const TreeCell& cell);
const StateStyle& styleAt(unsigned index);
// Of an entry as it is shown: a zapped one looks zapped as long as it fades.
const StateStyle& styleOf(Column column, const TreeCell& cell);
// Every state, for the legend.
std::span<const StateStyle> stateStyles();
// "■ leaf 1f40 rwx": sign, name, frame and permissions of an entry.
std::string cellText(Column column, const TreeCell& cell);
// The same of an entry of the RMP, "validated 57"; and the cell of the private tree that it looks like.
std::string rmpText(const RmpView& rmp);
TreeCell likeRmp(const RmpView& rmp);
// What the columns of a picture are called: the trees, and behind an SNP guest's only one the RMP.
std::vector<std::string_view> columnTitles(const Session& session);

// Kinds of micro-steps as the timeline colours them.
enum class StepGroup : u8 { Walk, Entry, Seamcall, Lock, Tlb, Vcpu, Memory, Rcu, Other, Count_ };
inline constexpr unsigned kStepGroups = static_cast<unsigned>(StepGroup::Count_);
struct GroupStyle {
    std::string_view name;
    std::string_view light, dark;
};
StepGroup groupOf(Site site);
const GroupStyle& styleOf(StepGroup group);

} // namespace mirrorscope
