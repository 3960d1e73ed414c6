// SPDX-License-Identifier: GPL-3.0-or-later
// How a scenario is run.
#pragma once

#include "base/types.h"

#include <functional>

namespace mirrorscope {

struct RunOptions {
    bool check = true;
    u64 maxSteps = 50'000'000;
    bool recording = true;
    // Asked after every so many micro-steps of a recorded run; true ends the run as a bound does.
    std::function<bool()> cancelled = {};
    static constexpr u64 kAskedEvery = 1024;
};

} // namespace mirrorscope
