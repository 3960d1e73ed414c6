// SPDX-License-Identifier: GPL-3.0-or-later
// Threads for what the core does on threads that it is given.
#pragma once

#include <cstddef>
#include <functional>
#include <thread>
#include <vector>

namespace mirrorscope::test {

inline void onThreads(std::size_t count, const std::function<void(std::size_t)>& each) {
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < count; ++i)
        threads.emplace_back(each, i);
    for (std::thread& thread : threads)
        thread.join();
}

} // namespace mirrorscope::test
