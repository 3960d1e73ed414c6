// SPDX-License-Identifier: GPL-3.0-or-later
// KVM's own structures as plain values that live on an actor's stack: a memslot, a fault, an iterator, a page of the tables.
#pragma once

#include "kvm/types.h"

#include <algorithm>
#include <array>
#include <optional>

namespace mirrorscope {

// struct kvm_memory_slot
struct Memslot {
    bool used = false;
    u32 id = 0;
    Gfn base;
    u64 pages = 0;
    int index = -1;
    u64 offset = 0;                   // of its pages in the per-slot arrays
    u64 host = 0;                     // of its first page in the array of the host's pages
    u64 user = 0;                     // userspace_addr >> PAGE_SHIFT, modulo 1G
    u64 gmem = 0;                     // of its first page in the array of guest_memfd's pages
    std::optional<unsigned> gmemFile; // the named file that it was bound to
    std::optional<unsigned> memory;   // the named mapping that it is in front of
    bool guestMemfd = false;
    bool readonly = false;
    bool dirtyLog = false;
    bool invalid = false; // KVM_MEMSLOT_INVALID: it is about to go
    Level backing = Level::k4K;
    Level gmemBacking = Level::k4K;
    u64 hash() const;
    bool contains(Gfn gfn) const { return used && gfn >= base && gfn.v < base.v + pages; }
    GfnRange range() const { return {base, {base.v + pages}}; }
};

// Pages of guest_memfd: those behind some gfns, or a part of a file, by the numbers of the array of all files' pages.
struct GmemRange {
    GfnRange gfns = {};
    u64 first = 0, end = 0;
    bool ofFile = false;
    static GmemRange behind(const GfnRange& gfns) { return {.gfns = gfns}; }
    static GmemRange inFile(u64 first, u64 end) { return {.first = first, .end = end, .ofFile = true}; }
};

// struct kvm_page_fault
struct KvmPageFault {
    unsigned vcpu = 0;
    u64 addr = 0; // keeps the shared bit
    Gfn gfn;
    bool exec = false;
    bool write = false;
    bool present = false;
    bool prefetch = false;
    bool isPrivate = false;
    Level maxLevel = Level::k1G;
    Level reqLevel = Level::k4K;
    Level goalLevel = Level::k4K;
    bool hugePageDisallowed = false;
    int slot = -1;
    Memslot memslot; // as it was when the fault looked it up; the kernel's stays as it was until the SRCU readers have left
    u64 mmuSeq = 0;
    Pfn pfn;
    bool mapWritable = false;
    KvmRun run;
    u64 hash() const;
};

// struct tdp_iter: walks one table tree.
struct TdpIter {
    Gfn nextLastLevelGfn;
    std::array<Pfn, 6> ptPath{};
    Place sptep;
    Gfn gfn;
    u64 gfnBits = 0;
    Level rootLevel = Level::k4K;
    Level minLevel = Level::k4K;
    Level level = Level::k4K;
    u64 oldSpte = 0;
    bool valid = false;
    bool yielded = false; // mmu_lock was dropped: the walk begins anew at the goal
    Gfn yieldedGfn;       // the goal when it last began
    u64 hash() const;
};

// A page of KVM's tables as the views and rules see it (struct kvm_mmu_page).
struct MmuPage {
    u64 role = 0;
    Gfn gfn;
    std::optional<Place> ptep; // the parent SPTE; none for a root
    Pfn externalSpt;           // 0: none
    bool isMirror() const { return role::isMirror(role); }
    Level level() const { return role::level(role); }
};

} // namespace mirrorscope
