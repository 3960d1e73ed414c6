// SPDX-License-Identifier: GPL-3.0-or-later
#include "views/actions.h"

namespace mirrorscope::views {

std::span<const CommandInfo> commandTable() {
    using C = Command;
    using I = IconKind;
    static const CommandInfo table[] = {
        {C::Open, "&File", "&Open…", "Ctrl+O", "open a scenario", I::Open, true},
        {C::Reload, "&File", "Re&load", "Ctrl+Shift+R", "read the file again", {}, false},
        {C::Quit, "&File", "&Quit", "Ctrl+Q", "close the window", {}, false},
        {C::Restart, "&Run", "Restart", "Ctrl+Shift+F5", "go to position 0", I::Restart, true},
        {C::RunBack, "&Run", "Run back", "Ctrl+F5; R", "back to the breakpoint before, or to the start", I::RunBack, true},
        {C::ScriptBack, "&Run", "Script step back", "Ctrl+Shift+F10", "back to the script step before", I::ScriptBack, true},
        {C::MicroBack, "&Run", "Micro-step back", "Ctrl+F11", "undo one micro-step", I::MicroBack, true},
        {C::MicroForward, "&Run", "Micro-step", "F11", "take one micro-step", I::MicroForward, true},
        {C::ScriptForward, "&Run", "Script step", "F10", "run to the next step of the script", I::ScriptForward, true},
        {C::Run, "&Run", "Run", "F5", "run to the next breakpoint, or to the end", I::Run, true},
        {C::BreakLine, "&Run", "Breakpoint at the line", "F9", "stop when the step of this line begins", I::Breakpoint, true},
        {C::BreakEntry, "&Run", "Breakpoint on the entry", "Ctrl+F9", "stop when the selected entry changes", {}, false},
        {C::Explore, "&Run", "Explore every interleaving", "Ctrl+E", "run all orders of the races, or end that", {}, false},
        {C::ClearBreaks, "&Run", "Clear breakpoints", "Ctrl+Shift+F9", "remove them all", {}, false},
        {C::NextChange, "&Go", "Next change of the entry", "N", "where the selected entry changes next", {}, false},
        {C::PreviousChange, "&Go", "Previous change of the entry", "Shift+N", "where the selected entry changed before", {}, false},
        {C::Writer, "&Go", "Who wrote this", "W", "the micro-step that wrote the selected entry", {}, false},
        {C::GoTo, "&Go", "Go to position…", "Ctrl+G", "type a position, or a site such as spte.freeze", {}, false},
        {C::Matrix, "&View", "SEAMCALL matrix…", "Ctrl+M", "what each leaf of the TDX module says on each entry state", {}, false},
        {C::ToggleTheme, "&View", "Dark or light", "Ctrl+Shift+L", "change the theme", I::Theme, true},
        {C::ZoomIn, "&View", "Larger text", "Ctrl++; Ctrl+=", "zoom in", {}, false},
        {C::ZoomOut, "&View", "Smaller text", "Ctrl+-", "zoom out", {}, false},
        {C::ZoomReset, "&View", "Normal text", "Ctrl+0", "zoom back", {}, false},
        {C::Keys, "&Help", "Keys", "?; Ctrl+K, Ctrl+S", "the list of keys", {}, false},
        {C::About, "&Help", "About Mirrorscope", "", "version and licence", {}, false},
    };
    return table;
}

} // namespace mirrorscope::views
