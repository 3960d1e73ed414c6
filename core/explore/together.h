// SPDX-License-Identifier: GPL-3.0-or-later
// A stateful search of a scenario's race by several threads, which share what they see and give each other work (explore/crew.h).
#pragma once

#include "explore/crew.h"
#include "explore/explorer.h"

#include <cstddef>
#include <functional>

namespace mirrorscope {

// Calls `each` with 0 … count-1, each on a thread of its own, and comes back when all have returned.
using OnThreads = std::function<void(std::size_t count, const std::function<void(std::size_t)>& each)>;

// Can that be done with this scenario? `mode` is what Auto comes to (modeFor()).
bool isForTogether(const Scenario& scenario, const ExploreOptions& options, ExploreMode mode);
ExploreResult exploreTogether(const Scenario& scenario, const ExploreOptions& options, unsigned members, const OnThreads& onThreads,
                              Crew::Gives gives = Crew::Gives::WhatIsAskedFor);

} // namespace mirrorscope
