// SPDX-License-Identifier: GPL-3.0-or-later
// A text as its lines, to be looked at or tampered with, and back.
#pragma once

#include "trace/input.h"

#include <sstream>
#include <string>
#include <vector>

namespace mirrorscope::test {

inline std::vector<std::string> linesOf(const std::string& text) {
    std::vector<std::string> lines;
    std::istringstream in(text);
    for (std::string line; std::getline(in, line);)
        lines.push_back(line);
    return lines;
}

// Of a recording, plain or packed.
inline std::vector<std::string> linesOfFile(const std::string& file) {
    TraceInput input(file);
    std::string text;
    for (std::string_view part = input.read(); !part.empty(); part = input.read())
        text += part;
    return linesOf(text);
}

inline std::string joined(const std::vector<std::string>& lines) {
    std::string text;
    for (const std::string& line : lines)
        text += line + "\n";
    return text;
}

} // namespace mirrorscope::test
