// SPDX-License-Identifier: GPL-3.0-or-later
// A set of 64-bit hashes of bounded size. When it is full, old ones make room: a state may then be entered again, which costs time but
// hides nothing. One that is shared keeps its size and is used by several processes at once.
//
// With each hash goes a set of up to 16 members: what nobody has done who entered the state, each of whom left something out.
#pragma once

#include "base/types.h"

namespace mirrorscope {

class HashSet {
public:
    static constexpr u64 kMost = u64{1} << 25; // 256 MB, and 64 for what is left
    enum class Use : u8 { Own, Shared };

    explicit HashSet(Use use = Use::Own, u64 most = kMost);
    ~HashSet();
    HashSet(const HashSet&) = delete;
    HashSet& operator=(const HashSet&) = delete;

    using Left = u16; // a bit for each
    struct Entered {
        bool isNew = false;
        Left left = 0; // if it was there: what everybody before had left out
    };
    // By somebody who leaves that out. In a set that is shared nobody leaves anything out.
    Entered enter(u64 hash, Left left);
    // The same of what goes by two hashes and is old if either is: what is left by both.
    static Entered byEither(const Entered& a, const Entered& b) {
        if (a.isNew || b.isNew)
            return a.isNew ? b : a;
        return {.isNew = false, .left = static_cast<Left>(a.left & b.left)};
    }
    bool insert(u64 hash) { return enter(hash, 0).isNew; } // false if it was there
    void clear();                                          // only of one's own
    // It will be asked for soon: the memory is fetched while other things are done.
    void expect(u64 hash) const { __builtin_prefetch(first(hash), 1); }

private:
    static constexpr u64 kWays = 8; // a cache line
    // A hash may stand in two lines: in the second one only once the first was full, so that the table is well filled before it grows.
    u64* first(u64 hash) const { return slots_ + (hash & (size_ - 1) & ~(kWays - 1)); }
    u64* second(u64 hash) const { return slots_ + ((hash >> 29 ^ hash * 0x9e3779b97f4a7c15ull) & (size_ - 1) & ~(kWays - 1)); }
    void map();
    void unmap();
    void grow();

    Use use_;
    u64 most_, size_; // entries
    u64* slots_ = nullptr;
    Left* left_ = nullptr; // of each slot, if it is one's own
};

} // namespace mirrorscope
