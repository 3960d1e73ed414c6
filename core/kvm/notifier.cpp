// SPDX-License-Identifier: GPL-3.0-or-later
// The MMU notifiers: what the host's own memory management does to the pages behind shared memory (Linux v6.16 kvm_main.c:
// kvm_mmu_notifier_invalidate_range_start() and _end(), kvm_mmu_notifier_clear_young()).
#include "kvm/kvm.h"

namespace mirrorscope {

// mn_active_invalidate_count keeps the memslots from being exchanged up to the end, or begin and end would not balance.
bool Kvm::kvm_mmu_notifier_invalidate_range_start(const GfnRange& range) {
    Call start(sim_, "kvm_mmu_notifier_invalidate_range_start");
    sim_.step(Site::NotifierCount);
    machine_->add(vm(VmWord::MnActiveInvalidate), 1);
    sim_.srcuReadLock();
    const bool found = invalidateParts([&](auto&& each) { forEachMappedPart(range, each); },
                                       [&](const Memslot&, const GfnRange& part) { return kvm_unmap_gfn_range(part, KVM_FILTER_SHARED); });
    sim_.srcuReadUnlock();
    return found;
}

void Kvm::kvm_mmu_notifier_invalidate_range_end(const GfnRange& range) {
    Call end(sim_, "kvm_mmu_notifier_invalidate_range_end");
    sim_.srcuReadLock();
    sim_.step(Site::SlotRead);
    bool found = false;
    forEachMappedPart(range, [&](const Memslot&, const GfnRange&) { found = true; });
    endInvalidation(found);
    sim_.srcuReadUnlock();
    sim_.step(Site::NotifierCount);
    if (!WARN_ON_ONCE(machine_->peek(vm(VmWord::MnActiveInvalidate)) == 0, Assert::NotifierUnbalanced))
        machine_->add(vm(VmWord::MnActiveInvalidate), u64(-1));
}

// Unmaps shared memory between a begin and an end of the invalidation protocol; `between` changes the host's mapping.
template <class F>
void Kvm::invalidateAround(const GfnRange& range, F&& between) {
    kvm_mmu_notifier_invalidate_range_start(range);
    between();
    kvm_mmu_notifier_invalidate_range_end(range);
}

// A range of host pages is made of whole ones.
GfnRange Kvm::wholeHostPages(const GfnRange& range) const {
    GfnRange whole = range;
    for (unsigned i = 0; i < slotCount(); ++i) {
        const Memslot s = slot(static_cast<int>(i));
        if (!s.used || s.backing == Level::k4K)
            continue;
        const GfnRange part{std::max(range.start, s.base), std::min(range.end, Gfn{s.base.v + s.pages})};
        if (part.empty())
            continue;
        whole.start = std::min(whole.start, hostBlock(s, part.start).first.start);
        whole.end = std::max(whole.end, hostBlock(s, {part.end.v - 1}).first.end);
    }
    return whole;
}

void Kvm::discard(const GfnRange& range) {
    Call call(sim_, "madvise_dontneed");
    const GfnRange whole = wholeHostPages(range);
    invalidateAround(whole, [&] {
        forEachHostPart(whole, [&](const Memslot& s, const GfnRange& part) {
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
    const GfnRange whole = wholeHostPages(range);
    int result = 0;
    invalidateAround(whole, [&] {
        forEachHostPart(whole, [&](const Memslot& s, const GfnRange& part) {
            for (Gfn gfn = part.start; gfn < part.end && result == 0;) {
                const auto [block, level] = hostBlock(s, gfn);
                const Place first = hostPlace(s, block.start);
                const u64 pages = block.end.v - block.start.v;
                gfn = block.end;
                if (machine_->peek(first) == 0)
                    continue;
                machine_->note(block.start.v); // how far it has come, since it passed by words that it did not read
                sim_.step(Site::HostUnmap);
                if (machine_->get(first) == 0) // discarded meanwhile
                    continue;
                const auto run = allocGuestPages(FrameKind::HostPage, first, level);
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
    const GfnRange whole = wholeHostPages(range);
    invalidateAround(whole, [&] {
        forEachHostPart(whole, [&](const Memslot& s, const GfnRange& part) {
            sim_.step(Site::HostUnmap);
            for (Gfn gfn = part.start; gfn < part.end; ++gfn.v)
                if (const u64 word = machine_->get(hostPlace(s, gfn)); word != 0)
                    machine_->set(hostPlace(s, gfn), word | kHostProtected);
        });
    });
}

// Of the part of user space's mapping that is behind the slots; it outlives the pages.
void Kvm::setVma(const GfnRange& range, u64 mask, u64 bits) {
    forEachHostPart(range, [&](const Memslot& s, const GfnRange& part) {
        sim_.step(Site::HostUnmap);
        machine_->set(vmaChanged(), 1);
        for (Gfn gfn = part.start; gfn < part.end; ++gfn.v) {
            const u64 page = s.host + gfn.v - s.base.v;
            const Place word = vma_ + page / kPagesPerVmaWord;
            const u64 shift = 4 * (page % kPagesPerVmaWord);
            machine_->set(word, (machine_->get(word) & ~(mask << shift)) | bits << shift);
        }
    });
}

// A huge page that crosses an end is taken apart before, with an invalidation of all of it (__split_huge_pmd()): the two are one here.
void Kvm::mprotect(const GfnRange& range, VmaProt prot) {
    Call call(sim_, "mprotect_fixup");
    invalidateAround(wholeHostPages(range), [&] { setVma(range, 3, static_cast<u64>(prot)); });
}

// No page is touched: what is there stays mapped.
int Kvm::userfaultfd_register(const GfnRange& range) {
    Call call(sim_, "userfaultfd_register");
    bool huge = false;
    u64 pages = 0;
    forEachSlotPart(range, [&](const Memslot& s, const GfnRange& part) {
        huge |= s.backing != Level::k4K;
        pages += part.end.v - part.start.v;
    });
    if (huge || pages == 0 || machine_->get(vm(VmWord::Destroyed)) != 0)
        return -kEINVAL;
    setVma(range, kVmaWatched, kVmaWatched);
    return 0;
}

// All of the range must be registered; where a page is there already it ends, and what was filled before that is told by another errno.
int Kvm::userfaultfd_copy(const GfnRange& range, u64 value) {
    Call call(sim_, "mfill_atomic");
    for (Gfn gfn = range.start; gfn < range.end; ++gfn.v)
        if (const int index = slotOf(gfn); index < 0 || !vmaWatched(slot(index), gfn) || machine_->get(vm(VmWord::Destroyed)) != 0)
            return -kENOENT;
    for (Gfn gfn = range.start; gfn < range.end; ++gfn.v) {
        const bool first = gfn == range.start;
        sim_.step(Site::UffdCopy);
        const int index = slotOf(gfn);
        if (index < 0)
            return first ? -kENOENT : -kEAGAIN;
        const Place place = hostPlace(slot(index), gfn);
        if (machine_->get(place) != 0)
            return first ? -kEEXIST : -kEAGAIN;
        const auto page = allocGuestPages(FrameKind::HostPage, place, Level::k4K);
        if (!page)
            return first ? -kENOMEM : -kEAGAIN;
        machine_->set(wordOf(*page, 0), value);
        machine_->set(place, page->v);
        noteWrite(writeRecord(slot(index), gfn, Alias::Shared), 0, value);
    }
    return 0;
}

bool Kvm::kvm_mmu_notifier_clear_young(const GfnRange& range) {
    Call call(sim_, "kvm_mmu_notifier_clear_young");
    bool young = false;
    sim_.srcuReadLock();
    sim_.step(Site::SlotRead);
    forEachMappedPart(range, [&](const Memslot&, const GfnRange& part) { young |= kvm_tdp_mmu_age_gfn_range(part, KVM_FILTER_SHARED); });
    sim_.srcuReadUnlock();
    return young;
}

} // namespace mirrorscope
