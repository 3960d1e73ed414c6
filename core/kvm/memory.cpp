// SPDX-License-Identifier: GPL-3.0-or-later
// What user space and the host do to guest memory: attributes, guest_memfd, the host mapping, and the invalidation
// protocol that keeps faults away meanwhile (Linux v6.16 kvm_main.c, guest_memfd.c).
#include "kvm/kvm.h"

#include <algorithm>

namespace mirrorscope {

// Attribute words hold what differs from the machine's initial attribute, so that an untouched one is 0.
bool Kvm::kvm_mem_is_private(Gfn gfn) const {
    if (gfn.v >= attributeWords_ * 64)
        return config_.privateByDefault;
    return (machine_->get(attributes_ + gfn.v / 64) >> gfn.v % 64 & 1) != 0 ? !config_.privateByDefault : config_.privateByDefault;
}

bool Kvm::peekPrivate(Gfn gfn) const {
    if (gfn.v >= attributeWords_ * 64)
        return config_.privateByDefault;
    return (machine_->peek(attributes_ + gfn.v / 64) >> gfn.v % 64 & 1) != 0 ? !config_.privateByDefault : config_.privateByDefault;
}

u64 Kvm::peekPrivateBits(Gfn first) const {
    const u64 other = first.v / 64 < attributeWords_ ? machine_->peek(attributes_ + first.v / 64) : 0;
    return config_.privateByDefault ? ~other : other;
}

// ---- invalidation

void Kvm::kvm_mmu_invalidate_begin() {
    sim_.step(Site::SeqBegin);
    const u64 count = machine_->get(vm(VmWord::InvalidateInProgress)) + 1;
    machine_->set(vm(VmWord::InvalidateInProgress), count);
    if (count == 1) {
        machine_->set(vm(VmWord::InvalidateStart), ~0ull);
        machine_->set(vm(VmWord::InvalidateEnd), 0);
    }
}

void Kvm::kvm_mmu_invalidate_range_add(const GfnRange& range) {
    const u64 start = machine_->get(vm(VmWord::InvalidateStart));
    const u64 end = machine_->get(vm(VmWord::InvalidateEnd));
    machine_->set(vm(VmWord::InvalidateStart), std::min(start, range.start.v));
    machine_->set(vm(VmWord::InvalidateEnd), std::max(end, range.end.v));
}

void Kvm::kvm_mmu_invalidate_end() {
    sim_.step(Site::SeqEnd);
    machine_->set(vm(VmWord::InvalidateSeq), machine_->get(vm(VmWord::InvalidateSeq)) + 1);
    const u64 count = machine_->get(vm(VmWord::InvalidateInProgress)) - 1;
    machine_->set(vm(VmWord::InvalidateInProgress), count);
    if (count == 0) {
        machine_->set(vm(VmWord::InvalidateStart), 0);
        machine_->set(vm(VmWord::InvalidateEnd), 0);
    }
}

bool Kvm::mmu_invalidate_retry_gfn(u64 seq, Gfn gfn, bool) {
    if (machine_->get(vm(VmWord::InvalidateInProgress)) != 0 && gfn.v >= machine_->get(vm(VmWord::InvalidateStart)) &&
        gfn.v < machine_->get(vm(VmWord::InvalidateEnd)))
        return true;
    return machine_->get(vm(VmWord::InvalidateSeq)) != seq;
}

// ---- attributes

int Kvm::kvm_vm_set_mem_attributes(const GfnRange& range, bool makePrivate) {
    Call call(sim_, "kvm_vm_set_mem_attributes");
    sim_.writeLock(LockId::SlotsLock);
    bool same = true;
    for (Gfn gfn = range.start; gfn < range.end && same; ++gfn.v)
        same = kvm_mem_is_private(gfn) == makePrivate;
    if (same) {
        sim_.writeUnlock(LockId::SlotsLock);
        return 0;
    }

    bool locked;
    {
        Call pre(sim_, "kvm_pre_set_memory_attributes");
        locked = invalidateParts(
            range, [](const Memslot&) { return true; },
            [&](const Memslot& s, const GfnRange& part) {
                // No huge page may be installed over the ends meanwhile, whose mixed flags are set only afterwards (v6.15).
                for (const Level level : {Level::k2M, Level::k1G})
                    for (const Gfn edge : {roundDown(part.start, level), roundDown({part.end.v - 1}, level)}) {
                        const bool straddles = edge < part.start || edge.v + pagesPer(level) > part.end.v;
                        if (straddles && edge >= s.base && edge.v + pagesPer(level) <= s.base.v + s.pages && !hugepageMixed(edge, level))
                            kvm_mmu_invalidate_range_add({edge, {edge.v + pagesPer(level)}});
                    }
                // Unmap what becomes stale: the shared side when the range becomes private, and the reverse.
                return kvm_unmap_gfn_range(part, makePrivate ? KVM_FILTER_SHARED : KVM_FILTER_PRIVATE);
            });
    }
    sim_.step(Site::AttrSet);
    for (Gfn gfn = range.start; gfn < range.end && gfn.v < attributeWords_ * 64; ++gfn.v) {
        const Place word = attributes_ + gfn.v / 64;
        const u64 bit = 1ull << gfn.v % 64;
        const u64 old = machine_->get(word);
        machine_->set(word, makePrivate != config_.privateByDefault ? old | bit : old & ~bit);
    }
    forgetWrites(range, Alias::Private);
    forgetWrites(range, Alias::Shared);
    if (locked) {
        Call post(sim_, "kvm_post_set_memory_attributes");
        sim_.writeLock(LockId::MmuLock);
        kvm_mmu_invalidate_end();
        updateMixed(range);
        sim_.writeUnlock(LockId::MmuLock);
    }
    sim_.writeUnlock(LockId::SlotsLock);
    return 0;
}

// kvm_arch_post_set_memory_attributes(): which huge pages have both kinds of memory.
void Kvm::updateMixed(const GfnRange& range) {
    for (Gfn gfn = roundDown(range.start, Level::k2M); gfn < range.end; gfn.v += 512) {
        bool mixed = false;
        for (u64 i = 1; i < 512 && !mixed; ++i)
            mixed = kvm_mem_is_private({gfn.v + i}) != kvm_mem_is_private(gfn);
        setHugepageMixed(gfn, Level::k2M, mixed);
    }
    for (Gfn gfn = roundDown(range.start, Level::k1G); gfn < range.end; gfn.v += pagesPer(Level::k1G)) {
        bool mixed = false;
        for (u64 i = 0; i < 512 && !mixed; ++i) {
            const Gfn part{gfn.v + i * 512};
            mixed = hugepageMixed(part, Level::k2M) || kvm_mem_is_private(part) != kvm_mem_is_private(gfn);
        }
        setHugepageMixed(gfn, Level::k1G, mixed);
    }
}

std::optional<Place> Kvm::lastWrite(Gfn gfn, Alias alias) const {
    for (unsigned i = 0; i < slotCount(); ++i)
        if (const Memslot s = peekSlot(static_cast<int>(i)); s.contains(gfn)) {
            const u64 page = s.offset + gfn.v - s.base.v;
            const bool isPrivate =
                config_.vm == VmType::SwProtected ? peekPrivate(gfn) : config_.hasPrivateMem() && alias == Alias::Private;
            return lastWrite_ + 2 * (isPrivate ? page : slotPages_ + page);
        }
    return std::nullopt;
}

void Kvm::forgetWrites(const GfnRange& range, Alias alias) {
    const u64 kind = alias == Alias::Private ? 0 : slotPages_;
    forEachSlotPart(range, [&](const Memslot& s, const GfnRange& part) {
        for (Gfn gfn = part.start; gfn < part.end; ++gfn.v) {
            const Place record = lastWrite_ + 2 * (kind + s.offset + gfn.v - s.base.v);
            machine_->set(record, 0);
            machine_->set(record + 1, 0);
        }
    });
}

// ---- guest_memfd

int Kvm::kvm_gmem_get_pfn(const Memslot& memslot, Gfn gfn, Pfn& pfn) {
    Call call(sim_, "kvm_gmem_get_pfn");
    const Place place = gmemPlace(memslot, gfn);
    sim_.step(Site::GmemGet);
    u64 found = machine_->get(place);
    if (found == 0) {
        const auto page = frames_.allocate(FrameKind::Gmem, place.v - gmem_.v, sim_.actor());
        if (!page)
            return -kENOMEM;
        machine_->set(place, page->v);
        found = page->v;
    }
    pfn = {found & kHostPfn};
    frames_.get(pfn);
    if (gmemOps_ != nullptr && (found & kUptodate) == 0) { // kvm_gmem_prepare_folio()
        if (const int r = gmemOps_->gmem_prepare(pfn, gfn); r != 0) {
            put_page(pfn);
            return r;
        }
        if (machine_->get(place) == pfn.v) // it may have been truncated meanwhile
            machine_->set(place, pfn.v | kUptodate);
    }
    return 0;
}

int Kvm::kvm_gmem_punch_hole(const GfnRange& range) {
    Call call(sim_, "kvm_gmem_punch_hole");
    sim_.writeLock(LockId::FilemapInvalidateLock);
    const auto ofFile = [](const Memslot& s) { return s.guestMemfd; };
    const auto truncate = [&] {
        Call remove(sim_, "truncate_inode_pages_range");
        forEachSlotPart(range, [&](const Memslot& s, const GfnRange& part) {
            if (ofFile(s))
                dropPages(gmemPlace(s, part.start), part.end.v - part.start.v, Site::GmemRemove);
        });
    };
    const bool early = config_.broken(Break::FreeBeforeRemove);
    if (early)
        truncate();
    bool found;
    {
        Call begin(sim_, "kvm_gmem_invalidate_begin");
        found = invalidateParts(
            range, ofFile, [&](const Memslot&, const GfnRange& part) { return kvm_tdp_mmu_unmap_gfn_range(part, KVM_FILTER_PRIVATE); });
    }
    if (!early)
        truncate();
    if (found) {
        Call end(sim_, "kvm_gmem_invalidate_end");
        sim_.writeLock(LockId::MmuLock);
        kvm_mmu_invalidate_end();
        sim_.writeUnlock(LockId::MmuLock);
    }
    sim_.writeUnlock(LockId::FilemapInvalidateLock);
    return 0;
}

// The pages that these words of guest_memfd, or of the host's mapping, name are let go, each in a micro-step; of the host's huge pages
// `together` at once, as one entry of its page table goes.
void Kvm::dropPages(Place first, u64 pages, Site site, u64 together) {
    for (u64 i = 0; i < pages; ++i) {
        if (machine_->peek(first + i) == 0)
            continue;
        if (i % together == 0)
            sim_.step(site);
        const u64 page = machine_->get(first + i) & kHostPfn;
        if (page == 0)
            continue;
        machine_->set(first + i, 0);
        const u64 record = first.v + i >= host_.v ? slotPages_ + (first.v + i - host_.v) : first.v + i - gmem_.v;
        machine_->set(lastWrite_ + 2 * record, 0);
        machine_->set(lastWrite_ + 2 * record + 1, 0);
        dropReference({page});
    }
}

void Kvm::freeGuestMemory() {
    for (u64 i = 0; i < slotPages_; ++i)
        for (const Place place : {gmem_ + i, host_ + i})
            if (const u64 page = machine_->peek(place) & kHostPfn; page != 0) {
                sim_.step(Site::PageFree);
                machine_->set(place, 0);
                dropReference({page});
            }
}

} // namespace mirrorscope
