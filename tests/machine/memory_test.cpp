// SPDX-License-Identifier: GPL-3.0-or-later
#include "machine/memory.h"
#include "support/seed.h"

#include <gtest/gtest.h>

#include <unistd.h>

#include <fstream>
#include <map>
#include <random>

namespace mirrorscope {

namespace {
// What this process has in memory of its own, in bytes.
u64 resident() {
    u64 size = 0, pages = 0;
    std::ifstream("/proc/self/statm") >> size >> pages;
    return pages * static_cast<u64>(sysconf(_SC_PAGESIZE));
}
} // namespace

TEST(Memory, a_page_of_which_one_word_was_written_costs_a_word) {
    constexpr u64 kSparseFrames = u64{1} << 17; // 512 MiB
    Memory memory(kSparseFrames * 512, kSparseFrames);
    const u64 before = resident();
    for (u32 frame = 0; frame < kSparseFrames; ++frame) {
        memory.put(frame * 512, frame + 1);
        memory.put(frame * 512 + 7, 0);
        memory.putFrame(frame * 512, {frame + 2, 0, {}});
        ASSERT_TRUE(memory.frame(frame * 512).mixed.empty());
        ASSERT_EQ(memory.frame(frame * 512).head, frame + 2);
    }
    // A word each, in pages of this host that may be large, and a bit; not 4096 bytes. (Zeroes that are read count as resident, too, and a
    // sanitizer keeps a shadow.)
    EXPECT_LT(resident() - before, kSparseFrames * 64);
    EXPECT_EQ(memory[512 * 100], 102u);
    EXPECT_EQ(memory[512 * 100 + 1], 0u);
}

// Whoever goes through what was written passes by what was not: by the words of 64 frames at a time, and of a frame by all but the first.
TEST(Memory, what_was_written_is_found_without_reading_the_rest) {
    const u64 seed = test::propertySeed();
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    constexpr u64 kWords = u64{1} << 32, kWrites = 200;
    for (const u64 frames : {u64{0}, kWords / 1024, kWords / 512}) {
        Memory memory(kWords, frames);
        std::map<u64, u64> written;
        for (u64 n = 0; n < kWrites; ++n) {
            const u64 place = random() % 2 == 0 ? random() % kWords : random() % kWords / 512 * 512;
            if (random() % 4 == 0) {
                memory.putFrame(place / 512 * 512, {n + 1, 0, {}});
                for (u64 k = 0; k < 512; ++k)
                    written.erase(place / 512 * 512 + k);
                written[place / 512 * 512] = n + 1;
            } else {
                memory.put(place, n + 1);
                written[place] = n + 1;
            }
        }
        std::map<u64, u64> found;
        u64 looked = 0;
        for (u64 place = memory.nextWritten(0); place < kWords; place = memory.nextWritten(place + 1), ++looked)
            if (memory[place] != 0)
                found[place] = memory[place];
        EXPECT_EQ(found, written);
        EXPECT_LE(looked, kWrites * 64 * 512);
    }
}

TEST(Memory, a_frame_is_what_was_put_there_wherever_its_words_are) {
    for (const u64 frames : {0, 2}) {
        Memory memory(4 * 512, frames);
        for (const u32 first : {0u, 512u, 1024u}) {
            memory.putFrame(first, {5, 5, {}});
            EXPECT_TRUE(memory.frame(first).all(5));
            memory.put(first, 6);
            EXPECT_FALSE(memory.frame(first).all(5));
            EXPECT_EQ(memory.frame(first).head, 6u);
            EXPECT_EQ(memory.frame(first).rest, 5u);
            memory.put(first + 511, 7);
            const Memory::FrameWords mixed = memory.frame(first);
            EXPECT_EQ(mixed[0], 6u);
            EXPECT_EQ(mixed[1], 5u);
            EXPECT_EQ(mixed[511], 7u);
            memory.putFrame(first, {0, 0, {}});
            EXPECT_TRUE(memory.frame(first).all(0));
            EXPECT_EQ(memory[first + 511], 0u);
            memory.putFrame(first, mixed);
            EXPECT_EQ(memory[first], 6u);
            EXPECT_EQ(memory[first + 510], 5u);
            EXPECT_EQ(memory[first + 511], 7u);
        }
    }
}

} // namespace mirrorscope
