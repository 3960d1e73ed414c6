// SPDX-License-Identifier: GPL-3.0-or-later
#include "application.h"
#include "command.h"

#include "views/main_window.h"

#include <filesystem>

namespace mirrorscope::app {

int openWindow(const std::string& file) {
    if (!file.empty() && !std::filesystem::exists(file))
        throw UsageError(file + ": no such file");
    if (qEnvironmentVariableIsEmpty("DISPLAY") && qEnvironmentVariableIsEmpty("WAYLAND_DISPLAY") &&
        qEnvironmentVariableIsEmpty("QT_QPA_PLATFORM"))
        throw UsageError("there is no display; `mirrorscope run FILE` needs none");
    const Application application;
    QApplication::setApplicationName("Mirrorscope");
    QApplication::setOrganizationName("Mirrorscope");
    views::MainWindow window;
    window.rememberSettings();
    if (file.empty())
        window.openScene(views::MainWindow::firstLesson());
    else
        window.open(QString::fromStdString(file));
    window.show();
    return QApplication::exec();
}

} // namespace mirrorscope::app
