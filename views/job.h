// SPDX-License-Identifier: GPL-3.0-or-later
// A scenario is read and run beside the window: a long run is handed over twice, its beginning at once and all of it when it is complete.
#pragma once

#ifndef Q_MOC_RUN // moc 6.4 cannot parse the concepts of libstdc++
#include "session/session.h"
#include "trace/findings.h"
#include "trace/input.h"
#endif
#include "views/worker.h"

#include <QString>

#include <variant>

namespace mirrorscope::views {

// Is that text of a trace, and no scenario and no single line?
bool isRecordingText(const QString& text);

// Reads and runs a scenario. `loaded` or `failed` is emitted in the thread that owns the job.
class LoadJob : public QObject {
    Q_OBJECT
public:
    explicit LoadJob(QObject* parent = nullptr) : QObject(parent) {}
    // A scenario, or a kernel that was recorded. Cancels what is running. Of a run that is longer than `kFirst` micro-steps, or a recording
    // of more events, its beginning is handed over before the rest is run, or read.
    void start(const QString& file, const std::vector<Override>& overrides = {});
    // The same of a text that is in no file; `name` stands for it in messages.
    void startText(const QString& name, const QString& text, bool previews, const std::vector<Override>& overrides = {});
    static constexpr u64 kFirst = 100'000;
    void cancel() { worker_.cancel(); }
    bool running() const { return worker_.running(); }
    // Micro-steps so far.
    u64 steps() const { return steps_ ? steps_->load() : 0; }
    // After `previewed` or `loaded`: the session, once.
    std::unique_ptr<Session> take() { return std::move(result_); }

Q_SIGNALS:
    // The beginning of the run is there; `loaded` follows when all of it is.
    void previewed();
    void loaded();
    void failed(QString message, unsigned line, unsigned column);

private:
    // What is loaded: found out, and read, beside the window.
    struct Recording {
        std::function<std::unique_ptr<TraceInput>()> open;
        TraceKernel kernel = TraceKernel::Any;
        bool again = true; // it can be read twice
    };
    using Source = std::variant<Scenario, Recording>;
    void run(std::function<Source()> read, bool previews);

    std::shared_ptr<std::atomic<u64>> steps_;
    std::unique_ptr<Session> result_;
    Worker worker_;
};

} // namespace mirrorscope::views
