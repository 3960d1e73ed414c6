// SPDX-License-Identifier: GPL-3.0-or-later
// What a map of the address space shows, as plain values that a painter draws: how high each state stands in a column, where the axis has
// marks, what is flagged because it changed, went away or is in violation. Columns are the buckets of a MapStrip.
#pragma once

#include "session/gpa_map.h"
#include "session/style.h"

#include <array>
#include <optional>
#include <string>
#include <vector>

namespace mirrorscope {

// From the bottom of a column to its top; what is rare lies above what is common.
inline constexpr std::array kMapOrder{kStyleTable,   kStylePrivateLeaf,  kStyleSharedLeaf, kStyleMmio,    kStylePending,
                                      kStyleBlocked, kStyleTableBlocked, kStyleOther,      kStyleUnknown, kStyleFrozen};

// The state kMapOrder[k] stands from edges[k] to edges[k + 1], in pixels from the bottom; not at all where they are equal.
struct MapColumn {
    std::array<int, kMapOrder.size() + 1> edges{};
    // The state at that height; nothing above all of them.
    std::optional<StyleIndex> at(int y) const;
};
// `pages`: that the strip spans. States whose bit is set in `dimmed` are left out. A single page among thousands is seen, too.
std::vector<MapColumn> columnsOf(const MapStrip& strip, u64 pages, int height, u32 dimmed);

// Pages at powers of two, at least `apart` pixels from each other, with their addresses, and with the size that they are from the
// beginning where that is a round one ("0x40000000 = 1G").
struct MapTick {
    double page = 0;
    std::string label;
};
// `start`, `span`, `whole`: in pages; `width`: of them, in pixels.
std::vector<MapTick> mapTicks(double start, double span, double whole, double width, double apart);

// The gravest of what happened in a bucket.
enum class MapFlag : u8 { None, Changed, Zapped, Violation };
MapFlag flagOf(const MapBucket& bucket);
// Does any bucket have an entry, or a flag?
bool hasAnything(const MapStrip& strip);

// An entry that translates a part of the range, or a range that no table holds.
struct MapEntry {
    Gfn gfn;
    Level level = Level::k1G;
    std::optional<TreeCell> cell;
    u64 end() const { return gfn.v + pagesPer(level); }
};
// Those from `first` to before `last`, without gap; costs what it returns.
std::vector<MapEntry> entriesBetween(const Session& session, Column column, u64 first, u64 last);

} // namespace mirrorscope
