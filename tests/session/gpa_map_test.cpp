// SPDX-License-Identifier: GPL-3.0-or-later
// The map's counts are those of walking page by page, at every zoom, after every seek.
#include "session/gpa_map.h"

#include "session/style.h"
#include "support/run.h"
#include "support/seed.h"

#include <gtest/gtest.h>

#include <random>

namespace mirrorscope::test {

namespace {
const auto kForever = std::chrono::steady_clock::time_point::max();

// What a part holds, page by page.
std::array<u32, kMapStates> naive(const Session& session, Column column, u64 from, u64 to) {
    std::array<u32, kMapStates> pages{};
    for (u64 gfn = from; gfn < to; ++gfn)
        if (const auto where = session.entryAt({gfn}, column)) {
            TreeCell cell = session.cell(column, where->gfn, where->level);
            cell.zapped.reset();
            ++pages[styleIndexOf(column, cell)];
        }
    return pages;
}
} // namespace

TEST(GpaMap, counts_are_those_of_a_walk_page_by_page) {
    const u64 seed = propertySeed();
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    Session session(bindScenario(
        "test.yaml", td("  - vcpu0: {accept: {gpa: 2M, size: 400K}}\n  - vcpu1: {accept: {gpa: 20M, size: 64K}}\n"
                        "  - vcpu0: {map-gpa: {gpa: 2M, size: 64K, as: shared}}\n  - vcpu0: {write: {gpa: 2M, as: shared, pages: 9}}\n"
                        "  - punch-hole: {gpa: 20M, size: 32K}\n  - seamcall: {leaf: TDH.MEM.RANGE.BLOCK, gpa: 2112K}\n")));
    GpaMap map(session);
    EXPECT_EQ(map.size(), 32u << 8);
    for (unsigned k = 0; k < 60; ++k) {
        session.seek(random() % (session.end() + 1));
        const Column column = static_cast<Column>(random() % 3);
        // Parts that are whole pages, so that there is one right answer.
        const u64 perPart = 1 + random() % 40, parts = 1 + random() % 60;
        const u64 first = random() % (map.size() - 1), pages = std::min(perPart * parts, map.size() - first);
        const auto buckets = static_cast<unsigned>(pages / perPart);
        if (buckets == 0)
            continue;
        const MapStrip strip = map.strip(column, {first}, buckets * perPart, buckets, kForever);
        ASSERT_TRUE(strip.complete);
        for (unsigned b = 0; b < buckets; ++b)
            ASSERT_EQ(strip.buckets[b].pages, naive(session, column, first + b * perPart, first + (b + 1) * perPart))
                << "position " << session.position() << " column " << static_cast<int>(column) << " part " << b << " of " << buckets
                << " from " << first;
    }
}

TEST(GpaMap, the_whole_is_the_sum_of_its_parts_and_huge_pages_count_as_many) {
    Session session(bindScenario(
        "test.yaml",
        "mirrorscope: 1\nmachine: {vm: default, slots: [{id: 0, gpa: 0, size: 8M, backing: 2M}, {id: 1, gpa: 64M, size: 1M}]}\n"
        "script: [{vcpu0: {write: 0}}, {vcpu0: {write: 2M}}, {vcpu0: {write: 64M}}, {vcpu0: {read: 256M}}]\n"));
    session.seek(session.end());
    GpaMap map(session);
    EXPECT_EQ(map.size(), 128u << 8);
    const MapStrip one = map.strip(Column::Shared, {0}, map.size(), 1, kForever);
    EXPECT_EQ(one.buckets[0].pages[kStyleSharedLeaf], 1025u);
    const MapStrip many = map.strip(Column::Shared, {0}, map.size(), 77, kForever);
    u64 sum = 0;
    for (const MapBucket& bucket : many.buckets)
        sum += bucket.pages[kStyleSharedLeaf];
    EXPECT_NEAR(static_cast<double>(sum), 1025.0, 3.0); // a page at a part's edge may count in both
    const auto memory = map.memory({0}, map.size(), 128);
    EXPECT_TRUE(memory[0].slot && !memory[0].hole);
    EXPECT_TRUE(memory[100].hole && !memory[100].slot);
    EXPECT_TRUE(memory[64].slot);
}

TEST(GpaMap, attributes_are_seen_where_they_differ) {
    Session session(bindScenario("test.yaml", td("  - set-memory-attributes: {gpa: 4M, size: 4K, as: shared}\n")));
    GpaMap map(session);
    EXPECT_FALSE(map.memory({1024}, 512, 1)[0].shared);
    session.seek(session.end());
    const auto around = map.memory({1024}, 512, 1);
    EXPECT_TRUE(around[0].shared && around[0].isPrivate);
    const auto page = map.memory({1024}, 1, 1);
    EXPECT_TRUE(page[0].shared && !page[0].isPrivate);
}

TEST(GpaMap, what_took_too_long_is_there_the_next_time) {
    Session session(loadScenario((kSource / "resources/machines/huge.yaml").string()));
    session.seek(session.end());
    GpaMap map(session);
    const auto past = std::chrono::steady_clock::now();
    const MapStrip whole = map.strip(Column::Private, {0}, map.size(), 64, kForever);
    u32 mapped = 0;
    for (const MapBucket& bucket : whole.buckets)
        mapped += bucket.pages[kStylePrivateLeaf];
    EXPECT_EQ(mapped, 4u * 4096u);
    // Out of time at once: never wrong silently.
    const MapStrip again = map.strip(Column::Private, {0}, map.size(), 64, past);
    EXPECT_TRUE(!again.complete || again.buckets[0].pages == whole.buckets[0].pages);
}

} // namespace mirrorscope::test
