// SPDX-License-Identifier: GPL-3.0-or-later
#include "views/explore/explore_job.h"

#include "explore/scale_out.h"

#include <QMetaObject>

#include <chrono>

namespace mirrorscope::views {

ExploreJob::ExploreJob(QObject* parent) : QObject(parent) {}

ExploreJob::~ExploreJob() { cancel(); }

void ExploreJob::cancel() {
    if (shared_)
        shared_->cancel = true;
    if (thread_.joinable())
        thread_.join();
    if (running_) {
        running_ = false;
        ++generation_;
        Q_EMIT finished();
    }
}

ExploreResult ExploreJob::result() const {
    if (!shared_)
        return {};
    const std::lock_guard lock(shared_->mutex);
    return shared_->result;
}

void ExploreJob::start(const Scenario& scenario, ExploreMode mode, bool all) {
    cancel();
    shared_ = std::make_shared<Shared>();
    scenario_ = std::make_shared<const Scenario>(scenario);
    running_ = true;
    const unsigned generation = ++generation_;
    thread_ = std::thread([this, generation, mode, all, shared = shared_, given = scenario_] {
        using Clock = std::chrono::steady_clock;
        const Clock::time_point begin = Clock::now();
        const auto publish = [&](const ExploreResult& result) {
            const std::lock_guard lock(shared->mutex);
            shared->result = result;
            shared->result.seconds = std::chrono::duration<double>(Clock::now() - begin).count();
        };
        ExploreOptions options;
        options.mode = mode;
        options.all = all;
        options.cancelled = [&] { return shared->cancel.load(); };
        options.progress = [&, last = begin](const ExploreResult& soFar) mutable {
            constexpr std::chrono::milliseconds kEvery(150);
            if (Clock::now() - last < kEvery)
                return;
            last = Clock::now();
            publish(soFar);
            QMetaObject::invokeMethod(
                this,
                [this, generation] {
                    if (generation == generation_)
                        Q_EMIT progressed();
                },
                Qt::QueuedConnection);
        };
        options.mode = modeFor(*given, options);
        ExploreOptions parts = options;
        parts.progress = nullptr;
        constexpr u64 kTasks = 200;
        const Cut cut = cutInto(*given, parts, kTasks);
        shared->tasks = cut.tasks;
        ExploreSplit split;
        split.depth = cut.depth;
        split.done = [&](u64, const ExploreResult&) { ++shared->done; };
        options.split = split;
        publish(Explorer(*given, options).run());
        QMetaObject::invokeMethod(
            this,
            [this, generation] {
                if (generation != generation_)
                    return;
                running_ = false;
                Q_EMIT finished();
            },
            Qt::QueuedConnection);
    });
}

} // namespace mirrorscope::views
