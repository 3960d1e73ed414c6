// SPDX-License-Identifier: GPL-3.0-or-later
// Random races as people write them: every VM type and kernel, each verb, kernel calls, broken steps, vCPUs that never ran, obsolete roots,
// dirty logging, huge pages, attributes mixed, two and three actors. And how the three searches of one are compared.
#pragma once

#include "explore/explorer.h"

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace mirrorscope::test {

// A scenario in parts, so that it can be made smaller.
struct RandomRace {
    std::string machine;
    std::vector<std::string> before; // steps
    std::vector<std::pair<std::string, std::vector<std::string>>> actors;
    std::string after;
    std::string text() const;
};
RandomRace randomRace(u64 seed);
// The same on a later kernel, with what is off there by default, as far as that kernel has all that the race names; else as it was.
RandomRace onLaterKernel(const RandomRace& race, u64 which);

struct Verdict {
    std::set<std::pair<u64, std::string>> ends; // hash and results
    std::set<std::string> rules;
    std::vector<bool> sometimes;
    u64 executions = 0, states = 0;
    bool complete = false;
    bool operator==(const Verdict& other) const { return ends == other.ends && rules == other.rules && sometimes == other.sometimes; }
};
Verdict verdictOf(const ExploreResult& result);

struct Compared {
    enum class Kind : u8 { Same, Different, TooLarge, Bounded } kind = Kind::Same; // Bounded: same under two preemptions
    std::string what;                                                              // how they differ
    bool stateless = false;                                                        // that search took part, too
    u64 states = 0;
};
// A mistake planted in stateless mode, or in the reduction of stateful mode.
struct Mistake {
    Reduction::Part without = Reduction::Part::All;
    std::optional<Rule> deafTo = {};
    Ample::Part ampleWithout = Ample::Part::All;
    ExploreOptions::Sleep sleep = ExploreOptions::Sleep::All;
};
// Exploring plainly ends within so many states, or the race is too large.
Compared compareSearches(const std::string& scenario, u64 mostStates, const Mistake& mistake = {});
// The smallest race made of parts of this one that still differs.
RandomRace shrunk(const RandomRace& race, u64 mostStates);
// ... of which that still holds.
RandomRace shrunk(const RandomRace& race, const std::function<bool(const RandomRace&)>& still);

} // namespace mirrorscope::test
