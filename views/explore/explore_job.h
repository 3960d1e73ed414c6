// SPDX-License-Identifier: GPL-3.0-or-later
// An exploration beside the window: in a thread over a machine of its own. What it has found so far can be asked for at any time.
#pragma once

#ifndef Q_MOC_RUN // moc 6.4 cannot parse the concepts of libstdc++
#include "explore/result.h"
#include "scenario/scenario.h"
#endif
#include "views/worker.h"

#include <QString>

#include <atomic>
#include <memory>
#include <mutex>

namespace mirrorscope::views {

class ExploreJob : public QObject {
    Q_OBJECT
public:
    explicit ExploreJob(QObject* parent = nullptr) : QObject(parent) {}

    // Ends what is running, and nobody hears of that. `all`: go on after a violation.
    void start(const Scenario& scenario, ExploreMode mode, bool all);
    // What it has found so far stays; `finished` follows at once.
    void cancel();
    // Ends what is running, drops what was found; nobody hears of it.
    void forget();
    bool running() const { return worker_.running(); }
    // Of the search that runs, or of the last one.
    ExploreResult result() const;
    // How many of the tasks that the search was cut into are done; of none while it is being cut.
    std::pair<u64, u64> tasks() const { return shared_ ? std::pair<u64, u64>{shared_->done, shared_->tasks} : std::pair<u64, u64>{}; }
    const Scenario& scenario() const { return *scenario_; }
    bool cancelled() const { return cancelled_; }
    // Why it ended without an answer; empty if it did not.
    const QString& problem() const { return problem_; }

Q_SIGNALS:
    void progressed(); // a few times a second
    void finished();

private:
    struct Shared {
        std::atomic<u64> tasks{0}, done{0};
        std::mutex mutex;
        ExploreResult result;
    };
    std::shared_ptr<Shared> shared_;
    std::shared_ptr<const Scenario> scenario_;
    bool cancelled_ = false;
    QString problem_;
    Worker worker_;
};

} // namespace mirrorscope::views
