// SPDX-License-Identifier: GPL-3.0-or-later
// Kvm's walks over roots, and over the parts of a range that memslots have. Part of kvm.h.
#pragma once

#include "kvm/kvm.h"

#include <algorithm>

namespace mirrorscope {

template <class F>
void Kvm::forEachRootYieldSafe(unsigned types, F&& f) {
    for (Pfn root = tdp_mmu_next_root({0}, types); root.v != 0; root = tdp_mmu_next_root(root, types))
        f(root);
}

template <class F>
void Kvm::forEachRootYieldSafe(unsigned types, const GfnRange& range, F&& f) {
    forEachRootYieldSafe(types, [&](Pfn root) {
        if (rootHas(root, range.start))
            f(root);
    });
}

template <class F>
void Kvm::forEachRoot(unsigned types, Gfn in, F&& f) {
    forEachRoot(types, [&](Pfn root) {
        if (rootHas(root, in))
            f(root);
    });
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

// The host's pages behind the part of a range that a slot has; nothing (0, 0) where it has none of it.
inline std::pair<u64, u64> Kvm::hostPagesOf(const Memslot& s, const GfnRange& range) {
    const u64 start = std::max(range.start.v, s.base.v), end = std::min(range.end.v, s.base.v + s.pages);
    return s.used && start < end ? std::pair(s.host + start - s.base.v, s.host + end - s.base.v) : std::pair(u64{0}, u64{0});
}

// Nothing here may own memory: an actor's stack is copied where it is explored.
template <class F>
void Kvm::forEachMappedPart(const GfnRange& range, F&& f) const {
    if (config_.memories.empty()) {
        forEachSlotPart(range, f);
        return;
    }
    for (unsigned i = 0; i < slotCount(); ++i) {
        const Memslot s = slot(static_cast<int>(i));
        // Of what is left of its pages, the first run that some slot has in the range.
        for (u64 at = s.host, end = s.used ? s.host + s.pages : at; at < end;) {
            u64 first = end, last = end;
            for (unsigned j = 0; j < slotCount(); ++j) {
                const auto [from, to] = hostPagesOf(peekSlot(static_cast<int>(j)), range);
                if (to > at && std::max(from, at) < first) {
                    first = std::max(from, at);
                    last = std::min(to, end);
                }
            }
            if (first < end)
                f(s, GfnRange{{s.base.v + first - s.host}, {s.base.v + last - s.host}});
            at = last;
        }
    }
}

template <class F>
void Kvm::forEachHostPart(const GfnRange& range, F&& f) const {
    forEachSlotPart(range, [&](const Memslot& s, const GfnRange& part) {
        if (!s.memory) {
            f(s, part);
            return;
        }
        // Runs of what no slot before it had in the range.
        for (u64 at = s.host + part.start.v - s.base.v, end = s.host + part.end.v - s.base.v; at < end;) {
            u64 met = at, next = end;
            for (int i = 0; i < s.index; ++i) {
                const auto [from, to] = hostPagesOf(peekSlot(i), range);
                if (at >= from && at < to)
                    met = std::max(met, to);
                else if (from > at && from < to)
                    next = std::min(next, from);
            }
            if (met == at)
                f(s, GfnRange{{s.base.v + at - s.host}, {s.base.v + next - s.host}});
            at = met == at ? next : met;
        }
    });
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

// The pages must be of one private slot, have no content yet, and be private by their attribute (Linux v6.16 guest_memfd.c).
template <class Post>
int Kvm::kvm_gmem_populate(Gfn start, u64 pages, u64& done, Post&& post) {
    Call call(sim_, "kvm_gmem_populate");
    const int index = slotOf(start);
    if (index < 0 || !slot(index).guestMemfd)
        return -kEINVAL;
    sim_.writeLock(LockId::FilemapInvalidateLock);
    const Memslot s = slot(index);
    const u64 end = std::min(pages, s.base.v + s.pages - start.v);
    int result = kvm_gmem_get_file(s) ? 0 : -kEFAULT;
    for (done = 0; done < end && result == 0; done += result == 0) {
        const Gfn gfn{start.v + done};
        sim_.settle(gfn.v);
        result = may_populate(s, gfn);
        if (result == 0)
            result = post(s, gfn);
    }
    sim_.writeUnlock(LockId::FilemapInvalidateLock);
    return result;
}

// kvm_handle_gfn_range() with kvm_mmu_invalidate_begin() when it locks: mmu_lock is taken at the first of the parts, and the TLBs are
// flushed once. Returns whether there was one, so that an end is owed.
template <class Parts, class F>
bool Kvm::invalidateParts(Parts&& parts, F&& unmap) {
    Forget forget(sim_);
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
    return forget.but(locked);
}

} // namespace mirrorscope
