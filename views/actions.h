// SPDX-License-Identifier: GPL-3.0-or-later
// What the user can do, as data: name, keys, icon, help. Menus, the toolbar, the palette and the list of keys are made from this table.
#pragma once

#include "views/theme/icons.h"

#include <optional>
#include <span>

namespace mirrorscope::views {

enum class Command {
    New,
    Open,
    Library,
    Save,
    SaveAs,
    Reload,
    Record,
    Quit,
    Rerun,
    Undo,
    Redo,
    CopyText,
    Find,
    Replace,
    GoTo,
    Palette,
    NextPane,
    PreviousPane,
    Restart,
    RunBack,
    ScriptBack,
    MicroBack,
    MicroForward,
    ScriptForward,
    Run,
    OverCall,
    OverCallBack,
    OutOfCall,
    OutOfCallBack,
    RunToCursor,
    BreakLine,
    BreakEntry,
    ClearBreaks,
    Console,
    Explore,
    WhatIf,
    NextVariant,
    Compare,
    DoAgain,
    Back,
    Forward,
    NextChange,
    PreviousChange,
    Writer,
    NextFrozen,
    PreviousFrozen,
    NextViolation,
    PreviousViolation,
    NextSameSite,
    PreviousSameSite,
    MarkA,
    MarkB,
    ClearMarks,
    Bookmark,
    FormList,
    FormNodes,
    FormMap,
    NextForm,
    ShowAllStates,
    Matrix,
    ToggleTheme,
    HighContrast,
    ZoomIn,
    ZoomOut,
    ZoomReset,
    Presentation,
    FullScreen,
    PresetDebug,
    PresetTeach,
    PresetReview,
    PresetTrace,
    Manual,
    Glossary,
    Explain,
    Help,
    Keys,
    FrameTimes,
    About,
};

struct CommandInfo {
    Command command;
    const char* id; // in the settings file
    const char* menu;
    const char* name;
    const char* keys; // "Ctrl+F5; R": any of them
    const char* help;
    std::optional<IconKind> icon;
    bool inToolbar;
    bool needsSession = false; // without one it does nothing
};

std::span<const CommandInfo> commandTable();
// Its row.
const CommandInfo& commandInfo(Command command);

} // namespace mirrorscope::views
