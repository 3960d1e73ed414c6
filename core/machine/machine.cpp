// SPDX-License-Identifier: GPL-3.0-or-later
#include "machine/machine.h"

#include <algorithm>
#include <stdexcept>

namespace mirrorscope {

Machine::Machine(u64 words, u64 hashedWords, u64 frames)
    : words_(words < kFill ? words : throw std::length_error("the machine has more words than a place can name"), frames),
      hashed_(hashedWords) {}

void Machine::haveParts(Place first, u64 count, unsigned stride, u64 bits) {
    parts_.push_back({first.v, first.v + count, stride, bits});
    partsBegin_ = std::min<u64>(partsBegin_, first.v);
    partsEnd_ = std::max<u64>(partsEnd_, first.v + count);
}

u64 Machine::withoutPart(u64 id, u64 value) const {
    for (const Parts& p : parts_)
        if (id >= p.begin && id < p.end && (id - p.begin) % p.stride == 0)
            return value & ~p.bits;
    return value;
}

Place Machine::waitingStore(Place place) const {
    for (u64 i = words_[ownStores_.v]; i > 0; --i)
        if (const Place entry = ownStores_ + (2 * i - 1); words_[entry.v] == place.v)
            return entry + 1;
    return place;
}

u64 Machine::getWatched(Place place) const {
    place = seen(place);
    const u64 value = words_[place.v];
    note(value);
    logged(place.v, WordAccess::Kind::Read, value, value);
    return value;
}

u64 Machine::peekWatched(Place place) const {
    place = seen(place);
    const u64 value = words_[place.v];
    logged(place.v, WordAccess::Kind::Read, value, value);
    return value;
}

u64 Machine::lookAt(u64 id) const {
    const u64 value = words_[WordAccess::wordOf(id)];
    if ((id & WordAccess::kLockPart) != 0)
        return lockOf(value);
    if ((id & WordAccess::kCountPart) != 0)
        return countOf(value);
    if (const unsigned byte = WordAccess::byteOf(id); byte != 0)
        return lookAtByte({WordAccess::wordOf(id)}, byte - 1);
    return ofId(id, value);
}

u64 Machine::frameHash(u64 first, u64 value) const {
    if (value == 0 || first >= hashed_)
        return 0;
    FrameSum& known = frameSums_[(first >> 9 ^ value) % frameSums_.size()];
    if (known.first != first || known.value != value) {
        known = {first, value, 0};
        for (u32 k = 0; k < 512; ++k)
            known.sum += wordHash(first + k, value);
    }
    return known.sum;
}

u64 Machine::frameHash(u64 first, const Memory::FrameWords& words) const {
    if (first >= hashed_)
        return 0;
    // Of a table most entries are alike: only the others are hashed.
    const u64 common = words.mixed.empty() ? words.rest : words[100] == words[200] || words[100] == words[300] ? words[100] : words[200];
    u64 sum = frameHash(first, common);
    const u32 end = words.mixed.empty() ? 1 : Memory::kFrameWords;
    for (u32 k = 0; k < end; ++k)
        if (words[k] != common)
            sum += wordHash(first + k, words[k]) - wordHash(first + k, common);
    return sum;
}

void Machine::fill(Pfn pfn, u64 value) {
    const u64 first = wordOf(pfn, 0).v;
    Memory::FrameWords old = words_.frame(first);
    if (accesses_ != nullptr)
        for (u32 k = 0; k < Memory::kFrameWords; ++k)
            accesses_->push_back({first + k, WordAccess::Kind::Write, old[k], value});
    if (old.all(value))
        return;
    if (hashKept_)
        hash_ += frameHash(first, value) - frameHash(first, old);
    words_.putFrame(first, {value, value, {}});
    if (recording_) {
        fills_.push_back({changeCount(), first, std::move(old), value});
        journal_.push(kFill, fills_.size() - 1);
    }
}

void Machine::setTold(Place place, u64 value, WordAccess::Kind kind) {
    logged(place.v, kind, words_[place.v], value);
    change(place, value);
}

void Machine::keepObserved(u64 value) const { observed_->push_back(value); }

void Machine::recordStep(const StepRecord& step) {
    journal_.beginStep(step);
    ++position_; // it is recorded at the end only
}

u64 Machine::hashFromScratch() const {
    u64 hash = 0;
    for (u64 place = words_.nextWritten(0); place < hashed_; place = words_.nextWritten(place + 1))
        hash += wordHash(place, words_[place]);
    return hash;
}

void Machine::keepHash(bool on) {
    if (on && !hashKept_) {
        if (!leaps_.empty())
            throw std::logic_error("what leaps does not keep a hash");
        hash_ = hashFromScratch();
    }
    hashKept_ = on;
    watch();
}

u64 Machine::journalBytesFrom(u64 step) const {
    const u64 change = changesUpTo(step);
    u64 fills = 0;
    for (const Fill& fill : fills_)
        fills += fill.change >= change ? sizeof(Fill) + fill.old.mixed.capacity() * sizeof(u64) : 0;
    return journal_.bytesFrom(step) + fills;
}

void Machine::baseline() {
    siteCounts_.fill(0);
    beginHistory();
}

void Machine::beginHistory() {
    journal_.truncate(0);
    fills_.clear();
    leaps_.clear();
    position_ = 0;
    setRecording(true);
}

void Machine::writeUnjournalled(u64 place, u64 value) {
    const u64 old = words_.exchange(place, value);
    if (hashKept_)
        rehash(place, old, value);
    flagged(place);
}

void Machine::apply(const JournalChange& change, bool forward) {
    if (change.place != kFill)
        return writeUnjournalled(change.place, words_[change.place] ^ change.delta);
    const Fill& fill = fills_[change.delta];
    if (hashKept_) {
        const u64 before = frameHash(fill.first, fill.old);
        const u64 after = frameHash(fill.first, fill.now);
        hash_ += forward ? after - before : before - after;
    }
    if (forward)
        words_.putFrame(fill.first, {fill.now, fill.now, {}});
    else
        words_.putFrame(fill.first, fill.old);
    flagged(fill.first);
}

void Machine::walk(u64 from, u64 to) {
    u64 at = changesUpTo(from);
    const u64 target = changesUpTo(to);
    while (at > target) {
        const Journal::Run run = journal_.last(target, at);
        for (const JournalChange* change = run.end(); change != run.begin();)
            apply(*--change, false);
        at -= run.size();
    }
    while (at < target) {
        const Journal::Run run = journal_.first(at, target);
        for (const JournalChange& change : run)
            apply(change, true);
        at += run.size();
    }
}

u64 Machine::nextBorder(u64 at, u64 target) const {
    if (leaps_.empty())
        return target;
    const u64 stride = u64{1} << journal_.stepBits();
    return at > target ? std::max(target, (at - 1) / stride * stride) : std::min(target, (at / stride + 1) * stride);
}

void Machine::seek(u64 position) {
    position = std::min(position, steps());
    while (position_ != position) {
        const u64 there = leaps_.leap(position_, position, position > position_, [&](u64 place, u64 delta) {
            words_.put(place, words_[place] ^ delta);
            flagged(place);
        });
        if (there != position_) {
            position_ = there;
            continue;
        }
        const u64 border = nextBorder(position_, position);
        walk(position_, border);
        position_ = border;
    }
}

std::pair<u64, u64> Machine::partOf(u64 chunk, unsigned part) const {
    const u64 begin = chunk << journal_.stepBits();
    const u64 steps = (u64{1} << journal_.stepBits()) / Leaps::kParts;
    return {changesUpTo(begin + part * steps), changesUpTo(begin + (part + 1) * steps)};
}

void Machine::packLeaps(u64 openBytes) {
    leaps_.clear();
    keepHash(false);
    seek(steps());
    const u64 stride = u64{1} << journal_.stepBits();
    const u64 whole = steps() / stride;
    if (whole < 2)
        return seek(0); // walking that costs nothing
    seek(whole * stride);
    Leaps strides;
    strides.begin(stride, openBytes);
    Compactor sums;
    for (u64 n = whole; n > 0; --n) {
        for (unsigned part = 0; part < Leaps::kParts; ++part) {
            const auto bit = static_cast<u8>(1 << part);
            const auto [from, end] = partOf(n - 1, part);
            forEachChangeIn(from, end, [&](Place place, u64 delta) { sums.add(place.v, delta, bit); });
        }
        Leaps::Sum sum = sums.finish(true);
        sum.places.forEach([&](std::size_t i, u64 place) {
            if (sum.deltas[i] != 0)
                writeUnjournalled(place, words_[place] ^ sum.deltas[i]);
        });
        strides.addBackwards(std::move(sum));
    }
    strides.finish();
    leaps_ = std::move(strides);
    position_ = 0;
}

std::vector<std::pair<u64, u64>> Machine::difference(u64 from, u64 to) const {
    u64 at = std::min(std::min(from, to), steps());
    const u64 target = std::min(std::max(from, to), steps());
    Compactor sums;
    while (at < target) {
        const u64 there = leaps_.leap(at, target, true, [&](u64 place, u64 delta) { sums.add(place, delta); });
        if (there != at) {
            at = there;
            continue;
        }
        const u64 border = nextBorder(at, target);
        forEachChangeIn(changesUpTo(at), changesUpTo(border), [&](Place place, u64 delta) { sums.add(place.v, delta); });
        at = border;
    }
    const Leaps::Sum sum = sums.finish(false);
    std::vector<std::pair<u64, u64>> result;
    result.reserve(sum.places.size());
    sum.places.forEach([&](std::size_t i, u64 place) { result.emplace_back(place, sum.deltas[i]); });
    return result;
}

void Machine::rewind(u64 position) {
    leaps_.clear();
    seek(position);
    for (u64 n = position; n < steps(); ++n)
        --siteCounts_[static_cast<unsigned>(step(n).site)];
    forgetAfter(position);
}

void Machine::forgetAfter(u64 position) {
    const u64 changes = changesUpTo(position);
    while (!fills_.empty() && fills_.back().change >= changes)
        fills_.pop_back();
    journal_.truncate(position);
    position_ = position;
}

void Machine::overwrite(u64 position, const std::vector<std::pair<u64, u64>>& words, const std::array<u64, kSites>& siteCounts) {
    leaps_.clear();
    forgetAfter(position);
    for (const auto& [place, value] : words)
        writeUnjournalled(place, value);
    siteCounts_ = siteCounts;
}

template <class F>
void Machine::forEachPart(u64 chunk, u8 parts, bool forward, F&& f) const {
    if (parts == Leaps::kAnyPart)
        return f(journal_.firstOf(chunk), journal_.firstOf(chunk + 1));
    for (unsigned i = 0; i < Leaps::kParts; ++i)
        if (const unsigned part = forward ? i : Leaps::kParts - 1 - i; (parts >> part & 1) != 0) {
            const auto [from, end] = partOf(chunk, part);
            f(from, end);
        }
}

std::vector<Machine::Write> Machine::history(Place place) const {
    // From the present value backwards and forwards: the journal keeps only differences.
    std::vector<Write> writes;
    const u64 here = changesUpTo(position_);
    const auto changed = [&](const JournalChange& change, u64 known, bool forward, u64& other) {
        if (change.place == place.v) {
            other = known ^ change.delta;
            return true;
        }
        if (change.place != kFill)
            return false;
        const Fill& fill = fills_[change.delta];
        if (place.v < fill.first || place.v >= fill.first + 512)
            return false;
        const u64 old = fill.old[place.v - fill.first];
        other = forward ? fill.now : old;
        return old != fill.now;
    };
    u64 value = words_[place.v];
    u64 other = 0;
    for (u64 end = here; end > 0;) {
        const u64 chunk = journal_.chunkOf(end - 1);
        const u64 begin = journal_.firstOf(chunk);
        forEachPart(chunk, leaps_.mayChange(chunk, place.v), false, [&](u64 from, u64 to) {
            if (from >= (to = std::min(to, end)))
                return;
            const Journal::Run run = journal_.last(from, to);
            for (const JournalChange* change = run.end(); change != run.begin();)
                if (changed(*--change, value, false, other)) {
                    writes.push_back({journal_.stepOf(from + static_cast<u64>(change - run.begin())), other, value});
                    value = other;
                }
        });
        end = begin;
    }
    std::reverse(writes.begin(), writes.end());
    value = words_[place.v];
    for (u64 begin = here; begin < changeCount();) {
        const u64 chunk = journal_.chunkOf(begin);
        forEachPart(chunk, leaps_.mayChange(chunk, place.v), true, [&](u64 from, u64 to) {
            if ((from = std::max(from, begin)) >= to)
                return;
            const Journal::Run run = journal_.first(from, to);
            for (const JournalChange& change : run)
                if (changed(change, value, true, other)) {
                    writes.push_back({journal_.stepOf(from + static_cast<u64>(&change - run.begin())), value, other});
                    value = other;
                }
        });
        begin = journal_.firstOf(chunk + 1);
    }
    return writes;
}

} // namespace mirrorscope
