// SPDX-License-Identifier: GPL-3.0-or-later
// The core's UTF-8 as the window's text.
#pragma once

#include <QString>

#include <string_view>

namespace mirrorscope::views {

inline QString text(std::string_view utf8) { return QString::fromUtf8(utf8.data(), static_cast<qsizetype>(utf8.size())); }

} // namespace mirrorscope::views
