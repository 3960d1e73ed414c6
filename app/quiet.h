// SPDX-License-Identifier: GPL-3.0-or-later
// What Qt says of the desktop and not of the program stays out of the terminal.
#pragma once

namespace mirrorscope::app {

void keepQtQuiet();

} // namespace mirrorscope::app
