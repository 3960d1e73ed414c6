// SPDX-License-Identifier: GPL-3.0-or-later
// How the result of an exploration, whole or joined from shards, is told.
#pragma once

#include "command.h"
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
// The races of that file under each release of the kernel, as a table or a line of JSON each. The exit status.
int exploreEachKernel(const std::string& file, const std::vector<Override>& overrides, ExploreOptions options, unsigned jobs, bool jsonl);

} // namespace mirrorscope::app
