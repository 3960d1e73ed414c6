// SPDX-License-Identifier: GPL-3.0-or-later
#include "base/group_pack.h"

#include "base/varint.h"

#include <zstd.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <new>

namespace mirrorscope {

namespace {
// What is a counter's stays one unless it has not counted for that long.
constexpr u8 kStill = 4;
} // namespace

void GroupMemory::clear() {
    for (std::vector<u64>* array : {&last, &grew, &grows})
        array->assign(kNumbers + kPadding, 0);
    for (std::vector<u8>* array : {&code, &alike})
        array->assign(kNumbers + kPadding, 0);
    groups_.assign(kGroups, {});
    context_ = first_ = 0;
}

bool GroupMemory::isPlain(u32 count) const {
    if (count > kSmall)
        return false;
    // Eight codes at a time: of those that are told by a literal bit 1 is set.
    u64 any = 0;
    for (u32 i = 0; i < count; i += 8) {
        u64 eight = 0;
        std::memcpy(&eight, code.data() + first_ + i, sizeof eight);
        any |= count - i < 8 ? eight & ~(~u64{0} << 8 * (count - i)) : eight;
    }
    return (any & 0x0202020202020202) == 0;
}

void GroupPacker::Free::operator()(ZSTD_CCtx_s* stream) const { ZSTD_freeCCtx(stream); }

GroupPacker::GroupPacker() : zstd_(ZSTD_createCCtx()) {
    if (zstd_ == nullptr)
        throw std::bad_alloc();
}

void GroupPacker::add(const GroupKey& key, const u64* numbers, u32 count) {
    GroupMemory::Group& expected = memory_.expected();
    const bool known = expected.is(key, count);
    const u32 hash = known ? expected.hash : GroupMemory::hashOf(key);
    memory_.enter(hash);
    if (known && memory_.isPlain(count)) {
        u64* const last = memory_.last.data() + memory_.slot(0);
        const u64* const grows = memory_.grows.data() + memory_.slot(0);
        u64 differs = 0;
        for (u32 i = 0; i < count; ++i)
            differs |= numbers[i] ^ (last[i] + grows[i]);
        if (differs == 0) {
            for (u32 i = 0; i < count; ++i)
                last[i] = numbers[i];
            return flag(false);
        }
    }
    addOneByOne(known ? nullptr : &key, numbers, count);
    if (!known)
        expected = {key, count, hash};
}

// `key`: of a group that was not expected.
void GroupPacker::addOneByOne(const GroupKey* key, const u64* numbers, u32 count) {
    GroupMemory& m = memory_;
    if (codes_.size() < count)
        codes_.resize(count);
    u8* code = codes_.data();
    u8* literal = literals_.room(std::size_t{count} * kLongestVarint);
    u32 differs = key == nullptr ? 0 : 1;
    for (u32 i = 0; i < count; ++i) {
        const u32 slot = m.slot(i);
        const u64 value = numbers[i];
        const u64 grew = value - m.last[slot];
        u8 now = GroupMemory::kSame;
        if (grew != 0) {
            now = grew == m.grew[slot]                       ? GroupMemory::kGrew
                  : value != 0 && (value & (value + 1)) == 0 ? GroupMemory::kOnes
                                                             : GroupMemory::kOther;
            m.alike[slot] = 0;
            m.grew[slot] = grew;
            m.last[slot] = value;
        } else if (m.code[slot] == GroupMemory::kOnes && m.alike[slot] < kStill) {
            now = GroupMemory::kOnes;
            ++m.alike[slot];
        }
        if (now == GroupMemory::kOnes)
            *literal++ = static_cast<u8>(std::popcount(value));
        else if (now == GroupMemory::kOther)
            literal = putVarint(literal, zigzag(grew));
        differs |= static_cast<u32>(now ^ m.code[slot]);
        m.code[slot] = now;
        m.grows[slot] = now == GroupMemory::kGrew ? grew : 0;
        *code++ = now;
    }
    literals_.usedTo(literal);
    flag(differs != 0);
    if (differs == 0)
        return;
    differing(key, count);
}

void GroupPacker::flag(bool value) {
    flagsNow_ = static_cast<u8>(flagsNow_ | (value ? 1 : 0) << groups_ % 8);
    if (++groups_ % 8 != 0)
        return;
    *flags_.room(1) = flagsNow_;
    ++flags_.used;
    flagsNow_ = 0;
}

void GroupPacker::differing(const GroupKey* key, u32 count) {
    u8* to = differing_.room(std::size_t{6} * kLongestVarint + count);
    *to++ = key == nullptr ? 1 : 0;
    if (key != nullptr) {
        for (const u32 part : *key)
            to = putVarint(to, part);
        to = putVarint(to, count);
    }
    for (u32 i = 0; i < count; i += 4) {
        u8 four = 0;
        for (u32 k = 0; k < 4 && i + k < count; ++k)
            four = static_cast<u8>(four | codes_[i + k] << 2 * k);
        *to++ = four;
    }
    differing_.usedTo(to);
}

std::string GroupPacker::finish() {
    while (groups_ % 8 != 0)
        flag(false);
    std::vector<u8> all(2 * kLongestVarint + flags_.used + differing_.used + literals_.used);
    u8* to = putVarint(putVarint(all.data(), flags_.used), differing_.used);
    for (Bytes* part : {&flags_, &differing_, &literals_}) {
        to = std::copy_n(part->all.data(), part->used, to);
        part->used = 0;
    }
    memory_.clear();
    groups_ = 0;
    const auto used = static_cast<std::size_t>(to - all.data());
    std::string packed(ZSTD_compressBound(used), 0);
    const std::size_t size = ZSTD_compressCCtx(zstd_.get(), packed.data(), packed.size(), all.data(), used, 1);
    if (ZSTD_isError(size) != 0)
        throw std::bad_alloc(); // into a buffer that is large enough nothing else is possible
    packed.resize(size);
    packed.shrink_to_fit();
    return packed;
}

GroupUnpacker::GroupUnpacker(std::string_view packed) : bytes_(ZSTD_getFrameContentSize(packed.data(), packed.size()), 0) {
    if (ZSTD_isError(ZSTD_decompress(bytes_.data(), bytes_.size(), packed.data(), packed.size())) != 0)
        throw std::bad_alloc(); // as above: these are our own bytes
    const u8* at = reinterpret_cast<const u8*>(bytes_.data());
    const u64 flags = takeVarint(at);
    const u64 differing = takeVarint(at);
    flags_ = at;
    differing_ = flags_ + flags;
    literals_ = differing_ + differing;
}

u32 GroupUnpacker::next(GroupKey& key) {
    asExpected_ = (flags_[groups_ / 8] >> groups_ % 8 & 1) == 0;
    ++groups_;
    GroupMemory::Group& expected = memory_.expected();
    if (!asExpected_ && *differing_++ == 0) {
        for (u32& part : expected.key)
            part = static_cast<u32>(takeVarint(differing_));
        expected.count = static_cast<u32>(takeVarint(differing_));
        expected.hash = GroupMemory::hashOf(expected.key);
    }
    key = expected.key;
    memory_.enter(expected.hash);
    return expected.count;
}

void GroupUnpacker::numbers(u64* into, u32 count) {
    GroupMemory& m = memory_;
    if (asExpected_ && m.isPlain(count)) {
        u64* const last = m.last.data() + m.slot(0);
        const u64* const grows = m.grows.data() + m.slot(0);
        for (u32 i = 0; i < count; ++i)
            into[i] = last[i] += grows[i];
        return;
    }
    const u8* literal = literals_;
    for (u32 i = 0; i < count; ++i) {
        const u32 slot = m.slot(i);
        const u8 code = asExpected_ ? m.code[slot] : static_cast<u8>(differing_[i / 4] >> 2 * (i % 4) & 3);
        u64 grew = 0;
        if (code == GroupMemory::kGrew)
            grew = m.grew[slot];
        else if (code == GroupMemory::kOnes)
            grew = (~u64{0} >> (64 - *literal++)) - m.last[slot];
        else if (code == GroupMemory::kOther)
            grew = unzigzag(takeVarint(literal));
        if (grew != 0) {
            m.alike[slot] = 0;
            m.grew[slot] = grew;
            m.last[slot] += grew;
        } else if (code == GroupMemory::kOnes) {
            ++m.alike[slot];
        }
        m.code[slot] = code;
        m.grows[slot] = code == GroupMemory::kGrew ? grew : 0;
        into[i] = m.last[slot];
    }
    literals_ = literal;
    if (!asExpected_)
        differing_ += (count + 3) / 4;
}

} // namespace mirrorscope
