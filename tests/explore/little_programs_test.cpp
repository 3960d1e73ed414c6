// SPDX-License-Identifier: GPL-3.0-or-later
// The search of stateless mode on little programs: against every state of random ones, with a part of its argument left out, and with the
// numbers that the source-set paper gives for its own.
#include "little_programs.h"

#include "support/effort.h"
#include "support/seed.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>

namespace mirrorscope::test {

namespace {
constexpr u64 kMostStates = 20'000;

LittleStep read(unsigned word) { return {.ops = {{Op::Kind::Read, word, 0, false}}}; }
LittleStep write(unsigned word, u64 value) { return {.ops = {{Op::Kind::Write, word, value, false}}}; }
Op op(Op::Kind kind, unsigned word, u64 value = 0, bool ifOdd = false) { return {kind, word, value, ifOdd}; }
LittleStep writeLock(unsigned lock, std::vector<Op> ops = {}) {
    ops.insert(ops.begin(), op(Op::Kind::WriteLock, lock));
    return {.guard = LittleStep::Guard::CanWrite, .guardWord = lock, .ops = std::move(ops)};
}
LittleStep writeUnlock(unsigned lock) { return {.ops = {op(Op::Kind::WriteUnlock, lock)}}; }

void expectAllEnds(const LittleProgram& program) {
    Ends all;
    ASSERT_TRUE(everyState(program, all, kMostStates));
    EXPECT_EQ(searched(program).ends, all) << program.text();
}
} // namespace

// The smallest programs of five holes that the search once had.
TEST(LittleProgram, a_word_beside_the_lock_that_was_shut_hides_no_order) {
    LittleProgram p;
    p.locks = 1;
    p.actors = {{writeLock(0, {op(Op::Kind::WriteLocal, 0), op(Op::Kind::Write, 2, 2)}), writeUnlock(0), read(1)},
                {read(1), writeLock(0, {op(Op::Kind::Write, 1, 3)}), write(0, 3), writeUnlock(0)}};
    expectAllEnds(p);
}
TEST(LittleProgram, a_callback_may_run_before_what_another_does) {
    LittleProgram p;
    p.rcu = true;
    p.actors = {{write(0, 3)}, {{.ops = {op(Op::Kind::CallRcu, 0)}}}};
    expectAllEnds(p);
}
TEST(LittleProgram, a_micro_step_that_decides_by_what_it_reads_is_tried_earlier_all_the_same) {
    LittleProgram p;
    p.actors = {{{.ops = {op(Op::Kind::Read, 2), op(Op::Kind::Write, 1, 3, true)}}},
                {read(2), {.ops = {op(Op::Kind::Add, 2, 1, true), op(Op::Kind::Add, 2, 2)}}, read(0)},
                {{.ops = {op(Op::Kind::WriteLocal, 1)}}}};
    expectAllEnds(p);
}
TEST(LittleProgram, a_deadlock_is_found_although_its_execution_is_given_up) {
    LittleProgram p;
    p.locks = 1;
    LittleStep wait{
        .guard = LittleStep::Guard::Equals, .guardWord = 1, .guardValue = 0, .ops = {op(Op::Kind::Read, 2), op(Op::Kind::Read, 0)}};
    p.actors = {{write(0, 1)}, {write(1, 3)}, {writeLock(0), wait, writeUnlock(0)}};
    expectAllEnds(p);
}

// A million of them, and no difference, are asked for by MIRRORSCOPE_LITTLE_PROGRAMS.
TEST(LittleProgram, random_ones_end_as_every_state_says) {
    const u64 programs = wanted("MIRRORSCOPE_LITTLE_PROGRAMS", effort(12'000, 1'000));
    const u64 seed = propertySeed();
    u64 compared = 0, late = 0, executions = 0, givenUp = 0;
    for (u64 n = 0; n < programs; ++n) {
        const LittleProgram program = randomProgram(seed * 1'000'000'007 + n);
        Ends all;
        if (!everyState(program, all, kMostStates)) {
            ++late;
            continue;
        }
        const Searched found = searched(program);
        if (!found.complete) {
            ++late;
            continue;
        }
        ++compared;
        executions += found.executions;
        givenUp += found.givenUp;
        ASSERT_EQ(found.ends, all) << "seed " << seed << ", program " << n << "\n" << program.text();
    }
    std::cout << compared << " programs compared, " << late << " too large; " << executions << " executions, " << givenUp << " given up\n";
    EXPECT_GT(compared, programs * 9 / 10);
}

// What judges the search would notice: each part of the argument is needed.
TEST(LittleProgram, a_part_of_the_argument_left_out_is_noticed) {
    using Part = Reduction::Part;
    const std::vector<Part> parts{Part::WaitingActors, Part::WhatWasRead, Part::WholeExecution, Part::Waking};
    for (const Part part : someOf(parts)) {
        bool noticed = false;
        for (u64 n = 0; n < 200'000 && !noticed; ++n) {
            const LittleProgram program = randomProgram(n);
            Ends all;
            if (!everyState(program, all, 500))
                continue;
            const Searched found = searched(program, part);
            noticed = found.complete && found.ends != all;
        }
        EXPECT_TRUE(noticed) << "part " << static_cast<unsigned>(part);
    }
}

// "Source Sets", table 1: readers(N), one writer and N readers of a word; indexer(N), threads that fill a hash table with compare-and-swap;
// lastzero(N), N threads that each set an element and one that looks for the last zero; file system(N).
namespace {
LittleProgram readers(unsigned n) {
    LittleProgram p;
    p.words = 1;
    p.actors.push_back({write(0, 1)});
    for (unsigned i = 0; i < n; ++i)
        p.actors.push_back({read(0)});
    return p;
}
// Threads put messages into a table of 128 words by compare-and-swap; the hash lets the twelfth thread meet others.
LittleProgram indexer(unsigned threads) {
    constexpr unsigned kSize = 128, kMessages = 4, kTries = 4;
    LittleProgram p;
    p.words = kSize;
    for (unsigned t = 0; t < threads; ++t) {
        p.actors.emplace_back();
        for (unsigned m = 1; m <= kMessages; ++m) {
            const unsigned message = m * 11 + t, hash = message * 7 % kSize;
            for (unsigned k = 0; k < kTries; ++k) {
                LittleStep insert{.ops = {op(Op::Kind::Swap0, (hash + k) % kSize, message)}};
                insert.skipIfRead = kTries - 1 - k; // it was free: the next message
                insert.skipValue = 0;
                p.actors.back().push_back(insert);
            }
        }
    }
    return p;
}
// Thread t locks inode t; if it is free, it looks for a free block from t * 2 on, each under its lock.
LittleProgram fileSystem(unsigned threads) {
    constexpr unsigned kInodes = 32, kBlocks = 26, kTries = 2;
    LittleProgram p;
    p.words = kInodes + kBlocks;
    p.locks = kInodes + kBlocks;
    for (unsigned t = 0; t < threads; ++t) {
        p.actors.push_back({writeLock(t), read(t)});
        auto& steps = p.actors.back();
        for (unsigned k = 0; k < kTries; ++k) {
            const unsigned block = kInodes + (t * 2 + k) % kBlocks;
            LittleStep busy = read(block);
            busy.skipIfRead = 3;
            busy.skipValue = 1;
            LittleStep found = writeUnlock(block);
            found.skipIfRead = 1 + (kTries - 1 - k) * 6;
            found.skipValue = 0; // what `busy` read
            steps.insert(steps.end(), {writeLock(block), busy, write(block, 1), write(t, 1), found, writeUnlock(block)});
        }
        steps.push_back(writeUnlock(t));
    }
    return p;
}
// array[0..n] of zeros; thread j: array[j] = array[j-1] + 1; thread 0: i = n; while (array[i] != 0) i--.
LittleProgram lastZero(unsigned n) {
    LittleProgram p;
    p.words = n + 1;
    std::vector<LittleStep> looks;
    for (unsigned i = n + 1; i-- > 0;) {
        LittleStep look = read(i);
        look.skipIfRead = n + 1; // found: to the end
        look.skipValue = 0;
        looks.push_back(look);
    }
    p.actors.push_back(looks);
    for (unsigned j = 1; j <= n; ++j) {
        // Two micro-steps: the read, and the write of what was read plus one. The value only matters as zero or not.
        p.actors.push_back({read(j - 1), write(j, 1)});
    }
    return p;
}
} // namespace

TEST(LittleProgram, the_papers_own_programs_have_its_numbers_of_executions) {
    const auto run = [](const char* name, unsigned n, const LittleProgram& program) {
        const Searched found = searched(program);
        std::cout << name << "(" << n << "): " << found.executions << " inequivalent executions, " << found.givenUp << " given up\n";
        return found;
    };
    for (const unsigned n : {2u, 8u})
        EXPECT_EQ(run("readers", n, readers(n)).executions, u64{1} << n); // readers(8): 256
    EXPECT_EQ(run("indexer", 11, indexer(11)).executions, 1u);
    EXPECT_EQ(run("indexer", 12, indexer(12)).executions, 8u);
    EXPECT_EQ(run("file system", 14, fileSystem(14)).executions, 2u);
    EXPECT_EQ(run("file system", 16, fileSystem(16)).executions, 8u);
    const Searched last = run("lastzero", 5, lastZero(5));
    EXPECT_EQ(last.executions, 64u);
    EXPECT_LE(last.executions + last.givenUp, 100u); // 79 in the paper: whom it tries first is not said there
}

} // namespace mirrorscope::test
