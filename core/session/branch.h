// SPDX-License-Identifier: GPL-3.0-or-later
// What if, at a position of a run, somebody did something else: a scenario that is the same up to there and does that then.
#pragma once

#include "session/session.h"

#include <string>
#include <vector>

namespace mirrorscope {

struct WhatIf {
    std::string actor; // vcpu0, host; the host's verbs run on any
    std::string step;  // as in a script, in flow form: "read: 0x4000", "punch-hole: {gpa: 0x4000}", "zap-all"
    std::string text;  // what a menu says
};

// Why nothing else may happen at the position; empty: it may.
std::string whyNoWhatIf(const Session& session);

// What can be done at an address of that VM; `shared`: by its shared alias. Nothing where nothing may.
std::vector<WhatIf> whatIfs(const Session& session, u64 gpa, bool shared);

// An operation that is under way at the position goes on afterwards; inside of a race the order up to there is kept. What the script
// does later, and what it expects, is left out.
std::string branchOf(const Session& session, u64 position, const WhatIf& what);

// A machine without a script.
std::string playground(const std::string& title, const std::vector<std::pair<std::string, std::string>>& machine);

} // namespace mirrorscope
