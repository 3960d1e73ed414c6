// SPDX-License-Identifier: GPL-3.0-or-later
#include "views/job.h"

#include "trace/recorded.h"

#include <QRegularExpression>

#include <filesystem>

namespace mirrorscope::views {

bool isRecordingText(const QString& text) {
    const QString head = text.left(1 << 16);
    static const QRegularExpression scenario("^(script|machine|title):", QRegularExpression::MultilineOption);
    return head.count('\n') > 1 && !head.contains(scenario) && looksLikeTrace(head.toStdString());
}

void LoadJob::start(const QString& file, const std::vector<Override>& overrides) {
    run(
        [name = file.toStdString(), overrides]() -> Source {
            if (isTraceFile(name))
                return Recording{[name] { return std::make_unique<TraceInput>(name); }, kernelOfRecording(name, overrides),
                                 std::filesystem::is_regular_file(name)};
            return loadScenario(name, overrides);
        },
        true);
}

void LoadJob::startText(const QString& name, const QString& text, bool previews, const std::vector<Override>& overrides) {
    run(
        [name = name.toStdString(), text, overrides]() -> Source {
            if (isRecordingText(text))
                return Recording{[name, text] { return std::make_unique<TraceInput>(name, text.toStdString()); }};
            return bindScenario(name, text.toStdString(), overrides);
        },
        previews);
}

void LoadJob::run(std::function<Source()> read, bool previews) {
    steps_ = std::make_shared<std::atomic<u64>>(0);
    worker_.start([this, read = std::move(read), previews, steps = steps_](const Worker::Task& task) -> std::function<void()> {
        using Made = std::shared_ptr<std::unique_ptr<Session>>; // what a function can hold: it is copied
        const auto recordedFrom = [&](const Recording& from, u64 most) {
            const auto input = from.open();
            const auto goOn = [cancelled = task.cancelled(), steps](u64 events) {
                *steps = events;
                return !cancelled->load();
            };
            return std::make_shared<std::unique_ptr<Session>>(openRecording(*input, from.kernel, goOn, most));
        };
        const auto sessionOf = [&](Scenario scenario, u64 most) {
            *steps = 0;
            const auto cancelled = [cancelled = task.cancelled(), steps] {
                *steps += RunOptions::kAskedEvery;
                return cancelled->load();
            };
            return std::make_shared<std::unique_ptr<Session>>(
                std::make_unique<Session>(std::move(scenario), RunOptions{.maxSteps = most, .cancelled = cancelled}, true));
        };
        Made session;
        QString error;
        unsigned line = 0, column = 0;
        try {
            Source source = read();
            const u64 all = RunOptions{}.maxSteps;
            const auto* recording = std::get_if<Recording>(&source);
            const bool looksAhead = previews && (recording == nullptr || recording->again);
            const auto upTo = [&](u64 most) {
                return recording != nullptr ? recordedFrom(*recording, most) : sessionOf(std::get<Scenario>(source), most);
            };
            session = upTo(looksAhead ? kFirst : all);
            if (looksAhead && (*session)->verdict().bounded && !task.cancelled()->load()) {
                task.report([this, session] {
                    result_ = std::move(*session);
                    Q_EMIT previewed();
                });
                session = upTo(all);
            }
        } catch (const Session::Stopped&) { // nothing of it is handed over
            return [] {};
        } catch (const InputError& e) {
            error = QString::fromStdString(e.what());
            line = e.line;
            column = e.column;
        } catch (const std::exception& e) {
            error = QString::fromStdString(e.what());
        }
        return [this, session, error, line, column] {
            if (error.isEmpty()) {
                result_ = std::move(*session);
                Q_EMIT loaded();
            } else {
                Q_EMIT failed(error, line, column);
            }
        };
    });
}

} // namespace mirrorscope::views
