// SPDX-License-Identifier: GPL-3.0-or-later
// What a run did, told so that two runs can be compared: in words, without the frames that an allocation happened to give.
#pragma once

#include "session/session.h"

#include <string>
#include <utility>
#include <vector>

namespace mirrorscope {

struct Told {
    u64 n; // the micro-step
    std::string text;
};

struct Story {
    std::vector<std::string> micro; // of each micro-step, all that is compared
    std::vector<std::string> brief; // "vcpu0 spte.freeze in set_external_spte_present()"
    std::vector<Told> seamcalls, locks, kicks;
    std::vector<Told> frozen;                                 // each time that an entry was, how long; where it began
    std::vector<Told> lines;                                  // the trace that such a kernel writes of it
    std::vector<std::pair<std::string, std::string>> results; // of each step that returned
};

// Up to that position.
Story storyOf(Session& session, u64 end);

} // namespace mirrorscope
