// SPDX-License-Identifier: GPL-3.0-or-later
// What an actor has read and will not use any more is no part of a state. Where each actor is in how many such parts is kept beside its
// stack: on it, it would keep apart what is to be the same.
#include "sim/race.h"
#include "sim/sim.h"

namespace mirrorscope {

Forget::Forget(Sim& sim) : sim_(sim) {
    if (!sim.inRace_)
        return;
    sim.race_->lanes_[sim.race_->current_].forgets.push(sim.machine_->observedNow());
}

Forget::~Forget() {
    if (sim_.inRace_)
        sim_.race_->lanes_[sim_.race_->current_].forgets.pop();
}

void Forget::forget(u64 value) {
    if (!sim_.inRace_)
        return;
    sim_.machine_->forgetSince(sim_.race_->lanes_[sim_.race_->current_].forgets.back(), value);
}

} // namespace mirrorscope
