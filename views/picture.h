// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <string>

namespace mirrorscope::views {

// Paints an SVG at twice its size; makes an application without a display if there is none. Throws std::runtime_error.
void svgToPng(const std::string& svg, const std::string& file);

} // namespace mirrorscope::views
