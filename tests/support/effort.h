// SPDX-License-Identifier: GPL-3.0-or-later
// How much of what could go on for ever a test does: random races, every shipped file.
//
// Under a sanitizer a micro-step costs ten times as much, and what it can find is an error of memory, which shows in few of them: those
// builds take a part of what the optimized one takes whole. MIRRORSCOPE_EFFORT=whole: all of it in each build (tests/run.sh --all).
#pragma once

#include "base/sanitizer.h"
#include "base/types.h"

#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

namespace mirrorscope::test {

// Asked for; in the optimized build, too, little is so dear that it is done only then.
inline bool wholeEffortWanted() {
    const char* effort = std::getenv("MIRRORSCOPE_EFFORT");
    return effort != nullptr && std::string_view(effort) == "whole";
}
inline bool wholeEffort() { return !kSanitized || wholeEffortWanted(); }

// A number that a variable of the environment asks for, or else that one.
inline u64 wanted(const char* variable, u64 otherwise) {
    const char* value = std::getenv(variable);
    return value != nullptr ? std::stoull(value) : otherwise;
}

inline u64 effort(u64 whole, u64 part) { return wholeEffort() ? whole : part; }

// Of a list every eighth, or all.
template <class T>
std::vector<T> someOf(const std::vector<T>& all) {
    if (wholeEffort())
        return all;
    constexpr std::size_t kEvery = 8;
    std::vector<T> some;
    for (std::size_t n = 0; n < all.size(); n += kEvery)
        some.push_back(all[n]);
    return some;
}

} // namespace mirrorscope::test
