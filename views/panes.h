// SPDX-License-Identifier: GPL-3.0-or-later
// The panes around the trees, as data: docks, tabs, layouts, the round of the focus and the manual's headings are made from this table.
#pragma once

#include <qnamespace.h>

#include <array>
#include <span>

namespace mirrorscope::views {

// Arrangements of the panes for a purpose.
enum class Layout : unsigned char { Debug, Teach, Review, Trace };
inline constexpr unsigned kLayouts = 4;

enum class Shown : unsigned char {
    No,
    Yes,
    Front // of the panes in its place
};

struct PaneInfo {
    const char* id; // in the settings file, of `--pane`
    const char* title;
    Qt::DockWidgetArea area;
    const char* manual; // the heading that is about it
    std::array<Shown, kLayouts> layouts;
    Shown in(Layout layout) const { return layouts[static_cast<unsigned>(layout)]; }
};

// In the order of their tabs, and of the focus.
std::span<const PaneInfo> paneTable();

} // namespace mirrorscope::views
