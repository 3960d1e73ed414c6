// SPDX-License-Identifier: GPL-3.0-or-later
// What a position, or the whole run, can be written as: one row each. The command line, the menu and the palette are made of it.
#pragma once

#include "session/session.h"

#include <functional>
#include <span>
#include <string>
#include <string_view>

namespace mirrorscope {

struct ExportInfo {
    std::string_view id;     // as `export --as` has it
    std::string_view menu;   // "Text, 78 columns…"
    std::string_view suffix; // of the file
    // Hands the content over piece by piece; the session stands at the position. Null: made of the SVG by who can draw (views/picture.h).
    void (*write)(Session& session, const std::function<void(const std::string&)>& piece);
    // The same of what lies between two positions (`--range`). Null: there is no such thing.
    void (*writeRange)(Session& session, u64 from, u64 to, const std::function<void(const std::string&)>& piece) = nullptr;
};
std::span<const ExportInfo> exportTable();
const ExportInfo* exportOf(std::string_view id);

} // namespace mirrorscope
