// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "base/types.h"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <utility>
#include <vector>

namespace mirrorscope {

// Frames that something was done to since the machine was quiet.
class Touched {
public:
    explicit Touched(u64 frames) : frames_(frames) {}
    void add(u64 pfn) {
        if (!bits_.empty()) {
            bits_[pfn / 64] |= u64{1} << pfn % 64;
            return;
        }
        if (list_.size() != from_ && list_.back() == pfn)
            return;
        list_.push_back(pfn);
        if (list_.size() < kMost || goesBack_)
            return;
        bits_.assign(frames_ / 64 + 1, 0);
        for (const u64 known : std::exchange(list_, {}))
            add(known);
    }
    // Each once, ascending.
    template <class F>
    void forEach(F&& f) const {
        std::vector<u64> list(list_.begin() + static_cast<std::ptrdiff_t>(from_), list_.end());
        std::sort(list.begin(), list.end());
        list.erase(std::unique(list.begin(), list.end()), list.end());
        for (const u64 pfn : list)
            f(pfn);
        for (u64 line = 0; line < bits_.size(); ++line)
            for (u64 rest = bits_[line]; rest != 0; rest &= rest - 1)
                f(line * 64 + static_cast<unsigned>(std::countr_zero(rest)));
    }
    // The machine is quiet, and all of them have been looked at.
    void quiet() {
        bits_.clear();
        if (!goesBack_)
            list_.clear();
        from_ = list_.size();
    }

    // For a search, which comes to many ends by one beginning: what was known at a moment is known there again. From goesBack() on nothing
    // is thrown away that this needs.
    struct Moment {
        std::size_t from = 0, size = 0;
    };
    void goesBack() { goesBack_ = true; }
    Moment now() const { return {from_, list_.size()}; }
    void backTo(const Moment& then) {
        list_.resize(then.size);
        from_ = then.from;
    }

private:
    static constexpr std::size_t kMost = 1 << 16; // a list of all times would be long: a bit each from then on
    u64 frames_;
    std::vector<u64> list_, bits_;
    std::size_t from_ = 0; // what stands before was looked at
    bool goesBack_ = false;
};

} // namespace mirrorscope
