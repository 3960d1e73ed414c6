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
}

void Worker::post(const Cancelled& of, std::function<void()> what) {
    QMetaObject::invokeMethod(
        this,
        [of, what = std::move(what)] {
            if (!*of)
                what();
        },
        Qt::QueuedConnection);
}

void Worker::start(Work work) {
    cancel();
    cancel_ = std::make_shared<std::atomic<bool>>(false);
    running_ = true;
    thread_ = std::thread([this, work = std::move(work), cancelled = Cancelled(cancel_)] {
        std::function<void()> done = work(Task(*this, cancelled));
        post(cancelled, [this, done = std::move(done)] {
            running_ = false;
            done();
        });
    });
}

} // namespace mirrorscope::views
