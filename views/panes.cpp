// SPDX-License-Identifier: GPL-3.0-or-later
#include "views/panes.h"

namespace mirrorscope::views {

std::span<const PaneInfo> paneTable() {
    constexpr auto kLeft = Qt::LeftDockWidgetArea, kRight = Qt::RightDockWidgetArea, kBelow = Qt::BottomDockWidgetArea;
    constexpr auto N = Shown::No, Y = Shown::Yes, F = Shown::Front;
    // Titles are translated where they are shown, with the context "panes". Layouts: debug, teach, review, trace.
    // clang-format off
    static const PaneInfo table[] = {
        {"story", "Story", kLeft, "The window", {F, F, N, N}},
        {"script", "Script", kLeft, "The script", {Y, N, F, N}},
        {"inspector", "Inspector", kRight, "The trees", {F, N, Y, F}},
        {"td", "TD", kRight, "The trees", {Y, N, N, N}},
        {"frames", "Frames", kRight, "The trees", {Y, N, N, N}},
        {"tlb", "TLB", kRight, "The trees", {Y, N, N, N}},
        {"explore", "Explore", kRight, "Exploring", {Y, N, F, N}},
        {"timeline", "Timeline", kBelow, "Time", {F, F, Y, F}},
        {"events", "Events", kBelow, "Finding", {Y, N, N, Y}},
        {"console", "Console", kBelow, "The console", {Y, N, N, N}},
        {"stops", "Breakpoints", kBelow, "Breakpoints", {Y, N, N, N}},
        {"ends", "Ends", kBelow, "Exploring", {Y, N, Y, N}},
        {"review", "Review", kBelow, "Review tables", {Y, N, Y, N}},
        {"charts", "Charts", kBelow, "Finding", {Y, N, N, Y}},
        {"difference", "Difference", kBelow, "Time", {Y, N, F, Y}},
        {"bookmarks", "Bookmarks", kBelow, "Time", {Y, N, N, Y}},
        {"visits", "Visits", kBelow, "Back and forward", {Y, N, N, N}},
    };
    // clang-format on
    return table;
}

} // namespace mirrorscope::views
