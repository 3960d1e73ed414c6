// SPDX-License-Identifier: GPL-3.0-or-later
// Parts of a document back as text, for scenarios that the program writes.
#pragma once

#include "scenario/yaml.h"

#include <string>

namespace mirrorscope {

// A flow form on one line; what was quoted stays a string.
std::string flowText(const YamlNode& node);
// A literal block, indented by two.
std::string blockText(const std::string& text);
YamlNode yamlScalar(const std::string& text, bool quoted = false);

} // namespace mirrorscope
