// SPDX-License-Identifier: GPL-3.0-or-later
#include "base/hash.h"
#include "base/log.h"

#include <gtest/gtest.h>

#include <set>

namespace mirrorscope {

TEST(Hash, a_word_of_zero_adds_nothing) { EXPECT_EQ(wordHash(17, 0), 0u); }

TEST(Hash, place_and_value_both_matter) {
    std::set<u64> seen;
    for (u32 place = 0; place < 300; ++place)
        for (u64 value = 1; value < 300; ++value)
            EXPECT_TRUE(seen.insert(wordHash(place, value)).second) << place << " " << value;
}

TEST(Hash, mixing_depends_on_the_order) { EXPECT_NE(mix(mix(0, 1), 2), mix(mix(0, 2), 1)); }

TEST(Log, grows_over_block_borders_and_truncates) {
    Log<u32, 4> log;
    for (u32 i = 0; i < 100; ++i)
        log.push(i);
    log.truncate(33);
    log.push(7);
    ASSERT_EQ(log.size(), 34u);
    EXPECT_EQ(log[32], 32u);
    EXPECT_EQ(log[33], 7u);
    log.truncate(0);
    log.push(1);
    EXPECT_EQ(log[0], 1u);
}

} // namespace mirrorscope
