// SPDX-License-Identifier: GPL-3.0-or-later
// The kinds of event of the JSONL stream and their keys: the schema is made from this table and a test holds every event
// of every shipped scenario against it.
#pragma once

#include <span>
#include <string_view>

namespace mirrorscope {

struct EventField {
    std::string_view name;
    enum class Type { Integer, Hex, Text, TextOrNull, Bool, TextOrInteger, List, Map } type;
    bool required;
    std::span<const std::string_view> values; // empty: any
};

struct EventKind {
    std::string_view name;
    std::string_view help;
    std::span<const EventField> fields;
    bool open; // further keys may stand, as the operands of a leaf
};

// `actor`, `step`, `line`, `site`, `where`: who did it.
std::span<const EventField> contextFields();
std::span<const EventKind> eventKinds();

} // namespace mirrorscope
