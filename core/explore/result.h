// SPDX-License-Identifier: GPL-3.0-or-later
// What exploring found: violations and ends, each with the order that leads there.
#pragma once

#include "base/types.h"

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mirrorscope {

enum class ExploreMode : u8 { Auto, Stateless, Stateful, Plain };
std::string_view name(ExploreMode mode);
std::optional<ExploreMode> exploreModeFromName(std::string_view name);
std::span<const std::string_view> exploreModeNames();

// Race by race: whole runs of micro-steps, actor by actor.
using Schedule = std::vector<std::vector<std::pair<std::string, u64>>>;

struct ExploreFinding {
    std::string rule; // a rule's name, or "expect"
    std::string text;
    Schedule schedule;
};

// One of the different states in which executions end, and the first execution that led there.
struct ExploreEnd {
    u64 hash = 0;        // of the machine
    std::string results; // of the steps that have an id, with values: "a: ok, 5; b: EAGAIN"
    Schedule schedule;
};

struct ExploreResult {
    ExploreMode mode = ExploreMode::Stateful; // the one that was used
    u64 executions = 0;                       // that reached the end of the script; stateless: no two of them are equivalent
    u64 states = 0;                           // stateful
    u64 redundant = 0;                        // stateless: begun, and given up because all that could follow was tried elsewhere
    u64 transitions = 0;                      // micro-steps taken for the first time
    u64 races = 0;
    bool complete = true;
    bool stopped = false;                // by a bound
    bool laborious = false;              // which was that of Auto's attempt on what is compared, see Explorer::kCompare
    bool full = false;                   // which was that of what may be kept of states
    bool cut = false;                    // by the bound on preemptions
    bool reduced = false;                // stateful: where others cannot disturb an actor only its micro-steps were tried
    bool slept = false;                  // stateful: somebody was not tried since what came since he was tried commutes with it
    bool compared = false;               // with another search, which came to the same
    std::optional<unsigned> preemptions; // the least that the first finding needs, if that was asked for
    std::vector<ExploreFinding> findings;
    std::vector<std::pair<std::string, bool>> sometimes;
    std::vector<ExploreEnd> ends;     // each once, as far as there are not too many
    std::vector<std::string> assumes; // what the verdict rests on (explore/rests_on.h)
    double seconds = 0;

    bool ok(bool judgeSometimes = true) const;
};

} // namespace mirrorscope
