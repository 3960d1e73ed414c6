// SPDX-License-Identifier: GPL-3.0-or-later
// What an actor has read and will not use any more is no part of a state. Where each actor is in how many such parts is kept beside its
// stack: on it, it would keep apart what is to be the same.
#include "sim/race.h"
#include "sim/sim.h"

#include <stdexcept>

namespace mirrorscope {

Forget::Forget(Sim& sim) : sim_(sim) {
    if (!sim.inRace_)
        return;
    Sim::Forgets& forgets = sim.race_->lanes_[sim.race_->current_].forgets;
    if (forgets.depth == forgets.then.size())
        throw std::logic_error("parts that will be forgotten are nested too deeply");
    forgets.then[forgets.depth++] = sim.machine_->observedNow();
}

Forget::~Forget() {
    if (sim_.inRace_)
        --sim_.race_->lanes_[sim_.race_->current_].forgets.depth;
}

void Forget::forget(u64 value) {
    if (!sim_.inRace_)
        return;
    const Sim::Forgets& forgets = sim_.race_->lanes_[sim_.race_->current_].forgets;
    sim_.machine_->forgetSince(forgets.then[forgets.depth - 1], value);
}

} // namespace mirrorscope
