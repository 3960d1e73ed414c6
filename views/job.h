// SPDX-License-Identifier: GPL-3.0-or-later
// One long piece of work beside the window: it runs in a thread over its own machine and hands its result over by value.
#pragma once

#ifndef Q_MOC_RUN // moc 6.4 cannot parse the concepts of libstdc++
#include "session/session.h"
#endif

#include <QObject>
#include <QString>

#include <atomic>
#include <functional>
#include <memory>
#include <thread>

namespace mirrorscope::views {

// Reads and runs a scenario. `loaded` or `failed` is emitted in the thread that owns the job.
class LoadJob : public QObject {
    Q_OBJECT
public:
    explicit LoadJob(QObject* parent = nullptr);
    ~LoadJob() override;
    // Cancels what is running.
    void start(const QString& file);
    // The same of a text that is in no file; `name` stands for it in messages.
    void startText(const QString& name, const QString& text);
    void cancel();
    bool running() const { return running_; }
    // Micro-steps so far.
    u64 steps() const { return steps_ ? steps_->load() : 0; }
    // After `loaded`: the session, once.
    std::unique_ptr<Session> take() { return std::move(result_); }

Q_SIGNALS:
    void loaded();
    void failed(QString message, unsigned line, unsigned column);

private:
    void run(std::function<Scenario()> read);

    std::thread thread_;
    std::shared_ptr<std::atomic<bool>> cancel_;
    std::shared_ptr<std::atomic<u64>> steps_;
    std::unique_ptr<Session> result_;
    unsigned generation_ = 0;
    bool running_ = false;
};

} // namespace mirrorscope::views
