// SPDX-License-Identifier: GPL-3.0-or-later
#include "application.h"

#include <QString>

namespace mirrorscope::app {

namespace {
QtMessageHandler before = nullptr;

void tell(QtMsgType type, const QMessageLogContext& context, const QString& message) {
    for (const char* known : {"XDG_RUNTIME_DIR", "propagateSizeHints"})
        if (message.contains(known))
            return;
    before(type, context, message);
}
} // namespace

// Before Qt asks for anything.
int& Application::arguments(const char* platform) {
    if (platform != nullptr)
        qputenv("QT_QPA_PLATFORM", platform);
    before = qInstallMessageHandler(tell);
    static int count = 1;
    return count;
}

Application::Application(const char* platform) : application_(arguments(platform), argv_) {}

} // namespace mirrorscope::app
