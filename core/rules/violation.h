// SPDX-License-Identifier: GPL-3.0-or-later
// A rule that did not hold: which, after which micro-step, by whom, and the words that it is about.
#pragma once

#include "base/types.h"
#include "base/vocab.h"

#include <string>
#include <vector>

namespace mirrorscope {

struct Violation {
    u64 n = 0; // the micro-step after which the rule did not hold
    Rule rule = Rule::Coherent;
    ActorId actor = 0;
    u32 script = 0;
    u64 key = 0; // the same fact is reported once
    std::string text;
    std::vector<Place> places;
};

} // namespace mirrorscope
