// SPDX-License-Identifier: GPL-3.0-or-later
// Groups of numbers that come again and again, packed: of each number is kept by how much it is not what its context lets expect. A
// context is which groups came last and the number's place in its group; expected is what stood there last time, or that and what it grew
// by. A group that is as expected costs a bit. Kept in memory only: what packs also unpacks.
#pragma once

#include "base/types.h"

#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

struct ZSTD_CCtx_s;

namespace mirrorscope {

// What a group is about: equal keys have numbers of equal meaning.
using GroupKey = std::array<u32, 4>;

// What packing and unpacking both learn as they go.
class GroupMemory {
public:
    // How a number is told.
    enum Code : u8 {
        kSame,
        kGrew, // by as much as it grew the last time that it did
        kOnes, // 2^k - 1, what a counter differs in when it counts; k follows
        kOther // by how much it grew follows
    };
    struct Group {
        GroupKey key{};
        u32 count = 0;
        u32 hash = 0; // of the key
        bool is(const GroupKey& other, u32 numbers) const {
            return ((key[0] ^ other[0]) | (key[1] ^ other[1]) | (key[2] ^ other[2]) | (key[3] ^ other[3]) | (count ^ numbers)) == 0;
        }
    };
    GroupMemory() { clear(); }
    void clear();
    Group& expected() { return groups_[context_ % kGroups]; }
    static u32 hashOf(const GroupKey& key) {
        return (key[0] * 0x9e3779b1u ^ key[1] * 0x85ebca6bu ^ key[2] * 0xc2b2ae35u ^ key[3] * 0x27d4eb2fu) >> 8;
    }
    // The group that comes now, by its key's hash.
    void enter(u32 hash) {
        context_ = (context_ << 3 ^ hash) & 0xffffff;
        first_ = (context_ * 0x9e3779b1u >> 8) % kNumbers;
    }
    // Where its i-th number is in the arrays below. Those of a small group lie side by side.
    u32 slot(u32 i) const { return i < kSmall ? first_ + i : (first_ + i * 0x9e5) % kNumbers; }
    // A small group all of whose numbers stayed or grew the last time is told by a bit, if it is as expected.
    bool isPlain(u32 count) const;

    static constexpr u32 kSmall = 32;
    // By slot.
    std::vector<u64> last, grew;
    std::vector<u64> grows; // what is expected: `grew` where that is the code, else nothing
    std::vector<u8> code;
    std::vector<u8> alike; // so often in a row it stayed the same

private:
    static constexpr u32 kNumbers = 4096, kGroups = 1024, kPadding = kSmall + 8;
    std::vector<Group> groups_;
    u32 context_ = 0; // of the last few groups
    u32 first_ = 0;
};

class GroupPacker {
public:
    GroupPacker();
    void add(const GroupKey& key, const u64* numbers, u32 count);
    // All that was added, and begins anew.
    std::string finish();

private:
    struct Free {
        void operator()(ZSTD_CCtx_s* stream) const;
    };
    // Bytes that are written to with room made before.
    struct Bytes {
        std::vector<u8> all;
        std::size_t used = 0;
        u8* room(std::size_t more) {
            if (all.size() < used + more)
                all.resize((used + more) * 2);
            return all.data() + used;
        }
        void usedTo(const u8* end) { used = static_cast<std::size_t>(end - all.data()); }
    };
    [[gnu::noinline]] void addOneByOne(const GroupKey* key, const u64* numbers, u32 count);
    void flag(bool value);
    void differing(const GroupKey* key, u32 count);
    GroupMemory memory_;
    Bytes flags_, literals_, differing_; // a bit a group; numbers; groups that are not as expected
    std::vector<u8> codes_;
    u64 groups_ = 0;
    u8 flagsNow_ = 0;
    std::unique_ptr<ZSTD_CCtx_s, Free> zstd_;
};

class GroupUnpacker {
public:
    // Unpacks what `packed` holds.
    explicit GroupUnpacker(std::string_view packed);
    // The next group's key, and how many numbers it has; those are to be asked for before the next group is.
    u32 next(GroupKey& key);
    void numbers(u64* into, u32 count);

private:
    std::string bytes_;
    const u8 *flags_ = nullptr, *literals_ = nullptr, *differing_ = nullptr;
    GroupMemory memory_;
    u64 groups_ = 0;
    bool asExpected_ = true;
};

} // namespace mirrorscope
