// SPDX-License-Identifier: GPL-3.0-or-later
// What leads to what in a run: an exit to a SEAMCALL, a SEAMCALL to kicks, a kick to the vCPU that takes it, that to its flush.
#pragma once

#include "session/session.h"

namespace mirrorscope {

struct CauseArrow {
    u64 from = 0, to = 0; // micro-steps
    std::string_view what;
};
// Between micro-steps `first` and `last`; costs what lies between them.
std::vector<CauseArrow> causesBetween(const Session& session, u64 first, u64 last);

} // namespace mirrorscope
