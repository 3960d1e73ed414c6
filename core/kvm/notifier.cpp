// SPDX-License-Identifier: GPL-3.0-or-later
// The MMU notifiers: what the host's own memory management does to the pages behind shared memory (Linux v6.16 kvm_main.c:
// kvm_mmu_notifier_invalidate_range_start() and _end(), kvm_mmu_notifier_clear_young()).
#include "kvm/kvm.h"

#include <algorithm>

namespace mirrorscope {

// Unmaps shared memory between a begin and an end of the invalidation protocol; `between` changes the host's mapping.
template <class F>
void Kvm::invalidateAround(const GfnRange& range, F&& between) {
    bool locked;
    {
        Call start(sim_, "kvm_mmu_notifier_invalidate_range_start");
        locked = invalidateParts(
            range, [](const Memslot&) { return true; },
            [&](const Memslot&, const GfnRange& part) { return kvm_unmap_gfn_range(part, KVM_FILTER_SHARED); });
    }
    between();
    if (locked) {
        Call end(sim_, "kvm_mmu_notifier_invalidate_range_end");
        sim_.writeLock(LockId::MmuLock);
        kvm_mmu_invalidate_end();
        sim_.writeUnlock(LockId::MmuLock);
    }
}

namespace {
// A range of host pages is made of whole ones.
GfnRange wholePages(const Kvm& kvm, const GfnRange& range) {
    GfnRange whole = range;
    for (unsigned i = 0; i < kvm.slotCount(); ++i) {
        const Memslot s = kvm.slot(static_cast<int>(i));
        if (!s.used || s.backing == Level::k4K)
            continue;
        const GfnRange part{std::max(range.start, s.base), std::min(range.end, Gfn{s.base.v + s.pages})};
        if (part.empty())
            continue;
        whole.start = std::min(whole.start, kvm.hostBlock(s, part.start).first.start);
        whole.end = std::max(whole.end, kvm.hostBlock(s, {part.end.v - 1}).first.end);
    }
    return whole;
}
} // namespace

void Kvm::discard(const GfnRange& range) {
    Call call(sim_, "madvise_dontneed");
    const GfnRange whole = wholePages(*this, range);
    invalidateAround(whole, [&] {
        forEachSlotPart(whole, [&](const Memslot& s, const GfnRange& part) {
            for (Gfn gfn = part.start; gfn < part.end;) {
                const GfnRange block = hostBlock(s, gfn).first;
                const u64 pages = std::min(block.end, part.end).v - gfn.v;
                dropPages(hostPlace(s, gfn), pages, Site::HostUnmap, pages);
                gfn = block.end;
            }
        });
    });
}

// The page's content goes to another frame; whoever still holds the old one keeps it from being freed.
int Kvm::migrate(const GfnRange& range) {
    Call call(sim_, "migrate_pages");
    const GfnRange whole = wholePages(*this, range);
    int result = 0;
    invalidateAround(whole, [&] {
        forEachSlotPart(whole, [&](const Memslot& s, const GfnRange& part) {
            for (Gfn gfn = part.start; gfn < part.end && result == 0;) {
                const auto [block, level] = hostBlock(s, gfn);
                const Place first = hostPlace(s, block.start);
                const u64 pages = block.end.v - block.start.v;
                gfn = block.end;
                if (machine_->peek(first) == 0)
                    continue;
                sim_.step(Site::HostUnmap);
                const auto run = allocHostPages(first, level);
                if (!run) {
                    result = -kENOMEM;
                    break;
                }
                for (u64 i = 0; i < pages; ++i) {
                    const u64 word = machine_->get(first + i);
                    const Pfn old{word & kHostPfn};
                    for (unsigned w = 0; w < 512; ++w)
                        machine_->set(wordOf({run->v + i}, w), machine_->get(wordOf(old, w)));
                    machine_->set(first + i, (word & ~kHostPfn) | (run->v + i));
                    frames_.put(old);
                }
            }
        });
    });
    return result;
}

void Kvm::protect(const GfnRange& range) {
    Call call(sim_, "change_protection");
    const GfnRange whole = wholePages(*this, range);
    invalidateAround(whole, [&] {
        forEachSlotPart(whole, [&](const Memslot& s, const GfnRange& part) {
            sim_.step(Site::HostUnmap);
            for (Gfn gfn = part.start; gfn < part.end; ++gfn.v)
                if (const u64 word = machine_->get(hostPlace(s, gfn)); word != 0)
                    machine_->set(hostPlace(s, gfn), word | kHostProtected);
        });
    });
}

bool Kvm::age(const GfnRange& range) {
    Call call(sim_, "kvm_mmu_notifier_clear_young");
    bool young = false;
    forEachSlotPart(range, [&](const Memslot&, const GfnRange& part) { young |= kvm_tdp_mmu_age_gfn_range(part, KVM_FILTER_SHARED); });
    return young;
}

} // namespace mirrorscope
