// SPDX-License-Identifier: GPL-3.0-or-later
// Unusable input: one line with file, line, column, what is wrong and what was probably meant.
#pragma once

#include <stdexcept>
#include <string>

namespace mirrorscope {

// Thrown by the reader and the binder, caught at the door of the program and by the editor.
struct InputError : std::runtime_error {
    InputError(const std::string& inFile, unsigned atLine, unsigned atColumn, const std::string& what)
        : std::runtime_error(inFile + ":" + std::to_string(atLine) + ":" + std::to_string(atColumn) + ": " + what), file(inFile),
          line(atLine), column(atColumn), message(what) {}
    std::string file;
    unsigned line; // from 1
    unsigned column;
    std::string message;
};

} // namespace mirrorscope
