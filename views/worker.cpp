// SPDX-License-Identifier: GPL-3.0-or-later
#include "views/worker.h"

#include <QMetaObject>

namespace mirrorscope::views {

void Worker::cancel() {
    if (cancel_)
        *cancel_ = true;
    if (thread_.joinable())
        thread_.join();
    running_ = false;
    ++generation_;
}

void Worker::start(Work work) {
    cancel();
    cancel_ = std::make_shared<std::atomic<bool>>(false);
    running_ = true;
    thread_ = std::thread([this, generation = generation_, work = std::move(work), cancelled = cancel_] {
        std::function<void()> done = work(cancelled);
        QMetaObject::invokeMethod(
            this,
            [this, generation, done = std::move(done)] {
                if (generation != generation_)
                    return;
                running_ = false;
                done();
            },
            Qt::QueuedConnection);
    });
}

} // namespace mirrorscope::views
