// SPDX-License-Identifier: GPL-3.0-or-later
#include "views/script/check_job.h"

#include "scenario/scenario.h"

namespace mirrorscope::views {

void CheckJob::check(const QString& name, const QString& text) {
    waiting_ = {name, text};
    if (!worker_.running())
        start();
}

void CheckJob::start() {
    worker_.start(
        [this, name = waiting_->first.toStdString(), text = waiting_->second.toStdString()](const Worker::Task&) -> std::function<void()> {
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
            return [this, message, line, column] {
                // Of a text that was overtaken nothing is said.
                if (waiting_)
                    start();
                else
                    Q_EMIT checked(message, line, column);
            };
        });
    waiting_.reset();
}

} // namespace mirrorscope::views
