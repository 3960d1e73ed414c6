// SPDX-License-Identifier: GPL-3.0-or-later
// Every reachable state of a scenario's races, as simply as it can be said: a state is a copy of the machine and of where its actors stand,
// two are the same if all of it is equal, and from each one every actor that can go is let go. No reduction, no fingerprints, no undo: it
// judges the searches that have them, and shares nothing with them but the micro-step.
#pragma once

#include "explore/explorer.h"

namespace mirrorscope {

// Of `options`, `mode` and `split` have no meaning here. `maxStates`: more end the search as a bound does; 0: no bound.
ExploreResult explorePlainly(const Scenario& scenario, const ExploreOptions& options, u64 maxStates = 0);

} // namespace mirrorscope
