// SPDX-License-Identifier: GPL-3.0-or-later
// In-place conversion (machine.features: [in-place-conversion]; guest_memfd.c as queued behind v7.2, kvm-x86/next of 23 Sep 2026): a
// guest_memfd holds the attribute of each of its pages, and is all of its slots' memory, private and shared; user space maps what is
// shared.
#include "base/hash.h"
#include "kvm/for_each.h"
#include "kvm/protocol.h"

namespace mirrorscope {

// What user space does for a range: the ioctl of the VM, or that of the file behind each part; where there is none it has nobody to ask.
int Kvm::setMemoryAttributes(const GfnRange& range, bool makePrivate, std::optional<Gfn>& held) {
    if (!config_.has(Feature::InPlaceConversion))
        return kvm_vm_set_mem_attributes(range, makePrivate);
    int result = 0;
    forEachSlotPart(range, [&](const Memslot& s, const GfnRange& part) {
        if (!s.guestMemfd || result != 0)
            return;
        const u64 first = s.gmem + part.start.v - s.base.v;
        u64 page = 0;
        result = kvm_gmem_set_attributes(first, first + part.end.v - part.start.v, makePrivate, page);
        if (result != 0)
            held = Gfn{s.base.v + page - s.gmem};
    });
    return result;
}

bool Kvm::kvm_gmem_is_private(u64 page) const { return (machine_->get(gmemAttribute_ + page) != 0) != config_.privateByDefault; }

bool Kvm::gmemAllAre(bool isPrivate, u64 first, u64 end) const {
    bool all = true;
    for (u64 page = first; page < end && all; ++page)
        all = kvm_gmem_is_private(page) == isPrivate;
    return all;
}

int Kvm::kvm_gmem_set_attributes(u64 first, u64 end, bool makePrivate, u64& held) {
    Call call(sim_, "kvm_gmem_set_attributes");
    sim_.writeLock(LockId::FilemapInvalidateLock);
    const int r = gmemAllAre(makePrivate, first, end) ? 0 : kvm_gmem_convert(first, end, makePrivate, held);
    sim_.writeUnlock(LockId::FilemapInvalidateLock);
    return r;
}

// Up to the references, or where a large leaf cannot be split, everything can be left as it is, but for what user space has mapped, which
// it maps again when it wants.
int Kvm::kvm_gmem_convert(u64 first, u64 end, bool makePrivate, u64& held) {
    if (makePrivate) {
        protocol_->unmap_mapping_pages(*this, first, end);
        if (const auto page = protocol_->referencedPage(*this, first, end)) {
            held = *page;
            return -kEAGAIN;
        }
    }
    const GmemRange range = GmemRange::inFile(first, end);
    const unsigned filter = makePrivate ? KVM_FILTER_SHARED : KVM_FILTER_PRIVATE;
    bool begun;
    if (config_.has(Feature::Private2M)) {
        begun = kvm_gmem_invalidate_before_split(range, true);
        if (const int r = makePrivate ? 0 : kvm_gmem_split_private(range); r != 0) {
            kvm_gmem_invalidate_end(begun);
            held = first;
            return r;
        }
        kvm_gmem_zap(range, filter);
    } else {
        Call start(sim_, "kvm_gmem_invalidate_start");
        begun = invalidateGmem(range, filter);
    }
    if (!makePrivate && gmemOps_ != nullptr)
        for (u64 page = first; page < end; ++page)
            if (const Pfn pfn{machine_->get(gmem_ + page) & kHostPfn}; pfn.v != 0)
                gmemOps_->gmem_make_shared(pfn);
    // One store into the maple tree; faults read it without a lock.
    sim_.step(Site::AttrSet);
    for (u64 page = first; page < end; ++page)
        machine_->set(gmemAttribute_ + page, makePrivate == config_.privateByDefault ? 0 : 1);
    forEachGmemPart(range, [&](const Memslot&, const GfnRange& part) {
        forgetWrites(part, Alias::Private);
        forgetWrites(part, Alias::Shared);
    });
    restructure_folios(range);
    kvm_gmem_invalidate_end(begun);
    return 0;
}

void Kvm::unmap_mapping_pages(u64 first, u64 end) {
    Call call(sim_, "unmap_mapping_pages");
    for (u64 page = first; page < end; ++page) {
        const u64 word = machine_->get(gmem_ + page);
        if ((word & kHostMapped) == 0)
            continue;
        sim_.step(Site::HostUnmap);
        machine_->set(gmem_ + page, word & ~kHostMapped);
        dropReference({word & kHostPfn});
    }
}

// folio_ref_count() after the LRU was drained: KVM holds none while it maps a page, user space's mapping is gone; who is left has pinned
// it.
std::optional<u64> Kvm::referencedPage(u64 first, u64 end) {
    sim_.step(Site::GmemGet);
    for (u64 page = first; page < end; ++page)
        if (const u64 pinned = machine_->get(gmemPinned_ + page); pinned != 0 && pinned == (machine_->get(gmem_ + page) & kHostPfn))
            return page;
    return std::nullopt;
}

// kvm_gmem_fault_user_mapping(): 0, or -EFAULT where the page is private or cannot be had, which user space gets as SIGBUS.
int Kvm::kvm_gmem_fault_user_mapping(const Memslot& memslot, Gfn gfn) {
    Call call(sim_, "kvm_gmem_fault_user_mapping");
    const Place place = gmemPlace(memslot, gfn);
    sim_.readLock(LockId::FilemapInvalidateLock);
    sim_.wait(Site::GmemGet, {.kind = Condition::Kind::Clear, .place = place, .value = kFolioLocked});
    int r = -kEFAULT;
    if (kvm_gmem_get_file(memslot) && !kvm_gmem_is_private(place.v - gmem_.v))
        if (const u64 word = folioWord(memslot, gfn); word != 0) {
            if ((word & kHostMapped) == 0)
                frames_.get({word & kHostPfn});
            machine_->set(place, word | kHostMapped | kUptodate);
            r = 0;
        }
    sim_.readUnlock(LockId::FilemapInvalidateLock);
    return r;
}

// Through the mapping of the file: what is not in the page table is faulted in, and tried again.
std::optional<Pfn> Kvm::gmemUserPage(const Memslot& memslot, Gfn gfn) {
    for (Retry retry(sim_);; retry.again()) {
        sim_.step(Site::HostAccess);
        const u64 word = machine_->get(gmemPlace(memslot, gfn));
        if ((word & kHostMapped) != 0)
            return Pfn{word & kHostPfn};
        if (kvm_gmem_fault_user_mapping(memslot, gfn) != 0)
            return std::nullopt;
    }
}

// pin_user_pages(): what a device may reach until it is told otherwise. What is pinned stays where it is when its file lets it go.
int Kvm::pin_user_pages(const GfnRange& range) {
    Call call(sim_, "pin_user_pages");
    for (Gfn gfn = range.start; gfn < range.end; ++gfn.v) {
        const int index = slotOf(gfn);
        if (index < 0 || !gmemHasAll(slot(index)))
            return -kEFAULT;
        const Memslot s = slot(index);
        const auto page = gmemUserPage(s, gfn);
        if (!page)
            return -kEFAULT;
        const Place pinned = gmemPinned_ + (gmemPlace(s, gfn).v - gmem_.v);
        if (machine_->get(pinned) != 0)
            continue;
        machine_->set(pinned, page->v);
        frames_.get(*page);
    }
    return 0;
}

void Kvm::unpin_user_pages(const GfnRange& range) {
    Call call(sim_, "unpin_user_pages");
    forEachSlotPart(range, [&](const Memslot& s, const GfnRange& part) {
        if (!gmemHasAll(s))
            return;
        for (Gfn gfn = part.start; gfn < part.end; ++gfn.v)
            unpinPage(gmemPlace(s, gfn).v - gmem_.v);
    });
}

void Kvm::unpinPage(u64 page) {
    if (machine_->look(gmemPinned_ + page) == 0)
        return;
    sim_.step(Site::PageFree);
    if (const Pfn pinned{machine_->get(gmemPinned_ + page)}; pinned.v != 0) {
        machine_->set(gmemPinned_ + page, 0);
        dropReference(pinned);
    }
}

bool Kvm::peekHeldByUser(Gfn gfn) const {
    const int index = peekSlotOf(gfn);
    if (index < 0 || !gmemHasAll(peekSlot(index)))
        return false;
    const Place place = gmemPlace(peekSlot(index), gfn);
    const u64 word = machine_->peek(place), pinned = machine_->peek(gmemPinned_ + (place.v - gmem_.v));
    return (word & kHostMapped) != 0 || (pinned != 0 && pinned == (word & kHostPfn));
}

} // namespace mirrorscope
