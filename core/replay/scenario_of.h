// SPDX-License-Identifier: GPL-3.0-or-later
// A recorded VM as a scenario that does the same on our machine: the same faults, notifiers, zaps, dirty logging, one after the other.
#pragma once

#include "replay/deeds.h"

#include <string>

namespace mirrorscope {

// The scenario's text. `file` is named in it; `kernel` is the one of our machine, as `machine.kernel` takes it.
std::string scenarioOf(const RecordedVm& vm, const std::string& file, std::string_view kernel);

} // namespace mirrorscope
