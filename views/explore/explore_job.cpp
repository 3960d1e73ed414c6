// SPDX-License-Identifier: GPL-3.0-or-later
#include "views/explore/explore_job.h"

#include "explore/scale_out.h"
#include "views/threads.h"

#include <chrono>

namespace mirrorscope::views {

void ExploreJob::cancel() {
    if (!running())
        return;
    worker_.cancel();
    cancelled_ = true;
    Q_EMIT finished();
}

void ExploreJob::forget() {
    worker_.cancel();
    shared_.reset();
    cancelled_ = false;
    problem_.clear();
}

ExploreResult ExploreJob::result() const {
    if (!shared_)
        return {};
    const std::lock_guard lock(shared_->mutex);
    return shared_->result;
}

void ExploreJob::start(const Scenario& scenario, ExploreMode mode, bool all) {
    forget();
    shared_ = std::make_shared<Shared>();
    scenario_ = std::make_shared<const Scenario>(scenario);
    worker_.start([this, mode, all, shared = shared_, given = scenario_](const Worker::Task& task) -> std::function<void()> {
        const auto begin = std::chrono::steady_clock::now();
        const auto publish = [&](const ExploreResult& result) {
            const std::lock_guard lock(shared->mutex);
            shared->result = result;
            shared->result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
        };
        ExploreOptions options;
        options.mode = mode;
        options.all = all;
        options.cancelled = [cancelled = task.cancelled()] { return cancelled->load(); };
        options.progress = [&, last = begin](const ExploreResult& soFar) mutable {
            constexpr std::chrono::milliseconds kEvery(150);
            if (std::chrono::steady_clock::now() - last < kEvery)
                return;
            last = std::chrono::steady_clock::now();
            publish(soFar);
            task.report([this] { Q_EMIT progressed(); });
        };
        const auto search = [&] {
            options.mode = modeFor(*given, options);
            if (options.mode == ExploreMode::Plain) { // not cut into tasks
                publish(Explorer(*given, options).run());
                return;
            }
            if (isForTogether(*given, options, options.mode)) { // threads give each other work
                publish(exploreShared(*given, options, {.jobs = threadsBesideTheWindow(), .onThreads = onOwnThreads}));
                return;
            }
            ExploreOptions parts = options;
            parts.progress = nullptr;
            constexpr u64 kTasks = 200;
            const Cut cut = cutInto(*given, parts, kTasks);
            shared->tasks = cut.tasks;
            ExploreSplit split;
            split.depth = cut.depth;
            split.done = [&](u64 part, const ExploreResult&) { shared->done = part + 1; };
            options.split = split;
            publish(Explorer(*given, options).run());
        };
        QString problem;
        try {
            search();
        } catch (const std::exception& error) {
            problem = QString::fromStdString(error.what());
        }
        return [this, problem] {
            problem_ = problem;
            Q_EMIT finished();
        };
    });
}

} // namespace mirrorscope::views
