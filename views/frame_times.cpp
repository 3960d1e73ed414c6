// SPDX-License-Identifier: GPL-3.0-or-later
#include "views/frame_times.h"

#include <algorithm>
#include <cmath>

namespace mirrorscope::views {

void FrameTimes::add(const std::string& what, double milliseconds) {
    Ring& ring = times_[what];
    if (ring.values.size() < kKept) {
        ring.values.push_back(milliseconds);
        return;
    }
    ring.values[ring.next] = milliseconds;
    ring.next = (ring.next + 1) % kKept;
}

std::vector<std::string> FrameTimes::kinds() const {
    std::vector<std::string> list;
    for (const auto& [what, ring] : times_)
        list.push_back(what);
    return list;
}

std::size_t FrameTimes::count(const std::string& what) const {
    const auto it = times_.find(what);
    return it == times_.end() ? 0 : it->second.values.size();
}

double FrameTimes::percentile(const std::string& what, double share) const {
    const auto it = times_.find(what);
    if (it == times_.end() || it->second.values.empty())
        return 0;
    std::vector<double> sorted = it->second.values;
    std::sort(sorted.begin(), sorted.end());
    const auto index = static_cast<std::size_t>(std::ceil(share * static_cast<double>(sorted.size()))) - 1;
    return sorted[std::min(index, sorted.size() - 1)];
}

} // namespace mirrorscope::views
