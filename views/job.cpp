// SPDX-License-Identifier: GPL-3.0-or-later
#include "views/job.h"

namespace mirrorscope::views {

void LoadJob::start(const QString& file) {
    run([name = file.toStdString()] { return loadScenario(name); });
}

void LoadJob::startText(const QString& name, const QString& text) {
    run([name = name.toStdString(), text = text.toStdString()] { return bindScenario(name, text); });
}

void LoadJob::run(std::function<Scenario()> read) {
    steps_ = std::make_shared<std::atomic<u64>>(0);
    worker_.start([this, read = std::move(read), steps = steps_](const Worker::Task& task) -> std::function<void()> {
        auto session = std::make_shared<std::unique_ptr<Session>>();
        QString error;
        unsigned line = 0, column = 0;
        try {
            *session = std::make_unique<Session>(read(),
                                                 RunOptions{.cancelled =
                                                                [cancelled = task.cancelled(), steps] {
                                                                    *steps += RunOptions::kAskedEvery;
                                                                    return cancelled->load();
                                                                }},
                                                 true);
        } catch (const InputError& e) {
            error = QString::fromStdString(e.what());
            line = e.line;
            column = e.column;
        } catch (const std::exception& e) {
            error = QString::fromStdString(e.what());
        }
        return [this, session, error, line, column] {
            result_ = std::move(*session);
            if (result_)
                Q_EMIT loaded();
            else
                Q_EMIT failed(error, line, column);
        };
    });
}

} // namespace mirrorscope::views
