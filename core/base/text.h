// SPDX-License-Identifier: GPL-3.0-or-later
// Small text helpers that every front end shares: hex, binary sizes, "did you mean".
#pragma once

#include "base/types.h"

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace mirrorscope {

// 0x-prefixed lower-case hex without leading zeros.
std::string hex(u64 value);
// 0x-prefixed, always 16 digits: for raw entries.
std::string hex16(u64 value);
// "4K", "2M", "1G", "512G", "256T".
std::string_view levelName(Level level);
std::optional<Level> levelFromName(std::string_view name);
// 4096 -> "4K", 0x201000 -> "2052K".
std::string sizeText(u64 bytes);
// Decimal or 0x hex with an optional suffix K M G T; nothing when it is no number or passes 64 bits.
std::optional<u64> parseNumber(std::string_view text);
// "0x4000", and "0x4000 in SMM" in the second address space.
std::string gpaHex(Gfn gfn);
// "private 0x4000": a GPA is always shown with its alias.
std::string aliasedGpa(Gfn gfn, Alias alias);
// How long it is, in characters (of UTF-8), not in bytes.
std::size_t characters(std::string_view text);
// Broken at blanks into lines of at most `width` characters, at least one line. A word that is longer is broken, too.
std::vector<std::string> linesWithin(std::string_view text, std::size_t width);
// For a shell, in single quotes, which have no escape of their own.
std::string singleQuoted(std::string_view text);
// `text` in lines of at most 78 columns (characters, not bytes): the first begins with `first`, the others with `indent` blanks. Ends
// with a newline. Where `first` leaves too little room, such as a long path, the text begins below it.
std::string wrapped(std::string_view text, std::string_view first, std::size_t indent);
// "1 table", "2 tables"; "1 entry", "2 entries" with `many` where that is not `one` and an s.
std::string counted(u64 n, std::string_view one, std::string_view many = {});
// With what XML and HTML take for their own written otherwise.
std::string xmlText(std::string_view text);
// The candidate with the smallest edit distance, if it is near enough to have been meant.
std::optional<std::string> nearest(std::string_view word, std::span<const std::string_view> candidates);

} // namespace mirrorscope
