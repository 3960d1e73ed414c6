// SPDX-License-Identifier: GPL-3.0-or-later
#include "views/script/check_job.h"

#include "scenario/scenario.h"

#include <QMetaObject>

namespace mirrorscope::views {

CheckJob::CheckJob(QObject* parent) : QObject(parent) {}

CheckJob::~CheckJob() {
    if (thread_.joinable())
        thread_.join();
}

void CheckJob::check(const QString& name, const QString& text) {
    waiting_ = {name, text};
    if (!running_)
        start();
}

void CheckJob::start() {
    if (thread_.joinable())
        thread_.join();
    running_ = true;
    thread_ = std::thread([this, name = waiting_->first.toStdString(), text = waiting_->second.toStdString()] {
        QString message;
        unsigned line = 0, column = 0;
        try {
            bindScenario(name, text);
        } catch (const InputError& error) {
            message = QString::fromStdString(error.what());
            line = error.line;
            column = error.column;
        } catch (const std::exception& error) {
            message = QString::fromStdString(error.what());
        }
        QMetaObject::invokeMethod(
            this,
            [this, message, line, column] {
                running_ = false;
                // Of a text that was overtaken nothing is said.
                if (waiting_)
                    start();
                else
                    Q_EMIT checked(message, line, column);
            },
            Qt::QueuedConnection);
    });
    waiting_.reset();
}

} // namespace mirrorscope::views
