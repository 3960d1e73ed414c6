// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "base/types.h"

#include <algorithm>
#include <bit>
#include <utility>
#include <vector>

namespace mirrorscope {

// Frames that something was done to: each once, ascending. So many that a list of all times would be long are kept as a bit each.
class Touched {
public:
    explicit Touched(u64 frames) : frames_(frames) {}
    void add(u64 pfn) {
        if (!bits_.empty()) {
            bits_[pfn / 64] |= u64{1} << pfn % 64;
            return;
        }
        list_.push_back(pfn);
        if (list_.size() < kMost)
            return;
        bits_.assign(frames_ / 64 + 1, 0);
        for (const u64 known : std::exchange(list_, {}))
            add(known);
    }
    template <class F>
    void forEach(F&& f) {
        std::sort(list_.begin(), list_.end());
        list_.erase(std::unique(list_.begin(), list_.end()), list_.end());
        for (const u64 pfn : list_)
            f(pfn);
        for (u64 line = 0; line < bits_.size(); ++line)
            for (u64 rest = bits_[line]; rest != 0; rest &= rest - 1)
                f(line * 64 + static_cast<unsigned>(std::countr_zero(rest)));
    }
    void clear() {
        list_.clear();
        bits_.clear();
    }

private:
    static constexpr std::size_t kMost = 1 << 16;
    u64 frames_;
    std::vector<u64> list_, bits_;
};

} // namespace mirrorscope
