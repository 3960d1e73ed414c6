// SPDX-License-Identifier: GPL-3.0-or-later
// How states look: sign, name and the colours of the Okabe-Ito palette, one table for window, SVG, text and legend.
#pragma once

#include "session/session.h"

#include <span>
#include <string_view>

namespace mirrorscope {

struct StateStyle {
    std::string_view name;
    std::string_view sign;
    std::string_view light, dark; // #rrggbb
    enum class Hatch : u8 { None, Rising, Falling } hatch = Hatch::None;
    std::string_view help;
};

// Of an entry as it is shown: a zapped one looks zapped as long as it fades.
const StateStyle& styleOf(Column column, const TreeCell& cell);
// Every state, for the legend.
std::span<const StateStyle> stateStyles();

} // namespace mirrorscope
