// SPDX-License-Identifier: GPL-3.0-or-later
// What comes with the program. The named machines (`machine: {preset: NAME}`): the files of resources/machines, as the build found them.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace mirrorscope {

std::vector<std::string_view> machinePresetNames();
// The text of that file, a scenario whose `machine` counts.
std::optional<std::string_view> machinePreset(std::string_view name);

// Where the shipped scenarios are: beside an installed program, else in the sources.
std::string scenarioFolder();

} // namespace mirrorscope
