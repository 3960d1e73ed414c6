// SPDX-License-Identifier: GPL-3.0-or-later
// The QApplication of a process that shows windows, on a display or nowhere. What Qt says of the desktop and not of the program stays out
// of the terminal.
#pragma once

#include <QApplication>

namespace mirrorscope::app {

class Application {
public:
    // `platform`: Qt's, such as "offscreen"; null: that of the desktop.
    explicit Application(const char* platform = nullptr);
    Application(const Application&) = delete;
    Application& operator=(const Application&) = delete;

private:
    static int& arguments(const char* platform); // their number

    char name_[12] = "mirrorscope";
    char* argv_[2] = {name_, nullptr};
    QApplication application_;
};

} // namespace mirrorscope::app
