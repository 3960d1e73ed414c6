// SPDX-License-Identifier: GPL-3.0-or-later
// What could stand at a place of a scenario's text, and what a word of it means: for editors, from the tables that the parser uses.
// The text need not be valid yet.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace mirrorscope {

struct Completion {
    std::string text; // "punch-hole"
    std::string help;
};

// The words that fit at byte `offset`, those of the table that rules there, whatever has been typed of the word so far.
std::vector<Completion> completionsAt(std::string_view text, std::size_t offset);
// The word at byte `offset` as the language separates words (`punch-hole`, `spte.freeze`, `TDH.MEM.TRACK`).
std::string_view wordAt(std::string_view text, std::size_t offset);
// What a word of the vocabulary means; empty if it is none.
std::string helpOn(std::string_view word);

} // namespace mirrorscope
