// SPDX-License-Identifier: GPL-3.0-or-later
// A recorded VM as a scenario that does the same on our machine: the same faults, notifiers, zaps, dirty logging, one after the other.
#pragma once

#include "replay/deeds.h"

#include <string>

namespace mirrorscope {

// The scenario's text. `file` is named in it; `recorded` is the kernel of the recording, and our machine's is the one that does as it did:
// 6.16 for 6.12, of which there is none here and whose TDP MMU does the same for ordinary VMs, and where it is not known.
std::string scenarioOf(const RecordedVm& vm, const std::string& file, TraceKernel recorded);

} // namespace mirrorscope
