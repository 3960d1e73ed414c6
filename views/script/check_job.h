// SPDX-License-Identifier: GPL-3.0-or-later
// Reads a text as a scenario beside the window, the newest one if several came while it was busy.
#pragma once

#include "views/worker.h"

#include <QString>

#include <optional>

namespace mirrorscope::views {

class CheckJob : public QObject {
    Q_OBJECT
public:
    explicit CheckJob(QObject* parent = nullptr) : QObject(parent) {}
    void check(const QString& name, const QString& text);

Q_SIGNALS:
    // `message` is empty if `run` would take it.
    void checked(QString message, unsigned line, unsigned column);

private:
    void start();
    std::optional<std::pair<QString, QString>> waiting_;
    Worker worker_;
};

} // namespace mirrorscope::views
