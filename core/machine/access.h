// SPDX-License-Identifier: GPL-3.0-or-later
// What a micro-step read and wrote, for those who ask which micro-steps commute.
#pragma once

#include "base/types.h"

#include <vector>

namespace mirrorscope {

struct WordAccess {
    static constexpr u64 kLockPart = u64{1} << 62;  // bits 15:0: the lock in a PAMT entry or a TDCS
    static constexpr u64 kCountPart = u64{1} << 61; // bits 23:8: the references to a frame
    static constexpr u64 kLockBits = 0xffff, kCountBits = 0xffff00;
    static constexpr u64 kNoWord = u64{1} << 60;
    // A byte that has its word with seven others: its number + 1.
    static constexpr unsigned kByteShift = 56;
    static constexpr u64 bytePart(unsigned byte) { return u64{byte + 1} << kByteShift; }
    static constexpr unsigned byteOf(u64 id) { return id >> kByteShift & 15; }

    // Of an id, the word: the number of its place.
    static constexpr u64 wordOf(u64 id) { return id & ((u64{1} << kByteShift) - 1); }

    // Two accesses of one place commute when both read, or when both are changes that can be exchanged (`Add`: a reader more in a lock
    // word, an event more in a counter).
    enum class Kind : u8 { Read, Write, Add };
    u64 place = 0; // a word of the machine, or a part of one that is used like a word of its own, or what is no word (Sim::arrivals)
    Kind kind = Kind::Read;
    u64 old = 0, now = 0;
    bool operator==(const WordAccess&) const = default;
};

inline bool commute(WordAccess::Kind a, WordAccess::Kind b) { return a == b && a != WordAccess::Kind::Write; }

using AccessLog = std::vector<WordAccess>;

} // namespace mirrorscope
