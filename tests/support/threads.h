// SPDX-License-Identifier: GPL-3.0-or-later
// Threads for what the core does on threads that it is given.
#pragma once

#include <functional>
#include <thread>
#include <vector>

namespace mirrorscope::test {

inline void onThreads(unsigned count, const std::function<void(unsigned)>& each) {
    std::vector<std::thread> threads;
    for (unsigned i = 0; i < count; ++i)
        threads.emplace_back(each, i);
    for (std::thread& thread : threads)
        thread.join();
}

} // namespace mirrorscope::test
