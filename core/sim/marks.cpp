// SPDX-License-Identifier: GPL-3.0-or-later
#include "sim/marks.h"

#include <algorithm>
#include <array>

namespace mirrorscope {

namespace {
// Which micro-step, from the one of the mark before, and what it holds.
constexpr u32 kNumbers = 1 + std::size(Mark{}.a);

GroupKey keyOf(const Mark& mark) { return {mark.script, static_cast<u32>(mark.kind) << 8 | mark.phase, mark.actor, mark.code}; }
} // namespace

std::string MarkChunk::pack(Packer& packer) const {
    u64 before = 0;
    std::array<u64, kNumbers> numbers{};
    for (const Mark& mark : marks) {
        numbers[0] = mark.n - before;
        before = mark.n;
        std::copy(std::begin(mark.a), std::end(mark.a), numbers.begin() + 1);
        packer.add(keyOf(mark), numbers.data(), kNumbers);
    }
    packer.add({static_cast<u32>(marks.size()), 0, 0, 0}, nullptr, 0);
    return packer.finish();
}

void MarkChunk::unpack(std::string_view packed) {
    GroupUnpacker unpacker(packed);
    u64 before = 0;
    std::array<u64, kNumbers> numbers{};
    GroupKey key;
    while (const u32 count = unpacker.next(key)) {
        unpacker.numbers(numbers.data(), count);
        Mark mark;
        mark.n = before += numbers[0];
        mark.script = key[0];
        mark.kind = static_cast<MarkKind>(key[1] >> 8);
        mark.phase = static_cast<u8>(key[1]);
        mark.actor = static_cast<ActorId>(key[2]);
        mark.code = static_cast<u8>(key[3]);
        std::copy(numbers.begin() + 1, numbers.end(), std::begin(mark.a));
        marks.push_back(mark);
    }
}

void Marks::truncate(u64 size) {
    const u64 chunk = size >> bits_;
    if (chunk + 1 < chunks_.size())
        chunks_.truncate(chunk + 1);
    chunks_.last().marks.resize(size - ((chunks_.size() - 1) << bits_));
}

} // namespace mirrorscope
