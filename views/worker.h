// SPDX-License-Identifier: GPL-3.0-or-later
// One piece of work at a time in a thread beside the window. It has everything it needs by value, and it has one way to tell: what it
// hands over is done here, in the worker's own thread, and never once the work was cancelled or the worker is gone.
//
//   worker.start([this, text](const Worker::Task& task) {
//       task.report([this] { showProgress(); });              // now and then
//       const Result result = compute(text, task.cancelled());
//       return [this, result] { show(result); };              // at the end; running() is false by then
//   });
//
// A job that owns a worker tells by signals only from what was handed over, so that nobody hears of it while it is taken apart.
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
    class Task {
    public:
        const Cancelled& cancelled() const { return cancelled_; }
        void report(std::function<void()> what) const { worker_.post(cancelled_, std::move(what)); }

    private:
        friend class Worker;
        Task(Worker& worker, Cancelled cancelled) : worker_(worker), cancelled_(std::move(cancelled)) {}
        Worker& worker_;
        Cancelled cancelled_;
    };
    using Work = std::function<std::function<void()>(const Task&)>;

    explicit Worker(QObject* parent = nullptr) : QObject(parent) {}
    ~Worker() override { cancel(); }
    // Cancels what is running, and waits until it has noticed.
    void start(Work work);
    void cancel();
    bool running() const { return running_; }

private:
    void post(const Cancelled& of, std::function<void()> what);

    std::thread thread_;
    std::shared_ptr<std::atomic<bool>> cancel_; // of what is running, or ran last
    bool running_ = false;
};

} // namespace mirrorscope::views
