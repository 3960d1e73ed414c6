// SPDX-License-Identifier: GPL-3.0-or-later
// What a recorded kernel did to each entry beside what our machine does when the same is done to it.
#pragma once

#include "replay/deeds.h"

#include <string>

namespace mirrorscope {

// At the first change in which the two part, of entries that part alike.
struct ReplayDifference {
    std::string kernel, ours; // "not present → leaf rw"; empty: nothing more happens to the entry
    bool mirror = false;
    u8 level = 1; // 0: of a fast page fault
    u64 entries = 0;
    u64 gfn = 0;  // of the first of them
    u32 line = 0; // of the recording; of an entry that it does not change 0
};
// Of a root that is zapped as a whole (ToldChange::going) it counts as alike whether an entry is cleared or frozen.
struct Replayed {
    u64 entries = 0, same = 0; // that either changes; of them those whose changes are the same from the first to the last
    u64 changes = 0, ours = 0;
    bool stopped = false; // `goOn` said so, and nothing else is said
    u64 leftOut = 0;      // entries of which lines are missing
    u64 violations = 0;   // of rules, by our machine while it does the same
    std::string firstViolation;
    u64 refused = 0; // steps that our machine answers with an error
    std::string firstRefused;
    std::vector<ReplayDifference> differences; // the most frequent first
};
// Runs the scenario and compares. Throws InputError where it cannot be run.
Replayed replayed(const RecordedVm& vm, const std::string& scenario, const std::function<bool()>& goOn);

} // namespace mirrorscope
