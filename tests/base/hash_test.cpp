// SPDX-License-Identifier: GPL-3.0-or-later
#include "base/hash.h"

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

} // namespace mirrorscope
