// SPDX-License-Identifier: GPL-3.0-or-later
// What happened, micro-step by micro-step: which one it was, and which words it changed. It is written at its end and read anywhere. Of a
// long one only some parts are as they were written; the others are packed (some bytes for each fault) and unpacked when they are read.
#pragma once

#include "base/chunks.h"
#include "base/group_pack.h"
#include "base/types.h"
#include "base/vocab.h"

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace mirrorscope {

// One micro-step of the recording. Its changes are those from `change` up to the next step's `change`.
struct StepRecord {
    u64 change = 0;
    u32 path = 0;   // call path, see sim/call_path.h
    u32 script = 0; // index of the running script step, 0 = none
    Site site = Site::VmState;
    ActorId actor = 0;
};

// A word that changed, or whatever else its owner means by that number.
struct JournalChange {
    u64 place;
    u64 delta; // old ^ now
};

// Many micro-steps. Which words changed before the first one, since the chunk before this, belongs to it as well.
struct JournalChunk {
    using Packer = GroupPacker;
    u64 firstChange = 0;
    u64 stepCount = 0, changeCount = 0;
    StepRecord* steps = nullptr;
    JournalChange* changes = nullptr;
    u64 stepRoom = 0, changeRoom = 0;

    void clear();
    // For at least so many; what is there stays.
    void makeRoom(u64 forSteps, u64 forChanges);
    std::string pack(Packer& packer) const;
    void unpack(std::string_view packed);

private:
    struct Free {
        void operator()(std::byte* block) const { std::free(block); }
    };
    std::unique_ptr<std::byte, Free> block_;
};

class Journal {
public:
    // 2^stepBits micro-steps in a chunk, stepBits at least 3; how many chunks are not packed, see Chunks. What is short is not packed at
    // all.
    struct Shape {
        unsigned stepBits = 14;
        unsigned fresh = 8, read = 24;
    };
    explicit Journal(Shape shape);
    Journal() : Journal(Shape{}) {}

    // `step.change` is filled in.
    void beginStep(const StepRecord& step) {
        if (step_ == stepEnd_)
            nextChunk();
        *step_ = step;
        step_++->change = changes();
    }
    StepRecord& lastStep() { return step_[-1]; }
    void push(u64 place, u64 delta) {
        if (change_ == changeEnd_)
            growChanges();
        *change_++ = {place, delta};
    }

    u64 steps() const { return stepsBefore_ + static_cast<u64>(step_ - stepBegin_); }
    u64 changes() const { return changesBefore_ + static_cast<u64>(change_ - changeBegin_); }
    StepRecord step(u64 n) const { return n >= stepsBefore_ ? stepBegin_[n - stepsBefore_] : chunks_[n >> bits_].steps[n & mask_]; }
    // In the chunk that is written to.
    bool isLatest(u64 change) const { return change >= changesBefore_; }
    JournalChange change(u64 n) const { return isLatest(n) ? changeBegin_[n - changesBefore_] : earlierChange(n); }
    // The micro-step whose change that is.
    u64 stepOf(u64 change) const;

    // The chunk of a change; the first change of a chunk, of the one behind the last: of what comes next.
    u64 chunkOf(u64 change) const;
    u64 firstOf(u64 chunk) const { return chunk < firsts_.size() ? firsts_[chunk] : changes(); }

    // Changes that lie side by side, while this lives and nothing is written: the first ones of [from, end), or its last ones.
    class Run {
    public:
        const JournalChange* begin() const { return first_; }
        const JournalChange* end() const { return last_; }
        u64 size() const { return static_cast<u64>(last_ - first_); }

    private:
        friend class Journal;
        Run(Chunks<JournalChunk>::Pin pin, const JournalChange* first, const JournalChange* last)
            : pin_(std::move(pin)), first_(first), last_(last) {}
        Chunks<JournalChunk>::Pin pin_;
        const JournalChange *first_, *last_;
    };
    Run first(u64 from, u64 end) const;
    Run last(u64 from, u64 end) const;

    // Only the first ones stay, with their changes.
    void truncate(u64 steps);
    // What is kept of the micro-steps from there on, by whole chunks.
    u64 bytesFrom(u64 step) const;
    unsigned stepBits() const { return bits_; }

private:
    JournalChange earlierChange(u64 n) const;
    u64 stepsIn(const JournalChunk& chunk) const { return isLast(chunk) ? static_cast<u64>(step_ - stepBegin_) : chunk.stepCount; }
    u64 changesIn(const JournalChunk& chunk) const { return isLast(chunk) ? static_cast<u64>(change_ - changeBegin_) : chunk.changeCount; }
    bool isLast(const JournalChunk& chunk) const { return &chunk == &chunks_.last(); }
    Run run(u64 chunk, u64 from, u64 end) const;
    // The last chunk's counts are known by where it is written to.
    void sync();
    void takeLast();
    void nextChunk();
    void growChanges();

    unsigned bits_;
    u64 mask_;
    Chunks<JournalChunk> chunks_;
    std::vector<u64> firsts_{0}; // of each chunk: the number of its first change
    // Of the last chunk.
    u64 stepsBefore_ = 0, changesBefore_ = 0;
    StepRecord *stepBegin_ = nullptr, *step_ = nullptr, *stepEnd_ = nullptr;
    JournalChange *changeBegin_ = nullptr, *change_ = nullptr, *changeEnd_ = nullptr;
};

} // namespace mirrorscope
