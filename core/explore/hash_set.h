// SPDX-License-Identifier: GPL-3.0-or-later
// A set of 64-bit hashes of bounded size. When it is full, old ones make room: a state may then be entered again, which costs time but
// hides nothing.
#pragma once

#include "base/types.h"

#include <vector>

namespace mirrorscope {

class HashSet {
public:
    static constexpr u64 kMost = u64{1} << 23; // 64 MB

    HashSet() : slots_(1 << 12) {}
    // False if it was there.
    bool insert(u64 hash) {
        if (hash == 0)
            hash = 1;
        while (true) {
            u64* const bucket = slots_.data() + (hash & (slots_.size() - 1) & ~(kWays - 1));
            for (u64 i = 0; i < kWays; ++i) {
                if (bucket[i] == hash)
                    return false;
                if (bucket[i] == 0) {
                    bucket[i] = hash;
                    return true;
                }
            }
            if (slots_.size() == kMost) {
                bucket[hash >> 32 & (kWays - 1)] = hash;
                return true;
            }
            grow();
        }
    }
    void clear() { slots_.assign(1 << 12, 0); }

private:
    static constexpr u64 kWays = 8; // a cache line
    void grow() {
        std::vector<u64> old(slots_.size() * 2);
        old.swap(slots_);
        for (const u64 hash : old)
            if (hash != 0)
                insert(hash);
    }
    std::vector<u64> slots_;
};

} // namespace mirrorscope
