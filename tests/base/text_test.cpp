// SPDX-License-Identifier: GPL-3.0-or-later
#include "base/text.h"

#include <gtest/gtest.h>

#include <array>

namespace mirrorscope {

TEST(Numbers, decimal_hex_and_binary_suffixes) {
    EXPECT_EQ(parseNumber("0"), 0u);
    EXPECT_EQ(parseNumber("4K"), 4096u);
    EXPECT_EQ(parseNumber("0x10K"), 0x4000u);
    EXPECT_EQ(parseNumber("64M"), 64u << 20);
    EXPECT_EQ(parseNumber("1G"), 1u << 30);
    EXPECT_EQ(parseNumber("1T"), u64{1} << 40);
    EXPECT_EQ(parseNumber("0xffffffffffffffff"), ~0ull);
}

TEST(Numbers, what_is_no_number_or_too_large_is_refused) {
    for (const char* text : {"", "K", "0x", "0xg", "12 ", " 12", "-1", "+1", "1k", "1KB", "1.5", "18446744073709551616",
                             "0x10000000000000000", "16777216T", "1e3"})
        EXPECT_FALSE(parseNumber(text)) << text;
}

TEST(Sizes, are_written_in_the_largest_unit_that_divides) {
    EXPECT_EQ(sizeText(4096), "4K");
    EXPECT_EQ(sizeText(0x201000), "2052K");
    EXPECT_EQ(sizeText(2u << 20), "2M");
}

TEST(DidYouMean, near_words_are_found_and_far_ones_are_not) {
    constexpr std::array<std::string_view, 3> words{"punch-hole", "discard", "read"};
    EXPECT_EQ(nearest("punch-hol", words), "punch-hole");
    EXPECT_EQ(nearest("raed", words), "read");
    EXPECT_FALSE(nearest("xyzzy-plugh", words));
}

} // namespace mirrorscope
