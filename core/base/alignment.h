// SPDX-License-Identifier: GPL-3.0-or-later
// What two sequences of texts have in common, in order: of what was told by two runs, of the lines of a text before and after it was
// edited.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace mirrorscope {

struct Alignment {
    std::vector<std::pair<std::size_t, std::size_t>> common; // as many pairs as can be, ascending in both
    bool whole = true; // false: between the common beginning and the common end there is more than was compared
};

Alignment alignmentOf(std::span<const std::string_view> a, std::span<const std::string_view> b);

} // namespace mirrorscope
