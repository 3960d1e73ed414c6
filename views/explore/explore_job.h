// SPDX-License-Identifier: GPL-3.0-or-later
// An exploration beside the window: in a thread over a machine of its own. What it has found so far can be asked for at any time.
#pragma once

#ifndef Q_MOC_RUN // moc 6.4 cannot parse the concepts of libstdc++
#include "explore/explorer.h"
#endif

#include <QObject>

#include <atomic>
#include <memory>
#include <mutex>
#include <thread>

namespace mirrorscope::views {

class ExploreJob : public QObject {
    Q_OBJECT
public:
    explicit ExploreJob(QObject* parent = nullptr);
    ~ExploreJob() override;

    // Cancels what is running. `all`: go on after a violation.
    void start(const Scenario& scenario, ExploreMode mode, bool all);
    void cancel();
    // The same, and what was found is dropped.
    void forget() {
        cancel();
        shared_.reset();
    }
    bool running() const { return running_; }
    // Of the search that runs, or of the last one.
    ExploreResult result() const;
    // How many of the tasks that the search was cut into are done; of none while it is being cut.
    std::pair<u64, u64> tasks() const { return shared_ ? std::pair<u64, u64>{shared_->done, shared_->tasks} : std::pair<u64, u64>{}; }
    const Scenario& scenario() const { return *scenario_; }
    bool cancelled() const { return shared_ && shared_->cancel; }

Q_SIGNALS:
    void progressed(); // a few times a second
    void finished();

private:
    struct Shared {
        std::atomic<bool> cancel{false};
        std::atomic<u64> tasks{0}, done{0};
        std::mutex mutex;
        ExploreResult result;
    };
    std::thread thread_;
    std::shared_ptr<Shared> shared_;
    std::shared_ptr<const Scenario> scenario_;
    unsigned generation_ = 0;
    bool running_ = false;
};

} // namespace mirrorscope::views
