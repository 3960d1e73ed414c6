// SPDX-License-Identifier: GPL-3.0-or-later
// A list of places, four bytes each: most machines have fewer words than 2^32, and of those that have more (32 GiB and more) the upper part
// is kept beside them.
#pragma once

#include "base/types.h"

#include <algorithm>
#include <vector>

namespace mirrorscope {

// Each of them once, ascending.
class AscendingPlaces {
public:
    void reserve(std::size_t count) { low_.reserve(count); }
    // Larger than all that are there.
    void push(u64 place) {
        while (reached_.size() < place >> 32)
            reached_.push_back(static_cast<u32>(low_.size()));
        low_.push_back(static_cast<u32>(place));
    }
    std::size_t size() const { return low_.size(); }
    u64 operator[](std::size_t i) const {
        u64 high = 0;
        while (high < reached_.size() && reached_[high] <= i)
            ++high;
        return high << 32 | low_[i];
    }
    // f(index, place) of each.
    template <class F>
    void forEach(F&& f) const {
        u64 high = 0;
        for (std::size_t i = 0; i < low_.size(); ++i) {
            while (high < reached_.size() && reached_[high] <= i)
                ++high;
            f(i, high << 32 | low_[i]);
        }
    }
    // Where it is; size() if it is not there.
    std::size_t find(u64 place) const {
        const u64 high = place >> 32;
        if (high > reached_.size())
            return size();
        const auto begin = low_.begin() + (high == 0 ? 0 : reached_[high - 1]);
        const auto end = high == reached_.size() ? low_.end() : low_.begin() + reached_[high];
        const auto found = std::lower_bound(begin, end, static_cast<u32>(place));
        return found == end || *found != static_cast<u32>(place) ? size() : static_cast<std::size_t>(found - low_.begin());
    }
    void shrink() {
        low_.shrink_to_fit();
        reached_.shrink_to_fit();
    }
    u64 bytes() const { return (low_.capacity() + reached_.capacity()) * sizeof(u32); }

private:
    std::vector<u32> low_;
    std::vector<u32> reached_; // [k]: how many are below (k + 1) << 32
};

} // namespace mirrorscope
