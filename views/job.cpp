// SPDX-License-Identifier: GPL-3.0-or-later
#include "views/job.h"

#include <QMetaObject>

namespace mirrorscope::views {

LoadJob::LoadJob(QObject* parent) : QObject(parent) {}

LoadJob::~LoadJob() { cancel(); }

void LoadJob::cancel() {
    if (cancel_)
        *cancel_ = true;
    if (thread_.joinable())
        thread_.join();
    running_ = false;
    ++generation_;
}

void LoadJob::start(const QString& file) {
    run([name = file.toStdString()] { return loadScenario(name); });
}

void LoadJob::startText(const QString& name, const QString& text) {
    run([name = name.toStdString(), text = text.toStdString()] { return bindScenario(name, text); });
}

void LoadJob::run(std::function<Scenario()> read) {
    cancel();
    cancel_ = std::make_shared<std::atomic<bool>>(false);
    steps_ = std::make_shared<std::atomic<u64>>(0);
    running_ = true;
    const unsigned generation = generation_;
    thread_ = std::thread([this, generation, read = std::move(read), cancelled = cancel_, steps = steps_] {
        auto session = std::make_shared<std::unique_ptr<Session>>();
        QString error;
        unsigned line = 0, column = 0;
        try {
            *session = std::make_unique<Session>(read(), RunOptions{.cancelled = [cancelled, steps] {
                                                     *steps += RunOptions::kAskedEvery;
                                                     return cancelled->load();
                                                 }});
        } catch (const InputError& e) {
            error = QString::fromStdString(e.what());
            line = e.line;
            column = e.column;
        } catch (const std::exception& e) {
            error = QString::fromStdString(e.what());
        }
        QMetaObject::invokeMethod(
            this,
            [this, generation, session, error, line, column] {
                if (generation != generation_)
                    return; // another file was asked for meanwhile
                running_ = false;
                result_ = std::move(*session);
                if (result_)
                    Q_EMIT loaded();
                else
                    Q_EMIT failed(error, line, column);
            },
            Qt::QueuedConnection);
    });
}

} // namespace mirrorscope::views
