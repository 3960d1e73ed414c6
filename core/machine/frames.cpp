// SPDX-License-Identifier: GPL-3.0-or-later
#include "machine/frames.h"

#include <bit>
#include <cassert>

namespace mirrorscope {

Frames::Frames(u64 frames, unsigned arenas, unsigned vcpus, Regions& regions)
    : frames_(frames), arenas_(arenas), cachedLines_((vcpus + 7) / 8) {
    meta_ = regions.take(frames, "frame");
    fail_ = Injection(regions, "inject-alloc");
}

void Frames::layOutIndexes(Regions& indexes) {
    u64 bits = frames_;
    for (Place& level : bitmap_) {
        const u64 words = (bits + 63) / 64;
        level = indexes.take(words + 1, "frame-index");
        bits = words;
    }
    inUse_ = indexes.take(1, "frame-index");
    cachedBy_ = indexes.take((frames_ * cachedLines_ + 7) / 8, "frame-index");
}

void Frames::attach(Machine& machine) {
    machine_ = &machine;
    machine.haveParts(meta_, frames_, 1, WordAccess::kCountBits);
    for (u64 pfn = 0; pfn < frames_; pfn += 64) {
        const u64 left = frames_ - pfn;
        machine.set(bitmap_[0] + pfn / 64, left >= 64 ? ~0ull : (1ull << left) - 1);
    }
    for (unsigned level = 1; level < 3; ++level) {
        const u64 below = bitmap_[level].v - bitmap_[level - 1].v - 1;
        for (u64 word = 0; word < below; ++word) {
            const Place place = bitmap_[level] + word / 64;
            if (machine.peek(bitmap_[level - 1] + word) != 0)
                machine.set(place, machine.peek(place) | 1ull << word % 64);
        }
    }
    // Frame 0 is never handed out: a zero pfn means "none" in several records.
    setFree(Pfn{0}, false);
    machine.set(meta(Pfn{0}), static_cast<u64>(FrameKind::Reserved));
}

void Frames::setFree(Pfn pfn, bool free) {
    u64 bit = pfn.v;
    for (const Place& level : bitmap_) {
        const Place place = level + bit / 64;
        const u64 old = machine_->peek(place);
        const u64 mask = 1ull << bit % 64;
        const u64 now = free ? old | mask : old & ~mask;
        machine_->set(place, now);
        if ((old != 0) == (now != 0))
            break;
        bit /= 64;
    }
}

std::optional<Pfn> Frames::firstFree(u64 from, u64 to) const {
    // Up until a level has a set bit at or after `from`, then down to the lowest one under it.
    u64 bit = from;
    unsigned level = 0;
    const u64 topWords = (inUse_.v - bitmap_[2].v);
    while (true) {
        const u64 word = machine_->peek(bitmap_[level] + bit / 64) >> bit % 64;
        if (word != 0) {
            bit += static_cast<unsigned>(std::countr_zero(word));
            break;
        }
        bit = bit / 64 + 1;
        if (level < 2) {
            ++level;
        } else if (bit >= topWords) {
            return std::nullopt;
        } else {
            bit *= 64;
        }
        if (level == 2 && bit / 64 >= topWords)
            return std::nullopt;
    }
    while (level > 0) {
        --level;
        bit = bit * 64 + static_cast<unsigned>(std::countr_zero(machine_->peek(bitmap_[level] + bit)));
    }
    if (bit >= to)
        return std::nullopt;
    return Pfn{bit};
}

std::vector<u64> Frames::usedLines() const {
    std::vector<u64> lines;
    for (u64 line = 0; line * 64 < frames_; ++line) {
        const u64 left = frames_ - line * 64;
        if (machine_->peek(bitmap_[0] + line) != (left >= 64 ? ~0ull : (1ull << left) - 1))
            lines.push_back(line);
    }
    return lines;
}

void Frames::account(FrameKind was, FrameKind is) {
    if (counted(was) != counted(is))
        machine_->add(inUse_, counted(is) ? 1 : u64(-1));
}

void Frames::setCached(Pfn pfn, unsigned vcpu, bool cached) {
    const CachedByte at = cachedByte(pfn, vcpu / 8);
    const u64 bit = u64{1} << vcpu % 8, now = machine_->lookAtByte(at.word, at.byte);
    machine_->setInByte(at.word, at.byte, cached ? now | bit : now & ~bit);
}

void Frames::injectFailure(u64 times, u64 after) { fail_.set(*machine_, 1, times, after); }

std::optional<Pfn> Frames::allocate(FrameKind kind, u64 info, unsigned arena) {
    if (fail_.next(*machine_))
        return std::nullopt;
    const u64 start = frames_ / arenas_ * (arena % arenas_);
    auto pfn = firstFree(start, frames_);
    if (!pfn)
        pfn = firstFree(0, start);
    machine_->note(pfn ? pfn->v : 0);
    if (!pfn)
        return std::nullopt;
    take(*pfn, kind, info);
    return pfn;
}

std::optional<Pfn> Frames::allocateRun(FrameKind kind, u64 info, u64 pages) {
    if (fail_.next(*machine_))
        return std::nullopt;
    for (u64 start = pages; start + pages <= frames_; start += pages) {
        bool allFree = true;
        for (u64 i = 0; i < pages && allFree; ++i)
            allFree = peekKind({start + i}) == FrameKind::Free;
        if (!allFree)
            continue;
        for (u64 i = 0; i < pages; ++i)
            take({start + i}, kind, info);
        return Pfn{start};
    }
    return std::nullopt;
}

void Frames::take(Pfn pfn, FrameKind kind, u64 info) {
    assert(peekKind(pfn) == FrameKind::Free);
    setFree(pfn, false);
    machine_->set(meta(pfn), record(kind, 1, info));
    account(FrameKind::Free, kind);
}

void Frames::free(Pfn pfn) {
    assert(peekKind(pfn) != FrameKind::Free);
    account(peekKind(pfn), FrameKind::Free);
    machine_->fill(pfn, 0);
    machine_->set(meta(pfn), 0);
    setFree(pfn, true);
}

void Frames::setKind(Pfn pfn, FrameKind kind, u64 info) {
    account(peekKind(pfn), kind);
    machine_->set(meta(pfn), record(kind, 0, info) | (machine_->peek(meta(pfn)) & WordAccess::kCountBits));
}

void Frames::get(Pfn pfn) { machine_->addToCount(meta(pfn), 1); }

void Frames::put(Pfn pfn) {
    assert(references(pfn) > 0);
    if (references(pfn) == 1)
        free(pfn);
    else
        machine_->addToCount(meta(pfn), -1);
}

} // namespace mirrorscope
