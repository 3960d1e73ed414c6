// SPDX-License-Identifier: GPL-3.0-or-later
// Kvm's walks over roots, and over the parts of a range that memslots have. Part of kvm.h.
#pragma once

#include "kvm/kvm.h"

namespace mirrorscope {

template <class F>
void Kvm::forEachRootYieldSafe(unsigned types, F&& f) {
    for (Pfn root = tdp_mmu_next_root({0}, types); root.v != 0; root = tdp_mmu_next_root(root, types))
        f(root);
}

template <class F>
void Kvm::forEachRoot(unsigned types, F&& f) {
    for (Pfn root{machine_->get(vm(VmWord::RootsHead))}; root.v != 0; root = {spGet(root, kNextRoot)})
        if (tdp_mmu_root_match(root, types))
            f(root);
}

template <class F>
void Kvm::forEachSlotPart(const GfnRange& range, F&& f) const {
    for (unsigned i = 0; i < slotCount(); ++i) {
        const Memslot s = slot(static_cast<int>(i));
        if (!s.used)
            continue;
        const GfnRange part{std::max(range.start, s.base), std::min(range.end, Gfn{s.base.v + s.pages})};
        if (!part.empty())
            f(s, part);
    }
}

template <class F>
void Kvm::forEachGmemPart(const GmemRange& range, F&& f) const {
    if (!range.ofFile) {
        forEachSlotPart(range.gfns, [&](const Memslot& s, const GfnRange& part) {
            if (s.guestMemfd)
                f(s, part);
        });
        return;
    }
    for (unsigned i = 0; i < slotCount(); ++i) {
        const Memslot s = slot(static_cast<int>(i));
        if (!s.used || !s.guestMemfd)
            continue;
        const u64 first = std::max(range.first, s.gmem), end = std::min(range.end, s.gmem + s.pages);
        if (first < end)
            f(s, GfnRange{{s.base.v + first - s.gmem}, {s.base.v + end - s.gmem}});
    }
}

// kvm_handle_gfn_range() with kvm_mmu_invalidate_begin() when it locks: mmu_lock is taken at the first of the parts, and the TLBs are
// flushed once. Returns whether there was one, so that an end is owed.
template <class Parts, class F>
bool Kvm::invalidateParts(Parts&& parts, F&& unmap) {
    bool locked = false;
    bool flush = false;
    parts([&](const Memslot& s, const GfnRange& part) {
        if (!locked) {
            locked = true;
            sim_.writeLock(LockId::MmuLock);
            kvm_mmu_invalidate_begin();
        }
        kvm_mmu_invalidate_range_add(part);
        flush |= unmap(s, part);
    });
    flushAndUnlock(flush, locked);
    return locked;
}

} // namespace mirrorscope
