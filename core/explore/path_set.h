// SPDX-License-Identifier: GPL-3.0-or-later
// A stack of hashes that can be asked for: the states on the path of a search. What was put in last is taken out first, so that its place
// in the table is simply free again.
#pragma once

#include "base/types.h"

#include <algorithm>
#include <cstddef>
#include <vector>

namespace mirrorscope {

class PathSet {
public:
    void push(u64 hash) {
        stack_.push_back(hash == 0 ? 1 : hash);
        if (stack_.size() * 4 > table_.size()) {
            table_.assign(std::max<std::size_t>(64, table_.size() * 2), 0);
            for (const u64 known : stack_)
                placeFor(known) = known;
        } else {
            placeFor(stack_.back()) = stack_.back();
        }
    }
    void pop() {
        std::size_t at = stack_.back() & (table_.size() - 1), last = 0;
        for (; table_[at] != 0; at = (at + 1) & (table_.size() - 1))
            if (table_[at] == stack_.back())
                last = at;
        table_[last] = 0;
        stack_.pop_back();
    }
    bool contains(u64 hash) const {
        hash = hash == 0 ? 1 : hash;
        for (std::size_t at = hash & (table_.size() - 1); !table_.empty() && table_[at] != 0; at = (at + 1) & (table_.size() - 1))
            if (table_[at] == hash)
                return true;
        return false;
    }

private:
    u64& placeFor(u64 hash) {
        std::size_t at = hash & (table_.size() - 1);
        while (table_[at] != 0)
            at = (at + 1) & (table_.size() - 1);
        return table_[at];
    }

    std::vector<u64> stack_;
    std::vector<u64> table_; // 0: free
};

} // namespace mirrorscope
