// SPDX-License-Identifier: GPL-3.0-or-later
// Plain stores of the actors, and what waits for them.
#include "sim/sim.h"

#include <algorithm>

namespace mirrorscope {

// All the others are locked operations or serializing instructions, are followed by one before their CPU's next load of what others
// write, or stand in the TDX module, whose every call begins with one (fidelity.md, "Store buffers").
bool Sim::isLoad(Site site) {
    switch (site) {
    case Site::SpteRead:
    case Site::SeqRead:
    case Site::SlotRead:
    case Site::AttrRead:
    case Site::VmRead:
    case Site::DirtyRead:
    case Site::CallEnter:
    case Site::RcuEnter:
    case Site::RcuLeave:
    case Site::VcpuEnter:
    case Site::VcpuExit:
    case Site::KickWait:
    case Site::EptWalk:
    case Site::TlbFill:
    case Site::TlbHit:
    case Site::Fence: return true;
    default: return false;
    }
}

void Sim::store(Place place, u64 value) {
    if (!inRace_ || !stores_.exist()) {
        machine_->set(place, value);
        return;
    }
    const u64 old = machine_->peek(place);
    const auto same = std::find_if(stored_.begin(), stored_.end(), [&](const Stored& s) { return s.place == place; });
    if (same == stored_.end())
        stored_.push_back({place, old, value});
    else
        same->now = value;
    stores_.push(actor_, place, old, value, path_);
}

} // namespace mirrorscope
