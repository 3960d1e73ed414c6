// SPDX-License-Identifier: GPL-3.0-or-later
// What an exploration found, as one line of JSON and back, and the results of its parts joined.
#pragma once

#include "explore/explorer.h"

#include <nlohmann/json.hpp>

namespace mirrorscope {

// The members of the line that `explore --format jsonl` ends with; the caller adds what it knows beyond the result.
nlohmann::ordered_json exploredJson(const ExploreResult& result);
// Throws nlohmann's exceptions or std::runtime_error when it is none.
ExploreResult exploredFromJson(const nlohmann::ordered_json& json);

// Adds what another part of the same exploration found. Complete if both are.
void join(ExploreResult& into, const ExploreResult& part);
// What `now` has beyond `before`, an earlier state of the same search.
ExploreResult since(const ExploreResult& before, const ExploreResult& now);

} // namespace mirrorscope
