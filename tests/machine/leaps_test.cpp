// SPDX-License-Identifier: GPL-3.0-or-later
// Seeking in strides ends where walking change by change ends, in memory and in hash.
#include "machine/machine.h"
#include "support/seed.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace mirrorscope {

namespace {
constexpr u64 kFrames = 12;

// A machine with a long journal, and what a naive recording of it says. What happens is in its last frames, which begin at `base`.
struct Long {
    u64 base;
    Machine machine{base + kFrames * 512, base + (kFrames - 2) * 512};
    std::vector<std::vector<std::pair<u64, u64>>> writes; // of each step: place and what it became, in order
    std::vector<u64> hashes;

    Long(u64 seed, unsigned steps, bool small, u64 before = 0) : base(before) {
        std::mt19937_64 random(seed);
        if (small)
            machine.shapeJournal({.stepBits = 6, .fresh = 2, .read = 3});
        machine.baseline();
        hashes.push_back(machine.hash());
        std::vector<u64> now(kFrames * 512, 0);
        for (unsigned n = 0; n < steps; ++n) {
            machine.beginStep({});
            auto& list = writes.emplace_back();
            for (u64 k = random() % 4; k > 0; --k) {
                if (random() % 64 == 0) {
                    const u64 frame = random() % kFrames;
                    const u64 value = random() % 3;
                    machine.fill({base / 512 + frame}, value);
                    for (unsigned i = 0; i < 512; ++i)
                        list.emplace_back(frame * 512 + i, value);
                } else {
                    // Few places are written often, so that changes cancel out.
                    const auto place = static_cast<u32>(random() % 3 == 0 ? random() % (kFrames * 512) : random() % 40);
                    const u64 value = random() % 4;
                    machine.set({base + place}, value);
                    list.emplace_back(place, value);
                }
            }
            hashes.push_back(machine.hash());
        }
    }
    std::vector<u64> at(u64 position) const {
        std::vector<u64> words(kFrames * 512, 0);
        for (u64 n = 0; n < position; ++n)
            for (const auto& [place, value] : writes[n])
                words[place] = value;
        return words;
    }
    std::vector<u64> contents() const {
        std::vector<u64> words;
        for (u32 p = 0; p < kFrames * 512; ++p)
            words.push_back(machine.peek({base + p}));
        return words;
    }
};

// As it comes; and in small chunks and strides, nearly all of them packed.
class Leaping : public testing::TestWithParam<bool> {
protected:
    static void pack(Machine& machine) { machine.packLeaps(GetParam() ? 5000 : Leaps::kOpenBytes); }
};
INSTANTIATE_TEST_SUITE_P(Small, Leaping, testing::Bool());
} // namespace

