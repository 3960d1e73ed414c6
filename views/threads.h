// SPDX-License-Identifier: GPL-3.0-or-later
// Threads for the core, which makes none itself.
#pragma once

#include <cstddef>
#include <functional>

namespace mirrorscope::views {

// The pieces of work, by number, on so many threads; the first failure is the caller's.
void onThreads(unsigned jobs, std::size_t count, const std::function<void(std::size_t)>& each);
// Each on a thread of its own.
void onOwnThreads(std::size_t count, const std::function<void(std::size_t)>& each);
// As many as the machine has CPUs, without that of the window.
unsigned threadsBesideTheWindow();

} // namespace mirrorscope::views
