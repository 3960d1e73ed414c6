// SPDX-License-Identifier: GPL-3.0-or-later
#include "base/alignment.h"

#include "base/types.h"

#include <algorithm>
#include <optional>

namespace mirrorscope {

namespace {
using Texts = std::span<const std::string_view>;
using Pairs = std::vector<std::pair<std::size_t, std::size_t>>;

// By Myers' greedy algorithm ("An O(ND) difference algorithm", 1986): the diagonals' furthest points for each number of differences.
// Nothing where there are more than `most`.
std::optional<Pairs> byFewestDifferences(Texts a, Texts b, int most) {
    const int n = static_cast<int>(a.size()), m = static_cast<int>(b.size());
    std::vector<int> furthest(2 * static_cast<std::size_t>(most) + 3, 0);
    std::vector<std::vector<int>> before;
    const auto at = [&](int k) -> int& { return furthest[static_cast<std::size_t>(k + most + 1)]; };
    for (int d = 0; d <= most; ++d) {
        for (int k = -d; k <= d; k += 2) {
            int x = k == -d || (k != d && at(k - 1) < at(k + 1)) ? at(k + 1) : at(k - 1) + 1;
            while (x < n && x - k < m && a[static_cast<std::size_t>(x)] == b[static_cast<std::size_t>(x - k)])
                ++x;
            at(k) = x;
            if (x < n || x - k < m)
                continue;
            // Back from the end, a move for each difference: true is one text more of b.
            std::vector<bool> moves(static_cast<std::size_t>(d));
            for (int back = d; back > 0; --back) {
                const std::vector<int>& then = before[static_cast<std::size_t>(back - 1)];
                const auto was = [&](int diagonal) { return then[static_cast<std::size_t>(diagonal + back)]; };
                const bool ofB = k == -back || (k != back && was(k - 1) < was(k + 1));
                moves[static_cast<std::size_t>(back - 1)] = ofB;
                k += ofB ? 1 : -1;
            }
            Pairs pairs;
            std::size_t i = 0, j = 0, move = 0;
            while (i < a.size() || j < b.size())
                if (i < a.size() && j < b.size() && a[i] == b[j])
                    pairs.emplace_back(i++, j++);
                else
                    ++(moves[move++] ? j : i);
            return pairs;
        }
        before.emplace_back(furthest.begin() + most - d, furthest.begin() + most + d + 3);
    }
    return std::nullopt;
}

Pairs byTable(Texts a, Texts b) {
    const std::size_t n = a.size(), m = b.size();
    std::vector<u32> common((n + 1) * (m + 1)); // of what follows
    const auto at = [&](std::size_t i, std::size_t j) -> u32& { return common[i * (m + 1) + j]; };
    for (std::size_t i = n; i-- > 0;)
        for (std::size_t j = m; j-- > 0;)
            at(i, j) = a[i] == b[j] ? at(i + 1, j + 1) + 1 : std::max(at(i + 1, j), at(i, j + 1));
    Pairs pairs;
    for (std::size_t i = 0, j = 0; i < n && j < m;)
        if (a[i] == b[j])
            pairs.emplace_back(i++, j++);
        else
            ++(at(i + 1, j) >= at(i, j + 1) ? i : j);
    return pairs;
}
} // namespace

Alignment alignmentOf(Texts a, Texts b) {
    Alignment out;
    std::size_t begin = 0, ends = 0;
    for (; begin < std::min(a.size(), b.size()) && a[begin] == b[begin]; ++begin)
        out.common.emplace_back(begin, begin);
    while (ends < std::min(a.size(), b.size()) - begin && a[a.size() - 1 - ends] == b[b.size() - 1 - ends])
        ++ends;
    const Texts ofA = a.subspan(begin, a.size() - begin - ends), ofB = b.subspan(begin, b.size() - begin - ends);
    constexpr std::size_t kMost = 4'000'000, kDifferences = 2'000, kCompared = 100'000'000;
    std::optional<Pairs> middle;
    if (ofA.empty() || ofB.empty())
        middle.emplace();
    else if (ofA.size() * ofB.size() <= kMost)
        middle = byTable(ofA, ofB);
    else
        middle = byFewestDifferences(ofA, ofB, static_cast<int>(std::min(kDifferences, kCompared / (ofA.size() + ofB.size()))));
    out.whole = middle.has_value();
    if (middle)
        for (const auto& [i, j] : *middle)
            out.common.emplace_back(begin + i, begin + j);
    for (; ends > 0; --ends)
        out.common.emplace_back(a.size() - ends, b.size() - ends);
    return out;
}

} // namespace mirrorscope
