// SPDX-License-Identifier: GPL-3.0-or-later
// A YAML document as a tree with exact positions. What the scenario language does not use is refused: duplicate keys,
// anchors, aliases, tags, a second document, and nesting that no human wrote.
#pragma once

#include "scenario/diagnostic.h"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mirrorscope {

struct YamlNode {
    // Defined where the node is complete: clang 14 instantiates a defaulted one too early, because of the pairs.
    YamlNode();
    ~YamlNode();
    YamlNode(const YamlNode&);
    YamlNode(YamlNode&&) noexcept;
    YamlNode& operator=(const YamlNode&);
    YamlNode& operator=(YamlNode&&) noexcept;

    enum class Kind { Null, Scalar, Sequence, Map };
    Kind kind = Kind::Null;
    std::string text;    // of a scalar
    bool quoted = false; // a quoted scalar is never a number
    unsigned line = 1;
    unsigned column = 1;
    std::vector<YamlNode> items;                        // of a sequence
    std::vector<std::pair<YamlNode, YamlNode>> entries; // of a map, in order

    const YamlNode* find(std::string_view key) const;
    // "a mapping", "a list", …
    std::string_view kindName() const;
};

// Throws InputError.
YamlNode parseYaml(const std::string& file, const std::string& text);
// Reads a file of at most 16 MiB. Throws InputError.
std::string readFile(const std::string& file);

} // namespace mirrorscope
