// SPDX-License-Identifier: GPL-3.0-or-later
// What the user can do, as data: name, keys, icon, help. Menus, the toolbar and the list of keys are made from this table.
#pragma once

#include "views/theme/icons.h"

#include <optional>
#include <span>

namespace mirrorscope::views {

enum class Command {
    Open,
    Reload,
    Quit,
    Restart,
    RunBack,
    ScriptBack,
    MicroBack,
    MicroForward,
    ScriptForward,
    Run,
    BreakLine,
    BreakEntry,
    ClearBreaks,
    NextChange,
    PreviousChange,
    Writer,
    GoTo,
    Explore,
    Matrix,
    ToggleTheme,
    ZoomIn,
    ZoomOut,
    ZoomReset,
    Keys,
    About,
};

struct CommandInfo {
    Command command;
    const char* menu;
    const char* name;
    const char* keys; // "Ctrl+F5; R": any of them
    const char* help;
    std::optional<IconKind> icon;
    bool inToolbar;
};

std::span<const CommandInfo> commandTable();

} // namespace mirrorscope::views
