// SPDX-License-Identifier: GPL-3.0-or-later
// Host physical memory: who uses which frame (the host's struct page), and the allocator.
//
// The allocator hands out the lowest free frame of the caller's arena, so that what an actor gets depends on what it
// holds and not on what others did meanwhile (as with per-CPU page lists), and equal states stay equal. A frame is
// cleared when it is freed.
#pragma once

#include "machine/config.h"
#include "machine/injection.h"
#include "machine/machine.h"

#include <optional>
#include <vector>

namespace mirrorscope {

class Frames {
public:
    // 64 GiB of 4K pages with what maps them.
    static constexpr u64 kMost = 17 << 20;

    // Takes its words from `regions` (`hashed`) and `indexes` (no part of the state hash). `frames` is a count of frames.
    Frames(u64 frames, unsigned arenas, unsigned vcpus, Regions& regions);
    void layOutIndexes(Regions& indexes);
    void attach(Machine& machine);

    u64 count() const { return frames_; }

    // A free frame for that use, with reference count 1; nothing when memory is full.
    std::optional<Pfn> allocate(FrameKind kind, u64 info, unsigned arena);
    // The same, aligned to `pages` (a power of two) and as long.
    std::optional<Pfn> allocateRun(FrameKind kind, u64 info, u64 pages);
    void free(Pfn pfn);
    // That frame, which is free, is used from now on.
    void take(Pfn pfn, FrameKind kind, u64 info);
    // `inject: {alloc: fail}`: after `after` further allocations, `times` of them fail.
    bool failureWaits() const { return fail_.waits(*machine_); }
    void injectFailure(u64 times, u64 after);

    FrameKind kind(Pfn pfn) const { return static_cast<FrameKind>(machine_->get(meta(pfn)) & 0xff); }
    FrameKind peekKind(Pfn pfn) const { return static_cast<FrameKind>(machine_->peek(meta(pfn)) & 0xff); }
    void setKind(Pfn pfn, FrameKind kind, u64 info);
    // What the kind says: the gfn of guest memory, the mirror page of an external table, the TD of a control page.
    u64 info(Pfn pfn) const { return machine_->get(meta(pfn) + 1); }
    u64 peekInfo(Pfn pfn) const { return machine_->peek(meta(pfn) + 1); }

    // References to a page of guest memory: the page cache or user mapping, faults in flight, the S-EPT's pin.
    unsigned references(Pfn pfn) const { return static_cast<unsigned>(machine_->peekCount(meta(pfn))); }
    void get(Pfn pfn);
    // Drops one; frees the frame with the last.
    void put(Pfn pfn);

    // Frames in use by the VM: tables, control pages, guest memory.
    u64 inUse() const { return machine_->peek(inUse_); }
    // The words of the free bitmap that are not all free: which runs of 64 frames hold one in use.
    std::vector<u64> usedLines() const;
    bool valid(Pfn pfn) const { return pfn.v < frames_; }

    Place meta(Pfn pfn) const { return meta_ + pfn.v * 2; }
    // The frame that a word of frame records describes.
    std::optional<Pfn> frameOfMeta(Place place) const {
        if (place < meta_ || place.v >= meta_.v + frames_ * 2)
            return std::nullopt;
        return Pfn{(place.v - meta_.v) / 2};
    }
    // Which vCPUs have a TLB entry that leads to this frame, one bit each.
    // A bit for each vCPU whose TLB has a translation to the frame, 64 in a word: the n-th such word.
    Place cachedBy(Pfn pfn, unsigned word) const { return cachedBy_ + (pfn.v * cachedWords_ + word); }
    unsigned cachedWords() const { return cachedWords_; }

private:
    void setFree(Pfn pfn, bool free);
    std::optional<Pfn> firstFree(u64 from, u64 to) const;
    static bool counted(FrameKind kind) { return kind != FrameKind::Free && kind != FrameKind::Reserved && kind != FrameKind::Cache; }
    void account(FrameKind was, FrameKind is);

    Machine* machine_ = nullptr;
    u64 frames_;
    unsigned arenas_;
    Place meta_;
    Injection fail_;
    Place bitmap_[3]; // bit set = a free frame below
    Place inUse_;
    unsigned cachedWords_;
    Place cachedBy_;
};

} // namespace mirrorscope
