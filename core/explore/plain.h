// SPDX-License-Identifier: GPL-3.0-or-later
// Every reachable state of a scenario's races, as simply as it can be said: a state is a copy of the machine and of where its actors stand,
// two are the same if all of it is equal, and from each one every actor that can go is let go. No reduction, no fingerprints, no undo: it
// judges the searches that have them, and shares nothing with them but the micro-step.
#pragma once

#include "explore/explorer.h"

namespace mirrorscope {

struct PlainBounds {
    u64 states = 0;           // 0: no bound
    u64 bytes = u64{3} << 30; // that what is kept of states takes
};

// Of `options`, `mode` and `split` have no meaning here.
ExploreResult explorePlainly(const Scenario& scenario, const ExploreOptions& options, const PlainBounds& bounds = {});

} // namespace mirrorscope
