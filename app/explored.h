// SPDX-License-Identifier: GPL-3.0-or-later
// How the result of an exploration, whole or joined from shards, is told.
#pragma once

#include "explore/explorer.h"

#include <nlohmann/json.hpp>

#include <optional>
#include <string>
#include <utility>

namespace mirrorscope::app {

std::string exploredText(const std::string& title, const ExploreResult& result, bool ok);
void putExplored(const nlohmann::ordered_json& json);
// `I/N`, the first is 1; nothing if it is none.
std::optional<std::pair<unsigned, unsigned>> parseShard(const std::string& text);
int exploredStatus(const ExploreResult& result, bool ok);

} // namespace mirrorscope::app
