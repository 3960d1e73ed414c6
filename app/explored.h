// SPDX-License-Identifier: GPL-3.0-or-later
// How the result of an exploration, whole or joined from shards, is told.
#pragma once

#include "explore/explorer.h"

#include <string>

namespace mirrorscope::app {

std::string exploredText(const std::string& title, const ExploreResult& result, bool ok);
int exploredStatus(const ExploreResult& result, bool ok);

} // namespace mirrorscope::app
