// SPDX-License-Identifier: GPL-3.0-or-later
// What the map draws of what it counted.
#include "session/map_picture.h"

#include "base/text.h"
#include "support/run.h"
#include "support/seed.h"

#include <gtest/gtest.h>

#include <random>

namespace mirrorscope::test {

TEST(MapPicture, every_state_of_a_column_is_seen_unless_it_is_dimmed) {
    const u64 seed = propertySeed();
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    for (unsigned k = 0; k < 400; ++k) {
        const u64 pages = 4096;
        const int height = 60 + static_cast<int>(random() % 200);
        MapStrip strip;
        strip.buckets.resize(8);
        for (MapBucket& bucket : strip.buckets)
            for (u64 left = 512; left > 0;) {
                const u64 count = std::min<u64>(left, 1 + random() % 512);
                bucket.pages[random() % kMapStates] += static_cast<u32>(count);
                left -= count;
            }
        const u32 dimmed = k % 2 == 0 ? 0 : static_cast<u32>(random());
        const std::vector<MapColumn> columns = columnsOf(strip, pages, height, dimmed);
        ASSERT_EQ(columns.size(), strip.buckets.size());
        for (std::size_t x = 0; x < columns.size(); ++x) {
            ASSERT_EQ(columns[x].edges.front(), 0);
            ASSERT_LE(columns[x].edges.back(), height);
            std::array<int, kMapStates> pixels{};
            for (int y = 0; y < height; ++y)
                if (const auto state = columns[x].at(y))
                    ++pixels[*state];
            for (const StyleIndex state : kMapOrder) {
                const u32 count = strip.buckets[x].pages[state];
                if ((dimmed >> state & 1) != 0 || count == 0) {
                    ASSERT_EQ(pixels[state], 0) << styleAt(state).name;
                    continue;
                }
                // As high as its share, and never lower than that; only a full column has no room for what comes last.
                const double share = static_cast<double>(count) / 512 * height;
                if (columns[x].edges.back() < height) {
                    ASSERT_GE(pixels[state] + 1, share) << styleAt(state).name;
                    ASSERT_GE(pixels[state], 1) << styleAt(state).name;
                }
                ASSERT_LE(pixels[state], std::max(share, 5.0) + 1) << styleAt(state).name;
            }
        }
    }
}

// However the pages share out among the columns.
TEST(MapPicture, what_is_mapped_whole_is_a_full_column) {
    for (const u64 pages : {64u, 1000u, 1024u, 4096u, 1u << 18})
        for (const u64 count : {7u, 613u, 700u, 1024u}) {
            MapStrip strip;
            strip.buckets.resize(count);
            for (u64 page = 0; page < pages; ++page)
                for (u64 bucket = page * count / pages, last = ((page + 1) * count - 1) / pages; bucket <= last; ++bucket)
                    ++strip.buckets[bucket].pages[kStylePrivateLeaf];
            const std::vector<MapColumn> columns = columnsOf(strip, pages, 80, 0);
            for (std::size_t x = 0; x < columns.size(); ++x)
                ASSERT_EQ(columns[x].edges.back(), 80) << pages << " pages, column " << x << " of " << count;
        }
}

TEST(MapPicture, a_single_page_among_thousands_is_seen) {
    MapStrip strip;
    strip.buckets.resize(1);
    strip.buckets[0].pages[kStyleFrozen] = 1;
    const MapColumn column = columnsOf(strip, 1 << 18, 100, 0).at(0);
    EXPECT_EQ(column.at(0), kStyleFrozen);
    EXPECT_EQ(column.at(4), kStyleFrozen);
    EXPECT_EQ(column.at(5), std::nullopt);
}

TEST(MapPicture, ticks_stand_at_powers_of_two_within_the_range) {
    const u64 seed = propertySeed();
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    for (unsigned k = 0; k < 300; ++k) {
        const double whole = static_cast<double>(1ull << (4 + random() % 24));
        const double span = std::max(1.0, whole / static_cast<double>(1 + random() % 1000));
        const double start = (whole - span) * static_cast<double>(random() % 1000) / 1000;
        const auto ticks = mapTicks(start, span, whole, 900, 100);
        for (std::size_t i = 0; i < ticks.size(); ++i) {
            ASSERT_GE(ticks[i].page, start);
            ASSERT_LE(ticks[i].page, start + span);
            ASSERT_EQ(ticks[i].label.substr(0, ticks[i].label.find(' ')), hex(static_cast<u64>(ticks[i].page) << 12));
            if (i > 0) {
                ASSERT_GE((ticks[i].page - ticks[i - 1].page) / span * 900, 100);
            }
        }
    }
    const auto whole = mapTicks(0, 1 << 20, 1 << 20, 900, 100);
    ASSERT_GT(whole.size(), 2u);
    EXPECT_EQ(whole[0].label, "0x0");
    EXPECT_EQ(whole[1].label, "0x20000000 = 512M");
}

TEST(MapPicture, the_gravest_is_flagged) {
    MapBucket bucket;
    EXPECT_EQ(flagOf(bucket), MapFlag::None);
    bucket.changed = true;
    EXPECT_EQ(flagOf(bucket), MapFlag::Changed);
    bucket.zapped = true;
    EXPECT_EQ(flagOf(bucket), MapFlag::Zapped);
    bucket.violation = true;
    EXPECT_EQ(flagOf(bucket), MapFlag::Violation);
    MapStrip strip;
    strip.buckets.resize(2);
    strip.buckets[0].pages[kStyleNone] = 512;
    EXPECT_FALSE(hasAnything(strip)) << "tables without entries";
    strip.buckets[1].zapped = true;
    EXPECT_TRUE(hasAnything(strip));
}

TEST(MapPicture, entries_lie_side_by_side_and_are_those_of_the_walk) {
    Session session(bindScenario("test.yaml", td("  - vcpu0: {accept: {gpa: 2M, size: 64K}}\n")));
    session.seek(session.end());
    for (const Column column : {Column::Mirror, Column::Private, Column::Shared}) {
        const std::vector<MapEntry> entries = entriesBetween(session, column, 500, 600);
        ASSERT_FALSE(entries.empty());
        EXPECT_LE(entries.front().gfn.v, 500u);
        EXPECT_GE(entries.back().end(), 600u);
        for (std::size_t i = 0; i < entries.size(); ++i) {
            if (i > 0) {
                EXPECT_EQ(entries[i].gfn.v, entries[i - 1].end());
            }
            const auto where = session.entryAt(entries[i].gfn, column);
            ASSERT_EQ(where.has_value(), entries[i].cell.has_value());
            if (where) {
                EXPECT_EQ(where->level, entries[i].level);
            }
        }
    }
}

} // namespace mirrorscope::test
