// SPDX-License-Identifier: GPL-3.0-or-later
// The seed of a property test. The suite always runs the same ones, so that what is green stays green;
// MIRRORSCOPE_RANDOM_SEED=N asks for another, and `any` for a new one each time. Whoever uses it prints it on failure.
#pragma once

#include "base/types.h"

#include <cstdlib>
#include <random>
#include <string_view>

namespace mirrorscope::test {

inline u64 propertySeed() {
    const char* chosen = std::getenv("MIRRORSCOPE_RANDOM_SEED");
    if (chosen == nullptr)
        return 20250727;
    return std::string_view(chosen) == "any" ? std::random_device{}() : std::strtoull(chosen, nullptr, 10);
}

} // namespace mirrorscope::test
