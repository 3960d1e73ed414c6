// SPDX-License-Identifier: GPL-3.0-or-later
#include "views/threads.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace mirrorscope::views {

void onThreads(unsigned jobs, std::size_t count, const std::function<void(std::size_t)>& each) {
    std::atomic<std::size_t> next = 0;
    std::exception_ptr failure;
    std::mutex mutex;
    const auto run = [&] {
        try {
            for (std::size_t i = next++; i < count; i = next++)
                each(i);
        } catch (...) {
            next = count;
            const std::lock_guard lock(mutex);
            if (!failure)
                failure = std::current_exception();
        }
    };
    std::vector<std::thread> threads;
    for (unsigned i = 1; i < std::min<std::size_t>(jobs, count); ++i)
        threads.emplace_back(run);
    run();
    for (std::thread& thread : threads)
        thread.join();
    if (failure)
        std::rethrow_exception(failure);
}

void onOwnThreads(std::size_t count, const std::function<void(std::size_t)>& each) { onThreads(static_cast<unsigned>(count), count, each); }

unsigned threadsBesideTheWindow() { return std::max(2u, std::thread::hardware_concurrency()) - 1; }

} // namespace mirrorscope::views
