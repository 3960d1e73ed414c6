// SPDX-License-Identifier: GPL-3.0-or-later
// Which line of a text is which of another that it was edited into: what runs, and what stands in the editor. Lines from 1.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

namespace mirrorscope::views {

class LineMap {
public:
    LineMap() = default; // of a text and itself
    LineMap(std::string_view was, std::string_view now);
    // Nothing for a line that was changed or is gone.
    std::optional<unsigned> toNow(unsigned line) const { return at(now_, line); }
    // The same, and of a line that was changed the one that stands in its place.
    unsigned near(unsigned line) const;
    // Nothing for a line that is new or was changed.
    std::optional<unsigned> toWas(unsigned line) const { return at(was_, line); }

private:
    std::optional<unsigned> at(const std::vector<unsigned>& lines, unsigned line) const {
        if (same_)
            return line;
        return line == 0 || line > lines.size() || lines[line - 1] == 0 ? std::nullopt : std::optional(lines[line - 1]);
    }
    bool same_ = true;
    std::vector<unsigned> now_, was_; // by the line's index; 0: none
};

} // namespace mirrorscope::views
