// SPDX-License-Identifier: GPL-3.0-or-later
// Lists of places, four bytes each: most machines have fewer words than 2^32, and of those that have more (32 GiB and more) the upper part
// is kept beside them.
#pragma once

#include "base/log.h"
#include "base/types.h"

#include <algorithm>
#include <vector>

namespace mirrorscope {

// Those that changed, in the order in which they did.
class PlaceLog {
public:
    // Stands for none; the largest that can be kept.
    static constexpr u64 kNone = (u64{1} << 40) - 1;

    // Before the first: of a machine of that many words.
    void fitFor(u64 words) { wide_ = words > kLow; }
    void push(u64 place) {
        low_.push(static_cast<u32>(place));
        if (wide_)
            high_.push(static_cast<u8>(place >> 32));
    }
    u64 operator[](u64 i) const {
        const u32 low = low_[i];
        if (wide_)
            return u64{high_[i]} << 32 | low;
        return low == kLow ? kNone : low;
    }
    u64 size() const { return low_.size(); }
    void truncate(u64 size) {
        low_.truncate(size);
        if (wide_)
            high_.truncate(size);
    }
    u64 bytes() const { return low_.bytes() + high_.bytes(); }

private:
    static constexpr u32 kLow = ~0u;
    bool wide_ = false;
    Log<u32, 19> low_;
    Log<u8, 21> high_;
};

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
    bool contains(u64 place) const {
        const u64 high = place >> 32;
        if (high > reached_.size())
            return false;
        const auto begin = low_.begin() + (high == 0 ? 0 : reached_[high - 1]);
        const auto end = high == reached_.size() ? low_.end() : low_.begin() + reached_[high];
        return std::binary_search(begin, end, static_cast<u32>(place));
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