TEST_P(Leaping, every_seek_ends_in_the_state_of_that_position) {
    const u64 seed = test::propertySeed();
    SCOPED_TRACE("seed " + std::to_string(seed));
    Long run(seed, 60'000, GetParam());
    ASSERT_GT(run.machine.steps(), u64{3} << Journal::Shape{}.stepBits);
    pack(run.machine);
    EXPECT_EQ(run.machine.position(), 0u);
    std::mt19937_64 random(seed + 1);
    std::vector<u64> positions{0, run.machine.steps(), 0, 1, run.machine.steps() - 1, run.machine.steps()};
    for (unsigned k = 0; k < 60; ++k)
        positions.push_back(random() % (run.machine.steps() + 1));
    for (const u64 position : positions) {
        run.machine.seek(position);
        ASSERT_EQ(run.machine.position(), position);
        ASSERT_EQ(run.machine.hash(), run.hashes[position]) << position;
        ASSERT_EQ(run.contents(), run.at(position)) << position;
    }
    EXPECT_EQ(run.machine.hash(), run.machine.hashFromScratch());
}

TEST_P(Leaping, a_difference_is_what_two_states_differ_in) {
    const u64 seed = test::propertySeed();
    SCOPED_TRACE("seed " + std::to_string(seed));
    Long run(seed, 40'000, GetParam());
    pack(run.machine);
    std::mt19937_64 random(seed + 2);
    for (unsigned k = 0; k < 20; ++k) {
        const u64 a = random() % (run.machine.steps() + 1), b = random() % (run.machine.steps() + 1);
        const auto x = run.at(a), y = run.at(b);
        std::vector<std::pair<u64, u64>> expected;
        for (u32 p = 0; p < x.size(); ++p)
            if (x[p] != y[p])
                expected.emplace_back(p, x[p] ^ y[p]);
        ASSERT_EQ(run.machine.difference(a, b), expected) << a << " " << b;
    }
}

TEST_P(Leaping, a_history_is_the_same_with_and_without_them) {
    const u64 seed = test::propertySeed();
    SCOPED_TRACE("seed " + std::to_string(seed));
    Long run(seed, 40'000, GetParam());
    std::map<u64, std::vector<Machine::Write>> walked;
    for (const u64 place : {0u, 7u, 39u, 700u, 5000u})
        walked[place] = run.machine.history({place});
    pack(run.machine);
    for (const u64 position : {u64{0}, run.machine.steps() / 3, run.machine.steps()}) {
        run.machine.seek(position);
        for (const auto& [place, writes] : walked) {
            const auto found = run.machine.history({place});
            ASSERT_EQ(found.size(), writes.size()) << place;
            for (std::size_t i = 0; i < writes.size(); ++i) {
                EXPECT_EQ(found[i].step, writes[i].step);
                EXPECT_EQ(found[i].old, writes[i].old);
                EXPECT_EQ(found[i].now, writes[i].now);
            }
        }
    }
}

// Frames on both sides of the word with the number 2^32.
TEST_P(Leaping, a_machine_beyond_32_bits_travels_as_a_small_one) {
    const u64 seed = test::propertySeed();
    SCOPED_TRACE("seed " + std::to_string(seed));
    Long run(seed, 30'000, GetParam(), (u64{1} << 32) - u64{5} * 512);
    std::map<u64, std::vector<Machine::Write>> walked;
    for (const u64 place : {0u, 7u, 700u, 2560u, 2570u, 5000u})
        walked[place] = run.machine.history({run.base + place});
    EXPECT_FALSE(walked[2570].empty());
    pack(run.machine);
    std::mt19937_64 random(seed + 3);
    for (unsigned k = 0; k < 20; ++k) {
        const u64 a = random() % (run.machine.steps() + 1), b = random() % (run.machine.steps() + 1);
        run.machine.seek(a);
        ASSERT_EQ(run.machine.hash(), run.hashes[a]) << a;
        const auto x = run.at(a), y = run.at(b);
        ASSERT_EQ(run.contents(), x) << a;
        std::vector<std::pair<u64, u64>> expected;
        for (u64 p = 0; p < x.size(); ++p)
            if (x[p] != y[p])
                expected.emplace_back(run.base + p, x[p] ^ y[p]);
        ASSERT_EQ(run.machine.difference(a, b), expected) << a << " " << b;
        for (const auto& [place, writes] : walked) {
            const auto found = run.machine.history({run.base + place});
            ASSERT_EQ(found.size(), writes.size()) << place;
            for (std::size_t i = 0; i < writes.size(); ++i)
                EXPECT_EQ(found[i].step, writes[i].step);
        }
    }
}

TEST_P(Leaping, a_seek_flags_the_frames_in_which_something_is_different) {
    const u64 seed = test::propertySeed();
    SCOPED_TRACE("seed " + std::to_string(seed));
    Long run(seed, 40'000, GetParam());
    pack(run.machine);
    std::mt19937_64 random(seed + 3);
    for (unsigned k = 0; k < 20; ++k) {
        const auto before = run.contents();
        std::vector<u8> flags(kFrames, 0);
        run.machine.flagFrames(&flags);
        run.machine.seek(random() % (run.machine.steps() + 1));
        run.machine.flagFrames(nullptr);
        const auto after = run.contents();
        for (u32 p = 0; p < before.size(); ++p)
            ASSERT_TRUE(before[p] == after[p] || flags[p >> 9] == 1) << p;
    }
}

TEST_P(Leaping, a_rewind_forgets_them) {
    Long run(5, 40'000, GetParam());
    pack(run.machine);
    run.machine.seek(run.machine.steps());
    run.machine.rewind(100);
    run.machine.beginStep({});
    run.machine.set({3}, 77);
    run.machine.seek(50);
    run.machine.seek(101);
    EXPECT_EQ(run.machine.peek({3}), 77u);
    run.machine.seek(100);
    EXPECT_EQ(run.contents(), run.at(100));
}

} // namespace mirrorscope
