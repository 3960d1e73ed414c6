// SPDX-License-Identifier: GPL-3.0-or-later
#include "machine/journal.h"

#include <sys/mman.h>

#include <algorithm>
#include <memory>
#include <new>

namespace mirrorscope {

namespace {
// What changed before the chunk's first micro-step is a group of its own.
constexpr GroupKey kBefore{~0u, ~0u, ~0u, ~0u};
constexpr u64 kChangesAtFirst = 1024;
// A block that takes an eighth of one of this host's large pages is one: it costs one fault, and not hundreds.
constexpr std::size_t kLarge = std::size_t{2} << 20;

GroupKey keyOf(const StepRecord& step) { return {step.path, step.script, static_cast<u32>(step.site), step.actor}; }
} // namespace

void JournalChunk::clear() { firstChange = stepCount = changeCount = 0; }

void JournalChunk::makeRoom(u64 forSteps, u64 forChanges) {
    if (stepRoom >= forSteps && changeRoom >= forChanges)
        return;
    const u64 roomForSteps = std::max(stepRoom, forSteps);
    u64 roomForChanges = changeRoom >= forChanges ? changeRoom : std::max({forChanges, changeRoom * 2, kChangesAtFirst});
    std::size_t bytes = roomForSteps * sizeof(StepRecord) + roomForChanges * sizeof(JournalChange);
    const bool large = bytes > kLarge / 8;
    bytes = large ? (bytes + kLarge - 1) / kLarge * kLarge : (bytes + 63) / 64 * 64;
    roomForChanges = (bytes - roomForSteps * sizeof(StepRecord)) / sizeof(JournalChange);
    std::unique_ptr<std::byte, Free> block(static_cast<std::byte*>(std::aligned_alloc(large ? kLarge : 64, bytes)));
    if (block == nullptr)
        throw std::bad_alloc();
    if (large)
        madvise(block.get(), bytes, MADV_HUGEPAGE);
    auto* const newSteps = reinterpret_cast<StepRecord*>(block.get());
    auto* const newChanges = reinterpret_cast<JournalChange*>(newSteps + roomForSteps);
    std::uninitialized_copy_n(steps, stepCount, newSteps);
    std::uninitialized_copy_n(changes, changeCount, newChanges);
    steps = newSteps;
    changes = newChanges;
    stepRoom = roomForSteps;
    changeRoom = roomForChanges;
    block_ = std::move(block);
}

std::string JournalChunk::pack(Packer& packer) const {
    static_assert(sizeof(JournalChange) == 2 * sizeof(u64));
    const auto add = [&](const GroupKey& key, u64 from, u64 end) {
        packer.add(key, &changes[from].place, static_cast<u32>(2 * (end - from)));
    };
    const auto index = [&](u64 n) { return n < stepCount ? steps[n].change - firstChange : changeCount; };
    const GroupKey counts{static_cast<u32>(stepCount), static_cast<u32>(firstChange >> 32), static_cast<u32>(firstChange), 0};
    packer.add(counts, nullptr, 0);
    add(kBefore, 0, index(0));
    for (u64 n = 0; n < stepCount; ++n)
        add(keyOf(steps[n]), index(n), index(n + 1));
    return packer.finish();
}

void JournalChunk::unpack(std::string_view packed) {
    GroupUnpacker unpacker(packed);
    GroupKey key;
    const auto changesOfIt = [&](u32 numbers) {
        makeRoom(stepRoom, changeCount + numbers / 2);
        unpacker.numbers(&changes[changeCount].place, numbers);
        changeCount += numbers / 2;
    };
    unpacker.next(key);
    const u64 count = key[0];
    firstChange = u64{key[1]} << 32 | key[2];
    makeRoom(count, kChangesAtFirst);
    changesOfIt(unpacker.next(key));
    while (stepCount < count) {
        const u32 numbers = unpacker.next(key);
        steps[stepCount++] = {firstChange + changeCount, key[0], key[1], static_cast<Site>(key[2]), static_cast<ActorId>(key[3])};
        changesOfIt(numbers);
    }
}

Journal::Journal(Shape shape) : bits_(shape.stepBits), mask_((u64{1} << shape.stepBits) - 1), chunks_(shape.fresh, shape.read) {
    takeLast();
}

void Journal::takeLast() {
    JournalChunk& chunk = chunks_.last();
    stepsBefore_ = (chunks_.size() - 1) << bits_;
    changesBefore_ = chunk.firstChange;
    const u64 room = mask_ + 1;
    chunk.makeRoom(room, chunk.changeRoom);
    stepBegin_ = chunk.steps;
    step_ = stepBegin_ + chunk.stepCount;
    stepEnd_ = stepBegin_ + room;
    changeBegin_ = chunk.changes;
    change_ = changeBegin_ + chunk.changeCount;
    changeEnd_ = changeBegin_ + chunk.changeRoom;
}

void Journal::sync() {
    JournalChunk& chunk = chunks_.last();
    chunk.stepCount = stepsIn(chunk);
    chunk.changeCount = changesIn(chunk);
}

void Journal::nextChunk() {
    sync();
    const u64 first = changes();
    chunks_.append().firstChange = first;
    firsts_.push_back(first);
    takeLast();
}

void Journal::growChanges() {
    sync();
    chunks_.last().makeRoom(0, chunks_.last().changeCount + 1);
    takeLast();
}

u64 Journal::chunkOf(u64 change) const {
    if (isLatest(change))
        return chunks_.size() - 1;
    return static_cast<u64>(std::upper_bound(firsts_.begin(), firsts_.end(), change) - firsts_.begin()) - 1;
}

JournalChange Journal::earlierChange(u64 n) const {
    const u64 chunk = chunkOf(n);
    return chunks_[chunk].changes[n - firsts_[chunk]];
}

u64 Journal::stepOf(u64 change) const {
    const u64 number = chunkOf(change);
    const JournalChunk& chunk = chunks_[number];
    const StepRecord* begin = chunk.steps;
    const StepRecord* end = begin + stepsIn(chunk);
    const StepRecord* after = std::upper_bound(begin, end, change, [](u64 c, const StepRecord& step) { return c < step.change; });
    const u64 first = number << bits_;
    return after == begin ? (first == 0 ? 0 : first - 1) : first + static_cast<u64>(after - begin) - 1;
}

Journal::Run Journal::run(u64 chunk, u64 from, u64 end) const {
    auto pin = chunks_.pin(chunk);
    const JournalChange* changes = pin->changes;
    const u64 first = firsts_[chunk];
    return {std::move(pin), changes + (from - first), changes + (end - first)};
}

Journal::Run Journal::first(u64 from, u64 end) const {
    const u64 chunk = chunkOf(from);
    return run(chunk, from, std::min(end, firstOf(chunk + 1)));
}

Journal::Run Journal::last(u64 from, u64 end) const {
    const u64 chunk = chunkOf(end - 1);
    return run(chunk, std::max(from, firsts_[chunk]), end);
}

void Journal::truncate(u64 steps) {
    const u64 changes = steps >= this->steps() ? this->changes() : steps == 0 ? 0 : step(steps).change;
    // A chunk that begins there is kept, empty: its micro-steps come next.
    const u64 chunk = steps >> bits_;
    if (chunk + 1 < chunks_.size()) {
        chunks_.truncate(chunk + 1);
        firsts_.resize(chunk + 1);
    }
    JournalChunk& last = chunks_.last();
    last.stepCount = steps - ((chunks_.size() - 1) << bits_);
    last.changeCount = changes - last.firstChange;
    takeLast();
}

u64 Journal::bytesFrom(u64 step) const {
    return chunks_.bytesFrom(step >> bits_, [&](const JournalChunk& chunk) {
        return stepsIn(chunk) * sizeof(StepRecord) + changesIn(chunk) * sizeof(JournalChange);
    });
}

} // namespace mirrorscope
