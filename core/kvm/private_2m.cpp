// SPDX-License-Identifier: GPL-3.0-or-later
// Private pages of 2M (machine.features: [private-2M]; the series "KVM: TDX huge page support for private memory", v3 of 6 Jan 2026 and v5
// of 28 Jan 2026, over v7.2): how large guest_memfd lets a mapping be, what the guest has accepted in smaller pieces, and leaves of a
// mirror that are split before a part of them goes, since what is zapped beyond the range would have to be accepted again.
#include "kvm/for_each.h"
#include "kvm/protocol.h"

namespace mirrorscope {

// The order of the folio, and tdx_gmem_max_mapping_level(): none is large before the TD runs.
Level Kvm::gmem_max_mapping_level(const Memslot& memslot, Gfn gfn) const {
    if (!config_.has(Feature::Private2M) || machine_->get(vm(VmWord::PreFaultAllowed)) == 0)
        return Level::k4K;
    return (machine_->get(gmemPlace(memslot, gfn)) & kHugeFolio) != 0 ? Level::k2M : Level::k4K;
}

bool Kvm::hugepage_test_guest_inhibit(Gfn gfn, Level level) const {
    const auto bit = attributes_.inhibited(gfn, level);
    return bit && (machine_->get(bit->word) & bit->mask) != 0;
}

void Kvm::hugepage_set_guest_inhibit(Gfn gfn, Level level) {
    if (const auto bit = attributes_.inhibited(gfn, level))
        machine_->setBits(bit->word, bit->mask);
}

// A slot begins with a lpage_info of its own.
void Kvm::forgetInhibit(const GfnRange& range) {
    if (!config_.has(Feature::Private2M))
        return;
    for (const Level level : {Level::k2M, Level::k1G})
        for (Gfn gfn = roundDown(range.start, level); gfn < range.end; gfn.v += pagesPer(level))
            if (const auto bit = attributes_.inhibited(gfn, level))
                machine_->set(bit->word, machine_->get(bit->word) & ~bit->mask);
}

int Kvm::kvm_split_cross_boundary_leafs(const GfnRange& range, unsigned filter, bool shared) {
    if (!config_.has(Feature::Private2M))
        return 0;
    Call call(sim_, "kvm_split_cross_boundary_leafs");
    shared ? lockdep_assert_held(LockId::MmuLock) : lockdep_assert_held_write(LockId::MmuLock);
    const unsigned types = protocol_->kvm_gfn_range_filter_to_root_types(*this, filter);
    for (Pfn root = tdp_mmu_next_root({0}, types); root.v != 0; root = tdp_mmu_next_root(root, types))
        if (const int r = tdp_mmu_split_huge_pages_root(root, range, Level::k4K, shared, true); r != 0) {
            kvm_tdp_mmu_put_root(root);
            return r;
        }
    return 0;
}

// Nobody may map a folio at large meanwhile, of which a part goes (kvm_gmem_compute_invalidate_start()).
bool Kvm::kvm_gmem_invalidate_before_split(const GmemRange& range, bool wholeFolios) {
    Call call(sim_, "kvm_gmem_invalidate_begin");
    return invalidateParts(
        [&](auto&& each) { forEachGmemPart(range, each); },
        [&](const Memslot& s, const GfnRange& part) {
            const Gfn start = roundDown(part.start, Level::k2M), last = roundDown({part.end.v - 1}, Level::k2M);
            if (wholeFolios)
                kvm_mmu_invalidate_range_add({std::max(start, s.base), std::min(Gfn{last.v + 512}, Gfn{s.base.v + s.pages})});
            return false;
        });
}

bool Kvm::kvm_gmem_invalidate_for_hole(const GmemRange& range) { return kvm_gmem_invalidate_before_split(range, true); }

int Kvm::kvm_gmem_split_private(const GmemRange& range) {
    Call call(sim_, "kvm_gmem_split_private");
    int r = 0;
    sim_.writeLock(LockId::MmuLock);
    forEachGmemPart(range, [&](const Memslot&, const GfnRange& part) {
        if (r == 0)
            r = kvm_split_cross_boundary_leafs(part, KVM_FILTER_PRIVATE, false);
    });
    sim_.writeUnlock(LockId::MmuLock);
    return r;
}

void Kvm::kvm_gmem_zap(const GmemRange& range, unsigned filter) {
    Call call(sim_, "kvm_gmem_zap");
    bool flush = false;
    sim_.writeLock(LockId::MmuLock);
    forEachGmemPart(range, [&](const Memslot&, const GfnRange& part) { flush |= kvm_tdp_mmu_unmap_gfn_range(part, filter); });
    flushAndUnlock(flush, true);
}

// A page of a table for a huge leaf's place, and one for its twin.
std::optional<Pfn> Kvm::tdp_mmu_alloc_sp_for_split(bool mirror) {
    const auto sp = alloc_page(FrameKind::Table, 0);
    if (!sp || !mirror || external_ == nullptr || !config_.has(Feature::Private2M))
        return sp;
    const auto external = alloc_page(FrameKind::ExternalTable, sp->v);
    if (!external) {
        free_page(*sp);
        return std::nullopt;
    }
    spSet(*sp, kExternal, external->v);
    return sp;
}

void Kvm::setHugeFolio(Place first, bool huge) {
    sim_.step(Site::GmemRemove);
    for (u64 i = 0; i < 512; ++i) {
        const u64 word = machine_->get(first + i);
        machine_->set(first + i, huge ? word | kHugeFolio : word & ~kHugeFolio);
    }
}

// truncate_inode_partial_folio()
void Kvm::split_folios_across(const GmemRange& range) {
    if (!config_.has(Feature::Private2M))
        return;
    forEachGmemPart(range, [&](const Memslot& s, const GfnRange& part) {
        for (const Gfn edge : {part.start, Gfn{part.end.v - 1}}) {
            const Gfn first = roundDown(edge, Level::k2M);
            if (first >= part.start && first.v + 512 <= part.end.v)
                continue;
            if ((machine_->get(gmemPlace(s, edge)) & kHugeFolio) != 0)
                setHugeFolio(gmemPlace(s, first), false);
        }
    });
}

// With in-place conversion user space may map single pages of what is shared, so that no folio with such a page is large.
bool Kvm::mayBeHugeFolio(const Memslot& memslot, Gfn start) const {
    if (!config_.has(Feature::Private2M))
        return false;
    const u64 first = gmemPlace(memslot, start).v - gmem_.v;
    return !gmemHasAll(memslot) || gmemAllAre(true, first, first + 512);
}

// kvm_gmem_restructure_folios_in_range() ("1G page support for guest_memfd", May 2025): what has a shared page is split, what has none any
// more is put together again, where the pages of a large folio are still all there.
void Kvm::restructure_folios(const GmemRange& range) {
    if (!config_.has(Feature::Private2M))
        return;
    forEachGmemPart(range, [&](const Memslot& s, const GfnRange& part) {
        for (Gfn start = roundDown(part.start, Level::k2M); start < part.end; start.v += 512) {
            if (s.gmemBacking != Level::k2M || start < s.base || start.v + 512 > s.base.v + s.pages)
                continue;
            const bool huge = mayBeHugeFolio(s, start);
            const Place place = gmemPlace(s, start);
            const u64 head = machine_->get(place);
            bool whole = (head & kHostPfn) != 0 && (head & kHostPfn) % 512 == 0 && ((head & kHugeFolio) != 0) != huge;
            for (u64 i = 1; i < 512 && whole; ++i)
                whole = (machine_->get(place + i) & kHostPfn) == (head & kHostPfn) + i;
            if (whole)
                setHugeFolio(place, huge);
        }
    });
}

} // namespace mirrorscope
