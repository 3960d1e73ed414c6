// SPDX-License-Identifier: GPL-3.0-or-later
// The toolbar's icons, painted: no icon theme has to be installed.
#pragma once

#include <QColor>
#include <QIcon>

namespace mirrorscope::views {

enum class IconKind { Restart, RunBack, ScriptBack, MicroBack, MicroForward, ScriptForward, Run, Breakpoint, Open, Theme };

QIcon makeIcon(IconKind kind, const QColor& ink, const QColor& accent);

} // namespace mirrorscope::views
