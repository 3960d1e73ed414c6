// SPDX-License-Identifier: GPL-3.0-or-later
// A vCPU's dirty ring (KVM_CAP_DIRTY_LOG_RING; Linux v6.16 virt/kvm/dirty_ring.c): KVM puts a page that was written at its end, user space
// marks what it has collected, and KVM_RESET_DIRTY_RINGS protects those pages again. The same ring is kept by the kernel and seen by user
// space through a mapping, so that each word here is read and written by both.
#pragma once

#include "machine/config.h"
#include "machine/machine.h"

#include <optional>

namespace mirrorscope {

class DirtyRing {
public:
    // KVM_DIRTY_RING_RSVD_ENTRIES; and how many a ring may have.
    static constexpr u64 kReserved = 64, kSmallest = 256, kLargest = 65536; // entries
    // struct kvm_dirty_gfn: which slot, with its address space in the bits above 15, and which of its pages.
    struct Entry {
        u32 slot = 0;
        u64 offset = 0;
    };

    DirtyRing(u64 entries, u64 reserved, Regions& regions)
        : size_(entries), softLimit_(entries - reserved), indexes_(regions.take(kIndexes, "dirty-ring", kIndexes)),
          entries_(regions.take(entries, "dirty-gfn")) {}

    u64 used(const Machine& machine) const { return machine.get(index(kDirtyIndex)) - machine.get(index(kResetIndex)); }
    bool isFull(const Machine& machine) const { return used(machine) >= size_; }
    bool isSoftFull(const Machine& machine) const { return used(machine) >= softLimit_; }
    void push(Machine& machine, const Entry& entry) const;
    // The oldest entry that user space has collected is taken out; nothing when there is none.
    std::optional<Entry> reset(Machine& machine) const;
    // User space: the next page that it has not collected yet is collected.
    std::optional<Entry> collect(Machine& machine) const;
    // Is that page in the ring?
    bool holds(const Machine& machine, const Entry& entry) const;

private:
    enum Index : unsigned { kDirtyIndex, kResetIndex, kUserIndex, kIndexes }; // the last one: where user space goes on
    enum : u64 { kDirty = 1, kReset = 2 };                                    // KVM_DIRTY_GFN_F_DIRTY, KVM_DIRTY_GFN_F_RESET
    static Entry decode(u64 word) { return {static_cast<u32>(word >> 2 & 0x1ffff), word >> 19}; }
    static u64 encode(const Entry& entry) { return entry.offset << 19 | u64{entry.slot} << 2; }
    Place index(Index which) const { return indexes_ + which; }
    Place at(u64 n) const { return entries_ + (n & (size_ - 1)); }

    u64 size_, softLimit_;
    Place indexes_;
    Place entries_;
};

} // namespace mirrorscope
