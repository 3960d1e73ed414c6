// SPDX-License-Identifier: GPL-3.0-or-later
// Unusable input: one line with file, line, column, what is wrong and what was probably meant.
#pragma once

#include <stdexcept>
#include <string>

namespace mirrorscope {

// Thrown by the reader and the binder, caught at the door of the program and by the editor.
struct InputError : std::runtime_error {
    InputError(const std::string& inFile, unsigned atLine, unsigned atColumn, const std::string& what)
        : std::runtime_error(inFile + ":" + std::to_string(atLine) + ":" + std::to_string(atColumn) + ": " + oneLine(what)), file(inFile),
          line(atLine), column(atColumn), message(oneLine(what)) {}
    std::string file;
    unsigned line; // from 1
    unsigned column;
    std::string message;

private:
    // A word of the file may hold anything, and be as long as it likes.
    static std::string oneLine(std::string text) {
        for (char& c : text)
            if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
                c = ' ';
        constexpr std::size_t kLongest = 300;
        if (text.size() > kLongest)
            text = text.substr(0, kLongest / 2) + " … " + text.substr(text.size() - kLongest / 2);
        return text;
    }
};

} // namespace mirrorscope
