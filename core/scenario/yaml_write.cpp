// SPDX-License-Identifier: GPL-3.0-or-later
#include "scenario/yaml_write.h"

namespace mirrorscope {

// A flow form on one line; what was quoted stays a string.
std::string flowText(const YamlNode& node) {
    const auto quote = [](const std::string& text) {
        std::string out = "\"";
        for (const char c : text) {
            if (c == '"' || c == '\\')
                out += '\\';
            if (c == '\n')
                out += "\\n";
            else
                out += c;
        }
        return out + "\"";
    };
    switch (node.kind) {
    case YamlNode::Kind::Null: return "~";
    case YamlNode::Kind::Scalar: {
        const bool plain = !node.quoted && !node.text.empty() && node.text.find_first_of("\n\"'{}[],&*#?|<>=!%@`:") == std::string::npos;
        return plain ? node.text : quote(node.text);
    }
    case YamlNode::Kind::Sequence: {
        std::string out;
        for (const YamlNode& item : node.items)
            out += (out.empty() ? "" : ", ") + flowText(item);
        return "[" + out + "]";
    }
    case YamlNode::Kind::Map: {
        std::string out;
        for (const auto& [key, value] : node.entries)
            out += (out.empty() ? "" : ", ") + (value.kind == YamlNode::Kind::Null ? key.text : flowText(key) + ": " + flowText(value));
        return "{" + out + "}";
    }
    }
    return "";
}

YamlNode yamlScalar(const std::string& text, bool quoted) {
    YamlNode node;
    node.kind = YamlNode::Kind::Scalar;
    node.text = text;
    node.quoted = quoted;
    return node;
}

std::string blockText(const std::string& text) {
    std::string out = "|\n";
    std::size_t at = 0;
    while (at < text.size()) {
        const std::size_t end = std::min(text.find('\n', at), text.size());
        const std::string line = text.substr(at, end - at);
        out += line.empty() ? "\n" : "  " + line + "\n";
        at = end + 1;
    }
    return out;
}

} // namespace mirrorscope
