// SPDX-License-Identifier: GPL-3.0-or-later
// guest_memfd: private memory that user space cannot map (Linux v6.16 guest_memfd.c).
#include "kvm/protocol.h"

namespace mirrorscope {

// filemap_grab_folio(): found or made, and locked. Where nothing is done to a fresh page, nobody can tell that it was.
int Kvm::kvm_gmem_get_pfn(const Memslot& memslot, Gfn gfn, Pfn& pfn) {
    Call call(sim_, "kvm_gmem_get_pfn");
    if (!gmemHasAll(memslot))
        return __kvm_gmem_get_pfn(memslot, gfn, pfn);
    // The folio is put before this returns: only the invalidation that would come keeps the page.
    sim_.readLock(LockId::FilemapInvalidateLock);
    const int r = __kvm_gmem_get_pfn(memslot, gfn, pfn);
    sim_.readUnlock(LockId::FilemapInvalidateLock);
    return r;
}

int Kvm::__kvm_gmem_get_pfn(const Memslot& memslot, Gfn gfn, Pfn& pfn) {
    const Place place = gmemPlace(memslot, gfn);
    sim_.wait(Site::GmemGet, {.kind = Condition::Kind::Clear, .place = place, .value = kFolioLocked});
    if (!kvm_gmem_get_file(memslot))
        return -kEFAULT;
    const u64 found = folioWord(memslot, gfn);
    if (found == 0)
        return -kENOMEM;
    pfn = {found & kHostPfn};
    const bool inPlace = gmemHasAll(memslot);
    if (!inPlace)
        frames_.get(pfn);
    const bool prepares = gmemOps_ != nullptr && !protocol_->is_prepared(found) && (!inPlace || kvm_gmem_is_private(place.v - gmem_.v));
    machine_->set(place, found | (prepares ? kFolioLocked : kUptodate));
    if (!prepares)
        return 0;
    // kvm_gmem_prepare_folio(), under the folio's lock
    const int r = gmemOps_->gmem_prepare(pfn, gfn);
    sim_.step(Site::GmemUnlock);
    machine_->set(place, r == 0 ? pfn.v | kUptodate : pfn.v);
    if (r != 0 && !inPlace)
        put_page(pfn);
    return r;
}

int Kvm::may_populate(const Memslot& memslot, Gfn gfn) { return protocol_->may_populate(*this, memslot, gfn); }

std::optional<Pfn> Kvm::gmemFolio(const Memslot& memslot, Gfn gfn) {
    const Place place = gmemPlace(memslot, gfn);
    sim_.wait(Site::GmemGet, {.kind = Condition::Kind::Clear, .place = place, .value = kFolioLocked});
    const u64 found = folioWord(memslot, gfn);
    if (found == 0)
        return std::nullopt;
    machine_->set(place, found);
    return Pfn{found & kHostPfn};
}

// The word of the page of guest_memfd there, or of one that is made, which the caller sets; 0 when memory is full.
u64 Kvm::folioWord(const Memslot& memslot, Gfn gfn) {
    if (const u64 found = machine_->get(gmemPlace(memslot, gfn)); found != 0)
        return found;
    const auto page = allocGmemBlock(memslot, gfn);
    if (!page)
        return 0;
    const u64 ofBlock = machine_->get(gmemPlace(memslot, gfn));
    return ofBlock != 0 ? ofBlock : page->v;
}

// Frames for the block around a gfn, as a guest_memfd with huge folios would have; a block of which something is there already, or that
// leaves the slot, gets the one page. The frame of that page, whose word the caller sets.
std::optional<Pfn> Kvm::allocGmemBlock(const Memslot& memslot, Gfn gfn) {
    const Level level = memslot.gmemBacking;
    const Gfn start = roundDown(gfn, level);
    const u64 pages = pagesPer(level);
    bool whole = level > Level::k4K && start >= memslot.base && start.v + pages <= memslot.base.v + memslot.pages;
    for (u64 i = 0; whole && i < pages; ++i)
        whole = machine_->get(gmemPlace(memslot, {start.v + i})) == 0;
    if (!whole)
        return allocGuestPages(FrameKind::Gmem, gmemPlace(memslot, gfn), Level::k4K);
    const auto run = allocGuestPages(FrameKind::Gmem, gmemPlace(memslot, start), level);
    if (!run)
        return std::nullopt;
    const u64 folio = mayBeHugeFolio(memslot, start) ? kHugeFolio : 0;
    for (u64 i = 0; i < pages; ++i)
        machine_->set(gmemPlace(memslot, {start.v + i}), (run->v + i) | folio);
    return Pfn{run->v + (gfn.v - start.v)};
}

bool Kvm::kvm_gmem_invalidate_begin(const GmemRange& range) {
    Call call(sim_, "kvm_gmem_invalidate_begin");
    return invalidateGmem(range, kvm_gmem_get_all_gfns_filter());
}

// e088c7f86bef
unsigned Kvm::kvm_gmem_get_all_gfns_filter() const {
    return KVM_FILTER_PRIVATE | (config_.has(Feature::InPlaceConversion) ? unsigned{KVM_FILTER_SHARED} : 0);
}

bool Kvm::invalidateGmem(const GmemRange& range, unsigned filter) {
    return invalidateParts([&](auto&& each) { forEachGmemPart(range, each); },
                           [&](const Memslot&, const GfnRange& part) { return kvm_tdp_mmu_unmap_gfn_range(part, filter); });
}

void Kvm::kvm_gmem_invalidate_end(bool begun) {
    Call call(sim_, "kvm_gmem_invalidate_end");
    endInvalidation(begun);
}

void Kvm::truncate_inode_pages_range(const GmemRange& range) {
    Call call(sim_, "truncate_inode_pages_range");
    Forget forget(sim_);
    split_folios_across(range);
    if (range.ofFile)
        dropPages(gmem_ + range.first, range.end - range.first, Site::GmemRemove);
    else
        forEachGmemPart(range, [&](const Memslot& s, const GfnRange& part) {
            dropPages(gmemPlace(s, part.start), part.end.v - part.start.v, Site::GmemRemove);
        });
    forget.all();
}

int Kvm::kvm_gmem_punch_hole(const GmemRange& range) {
    Call call(sim_, "kvm_gmem_punch_hole");
    sim_.writeLock(LockId::FilemapInvalidateLock);
    int r = 0;
    bool begun;
    if (config_.has(Feature::Private2M)) {
        begun = protocol_->kvm_gmem_invalidate_for_hole(*this, range);
        r = kvm_gmem_split_private(range);
        if (r == 0)
            kvm_gmem_zap(range, kvm_gmem_get_all_gfns_filter());
    } else {
        begun = kvm_gmem_invalidate_begin(range);
    }
    if (r == 0)
        truncate_inode_pages_range(range);
    kvm_gmem_invalidate_end(begun);
    sim_.writeUnlock(LockId::FilemapInvalidateLock);
    return r;
}

} // namespace mirrorscope
