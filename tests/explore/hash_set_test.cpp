// SPDX-License-Identifier: GPL-3.0-or-later
#include "explore/hash_set.h"

#include "base/hash.h"

#include <gtest/gtest.h>

#include <sys/wait.h>
#include <unistd.h>

namespace mirrorscope {

TEST(HashSet, keeps_what_fits_and_never_grows_beyond_its_bound) {
    constexpr u64 kMost = 1 << 14;
    HashSet set(HashSet::Use::Own, kMost);
    EXPECT_TRUE(set.insert(0)); // as good a hash as any
    EXPECT_FALSE(set.insert(0));
    for (u64 i = 1; i < kMost / 4; ++i)
        EXPECT_TRUE(set.insert(mix(i, 1)));
    for (u64 i = 1; i < kMost / 4; ++i)
        EXPECT_FALSE(set.insert(mix(i, 1)));
    // Most of its room is used before anything makes room.
    HashSet full(HashSet::Use::Own, kMost);
    for (u64 i = 0; i < kMost * 7 / 10; ++i)
        full.insert(mix(i, 3));
    u64 lost = 0;
    for (u64 i = 0; i < kMost * 7 / 10; ++i)
        lost += full.insert(mix(i, 3));
    EXPECT_LT(lost, kMost / 200);
    // Far more than it holds: what comes last is there, and some of what came first is not.
    for (u64 i = 0; i < kMost * 8; ++i)
        set.insert(mix(i, 2));
    EXPECT_FALSE(set.insert(mix(kMost * 8 - 1, 2)));
    u64 forgotten = 0;
    for (u64 i = 1; i < kMost / 4; ++i)
        forgotten += set.insert(mix(i, 1));
    EXPECT_GT(forgotten, 0u);
}

// What is left at a hash is what everybody has left out there; also when the table has grown, and when the hash was forgotten.
TEST(HashSet, keeps_what_nobody_has_done) {
    HashSet set(HashSet::Use::Own, 1 << 14);
    const auto isOld = [&](u64 hash, HashSet::Left leaves, HashSet::Left left) {
        const HashSet::Entered entered = set.enter(hash, leaves);
        return !entered.isNew && entered.left == left;
    };
    EXPECT_TRUE(set.enter(5, 0b0110).isNew);
    EXPECT_TRUE(set.enter(6, 0).isNew);
    EXPECT_TRUE(isOld(5, 0b0011, 0b0110));
    for (u64 i = 0; i < 1 << 13; ++i)
        set.enter(mix(i, 1), static_cast<HashSet::Left>(i));
    EXPECT_TRUE(isOld(5, 0b1111, 0b0010));
    EXPECT_TRUE(isOld(5, 0, 0b0010));
    EXPECT_TRUE(isOld(5, 0b1111, 0));
    EXPECT_TRUE(isOld(6, 0b1111, 0));
    u64 kept = 0;
    for (u64 i = 0; i < 1 << 13; ++i)
        kept += isOld(mix(i, 1), 0, static_cast<HashSet::Left>(i));
    EXPECT_GT(kept, u64{1} << 12);
    for (u64 i = 0; i < 1 << 18; ++i)
        set.enter(mix(i, 2), 0xffff);
    for (u64 i = 0; i < 1 << 13; ++i)
        EXPECT_TRUE(!set.enter(mix(i, 1), 1).isNew || isOld(mix(i, 1), 0, 1));
}

TEST(HashSet, a_shared_one_is_seen_by_other_processes) {
    HashSet set(HashSet::Use::Shared, 1 << 12);
    const pid_t child = fork();
    if (child == 0)
        _exit(set.insert(77) ? 0 : 1);
    int status = -1;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
    EXPECT_FALSE(set.insert(77));
}

} // namespace mirrorscope
