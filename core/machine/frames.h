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

    FrameKind kind(Pfn pfn) const { return kindOf(machine_->get(meta(pfn))); }
    FrameKind peekKind(Pfn pfn) const { return kindOf(machine_->peek(meta(pfn))); }
    void setKind(Pfn pfn, FrameKind kind, u64 info);
    // What the kind says, in 40 bits: the gfn of guest memory, the mirror page of an external table, the TD of a control page.
    u64 peekInfo(Pfn pfn) const { return machine_->peek(meta(pfn)) >> kInfoShift; }

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

    // The frame's record: its kind, how many refer to it, and what the kind says.
    Place meta(Pfn pfn) const { return meta_ + pfn.v; }
    static FrameKind kindOf(u64 record) { return static_cast<FrameKind>(record & 0xff); }
    // The frame that a word of frame records describes.
    std::optional<Pfn> frameOfMeta(Place place) const {
        if (place < meta_ || place.v >= meta_.v + frames_)
            return std::nullopt;
        return Pfn{place.v - meta_.v};
    }
    // Has that vCPU's TLB a translation to the frame?
    void setCached(Pfn pfn, unsigned vcpu, bool cached);
    bool isCached(Pfn pfn, unsigned vcpu) const { return (cachedBy(pfn, vcpu / 8) >> vcpu % 8 & 1) != 0; }
    // The same without an access.
    bool looksCached(Pfn pfn, unsigned vcpu) const {
        const CachedByte at = cachedByte(pfn, vcpu / 8);
        return (machine_->lookAtByte(at.word, at.byte) >> vcpu % 8 & 1) != 0;
    }
    // The vCPUs from 8 * `line` on that have, a bit each.
    u64 cachedBy(Pfn pfn, unsigned line) const {
        const CachedByte at = cachedByte(pfn, line);
        return machine_->peekByte(at.word, at.byte);
    }
    unsigned cachedLines() const { return cachedLines_; }

private:
    static constexpr unsigned kInfoShift = 24; // above the kind (bits 7:0) and the references (23:8)
    static u64 record(FrameKind kind, u64 references, u64 info) { return static_cast<u64>(kind) | references << 8 | info << kInfoShift; }
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
    struct CachedByte {
        Place word;
        unsigned byte;
    };
    CachedByte cachedByte(Pfn pfn, unsigned line) const {
        const u64 n = pfn.v * cachedLines_ + line;
        return {cachedBy_ + n / 8, static_cast<unsigned>(n % 8)};
    }
    unsigned cachedLines_; // bytes of a frame, for eight vCPUs each
    Place cachedBy_;
};

} // namespace mirrorscope
