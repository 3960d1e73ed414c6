// SPDX-License-Identifier: GPL-3.0-or-later
// What the window remembers: a plain file, ~/.config/Mirrorscope/mirrorscope.ini, described in the manual.
#pragma once

#include <QSettings>

namespace mirrorscope::views {

inline QSettings userSettings() { return {QSettings::IniFormat, QSettings::UserScope, "Mirrorscope", "mirrorscope"}; }

} // namespace mirrorscope::views
