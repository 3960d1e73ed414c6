// SPDX-License-Identifier: GPL-3.0-or-later
#include "rules/net_changes.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace mirrorscope {

namespace {
// Each change that is not the first one of its word is added to that, and says nothing any more.
void addToFirst(std::vector<JournalChange>& changes) {
    constexpr std::size_t kFew = 16;
    if (changes.size() <= kFew) {
        for (std::size_t i = 1; i < changes.size(); ++i)
            for (std::size_t first = 0; first < i; ++first)
                if (changes[first].place == changes[i].place) {
                    changes[first].delta ^= std::exchange(changes[i].delta, 0);
                    break;
                }
        return;
    }
    std::vector<std::size_t> order(changes.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return changes[a].place < changes[b].place; });
    std::size_t first = order[0];
    for (const std::size_t i : order)
        if (i != first && changes[i].place == changes[first].place)
            changes[first].delta ^= std::exchange(changes[i].delta, 0);
        else
            first = i;
}
} // namespace

void toNetChanges(std::vector<JournalChange>& changes) {
    if (changes.size() > 1)
        addToFirst(changes);
    std::erase_if(changes, [](const JournalChange& change) { return change.delta == 0; });
}

} // namespace mirrorscope
