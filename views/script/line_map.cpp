// SPDX-License-Identifier: GPL-3.0-or-later
#include "views/script/line_map.h"

#include "base/alignment.h"

#include <algorithm>

namespace mirrorscope::views {

namespace {
std::vector<std::string_view> linesOf(std::string_view text) {
    std::vector<std::string_view> lines;
    for (std::size_t at = 0; at <= text.size();) {
        const std::size_t end = std::min(text.find('\n', at), text.size());
        std::string_view line = text.substr(at, end - at);
        if (line.ends_with('\r'))
            line.remove_suffix(1);
        lines.push_back(line);
        at = end + 1;
    }
    return lines;
}
} // namespace

LineMap::LineMap(std::string_view was, std::string_view now) : same_(was == now) {
    if (same_)
        return;
    const auto before = linesOf(was), after = linesOf(now);
    now_.assign(before.size(), 0);
    was_.assign(after.size(), 0);
    for (const auto& [i, j] : alignmentOf(before, after).common) {
        now_[i] = static_cast<unsigned>(j) + 1;
        was_[j] = static_cast<unsigned>(i) + 1;
    }
}

unsigned LineMap::near(unsigned line) const {
    if (const auto now = toNow(line))
        return *now;
    const auto was = static_cast<unsigned>(now_.size()), is = static_cast<unsigned>(was_.size());
    unsigned above = std::min(line, was), below = std::min(line, was);
    while (above > 0 && now_[above - 1] == 0)
        --above;
    while (below <= was && (below == 0 || now_[below - 1] == 0))
        ++below;
    // What stands between those two now takes the place of what stood there.
    const unsigned before = above == 0 ? 0 : now_[above - 1], behind = below > was ? is + 1 : now_[below - 1];
    return std::max(1u, std::min(before + (line - above), std::max(before, behind - 1)));
}

} // namespace mirrorscope::views
