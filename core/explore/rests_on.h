// SPDX-License-Identifier: GPL-3.0-or-later
// What the verdict of an exploration rests on, in words.
#pragma once

#include "explore/explorer.h"

namespace mirrorscope {

// Each a clause: versions, memory model, search, bounds, and what is not modelled of what the scenario touches.
std::vector<std::string> restsOn(const Scenario& scenario, const ExploreOptions& options, const ExploreResult& result);

// How likely at most it is that two of so many different states were taken for one; 0 where none is compared by its hash.
double mistakenStates(const ExploreResult& result);

} // namespace mirrorscope
