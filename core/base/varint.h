// SPDX-License-Identifier: GPL-3.0-or-later
// Numbers in as few bytes as they need, seven bits each; of a difference the sign goes last, so that small ones are short either way.
#pragma once

#include "base/types.h"

namespace mirrorscope {

constexpr unsigned kLongestVarint = 10; // bytes

// Where the next one goes.
inline u8* putVarint(u8* to, u64 value) {
    for (; value >= 128; value >>= 7)
        *to++ = static_cast<u8>(value | 128);
    *to++ = static_cast<u8>(value);
    return to;
}
// Of bytes that putVarint() wrote: there is no check.
inline u64 takeVarint(const u8*& from) {
    u64 value = *from & 127;
    for (unsigned shift = 7; (*from++ & 128) != 0; shift += 7)
        value |= u64{*from & 127u} << shift;
    return value;
}

inline u64 zigzag(u64 difference) { return difference << 1 ^ (difference >> 63 != 0 ? ~u64{0} : 0); }
inline u64 unzigzag(u64 value) { return value >> 1 ^ ((value & 1) != 0 ? ~u64{0} : 0); }

} // namespace mirrorscope
