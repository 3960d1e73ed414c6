// SPDX-License-Identifier: GPL-3.0-or-later
// The hash under the running state hash, the explorer's visited set and the observation hashes.
#pragma once

#include "base/types.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <cstddef>
#include <initializer_list>

namespace mirrorscope {

// Folds a 64x64 multiplication; every bit of both operands reaches every bit of the result.
inline u64 foldMultiply(u64 a, u64 b) {
    __extension__ using Wide = unsigned __int128;
    const auto product = static_cast<Wide>(a) * b;
    return static_cast<u64>(product) ^ static_cast<u64>(product >> 64);
}

// What a word adds to the sum that hashes the state; zero words add nothing, so untouched memory costs nothing.
inline u64 wordHash(u64 place, u64 value) {
    if (value == 0)
        return 0;
    return foldMultiply(value ^ 0x9e3779b97f4a7c15ull, (place + 1) * 0xd6e8feb86659fd93ull);
}

// An ordered combination: mix(mix(h, a), b) differs from mix(mix(h, b), a).
inline u64 mix(u64 hash, u64 value) {
    return foldMultiply(hash ^ 0xa0761d6478bd642full, value ^ 0xe7037ed1a0b428dbull) + 0x8ebc6af09c88c6e3ull;
}
inline u64 mixAll(std::initializer_list<u64> values) {
    u64 hash = 0;
    for (const u64 value : values)
        hash = mix(hash, value);
    return hash;
}

// Of many bytes at once.
inline u64 hashBytes(const void* bytes, std::size_t size, u64 seed = 0) { return XXH3_64bits_withSeed(bytes, size, seed); }

} // namespace mirrorscope
