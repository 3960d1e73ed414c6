// SPDX-License-Identifier: GPL-3.0-or-later
// One piece of work at a time in a thread beside the window. It has everything it needs by value, and hands its result over as what is
// to be done with it here.
//
//   worker.start([text](const Worker::Cancelled& cancelled) {
//       const Result result = compute(text, cancelled);       // in the thread
//       return [result] { show(result); };                    // in the worker's own thread; not if it was cancelled meanwhile
//   });
#pragma once

#include <QObject>

#include <atomic>
#include <functional>
#include <memory>
#include <thread>

namespace mirrorscope::views {

class Worker : public QObject {
    Q_OBJECT
public:
    using Cancelled = std::shared_ptr<const std::atomic<bool>>;
    using Work = std::function<std::function<void()>(const Cancelled&)>;

    explicit Worker(QObject* parent = nullptr) : QObject(parent) {}
    ~Worker() override { cancel(); }
    // Cancels what is running, and waits until it has noticed.
    void start(Work work);
    void cancel();
    bool running() const { return running_; }

private:
    std::thread thread_;
    std::shared_ptr<std::atomic<bool>> cancel_;
    unsigned generation_ = 0; // of what is running: results of an earlier one are dropped
    bool running_ = false;
};

} // namespace mirrorscope::views
