// SPDX-License-Identifier: GPL-3.0-or-later
#include "quiet.h"

#include <QString>

#include <cstdio>

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

void keepQtQuiet() { before = qInstallMessageHandler(tell); }

} // namespace mirrorscope::app
