// SPDX-License-Identifier: GPL-3.0-or-later
// Memory attributes: which pages are private (Linux v6.16 kvm_main.c: kvm_vm_set_mem_attributes(); mmu.c:
// kvm_arch_pre_set_memory_attributes(), kvm_arch_post_set_memory_attributes()).
#include "kvm/protocol.h"

namespace mirrorscope {

// Attribute words hold what differs from the machine's initial attribute, so that an untouched one is 0.
bool Kvm::kvm_mem_is_private(Gfn gfn) const {
    if (config_.has(Feature::InPlaceConversion)) { // kvm_gmem_is_private_gfn()
        const int index = slotOf(gfn);
        if (index < 0)
            return false;
        const Memslot s = slot(index);
        return s.guestMemfd && kvm_gmem_get_file(s) && kvm_gmem_is_private(gmemPlace(s, gfn).v - gmem_.v);
    }
    const auto word = attributes_.word(gfn);
    return (word && (machine_->get(*word) >> gfn.v % 64 & 1) != 0) != config_.privateByDefault;
}

bool Kvm::peekPrivate(Gfn gfn) const {
    if (config_.has(Feature::InPlaceConversion)) {
        const int index = peekSlotOf(gfn);
        if (index < 0)
            return false;
        const Memslot s = peekSlot(index);
        const bool bound = s.guestMemfd && (!s.gmemFile || (machine_->peek(slotFlags(s.index)) & kSlotGmemGone) == 0);
        return bound && (machine_->peek(gmemAttribute_ + (gmemPlace(s, gfn).v - gmem_.v)) != 0) != config_.privateByDefault;
    }
    const auto word = attributes_.word(gfn);
    return (word && (machine_->peek(*word) >> gfn.v % 64 & 1) != 0) != config_.privateByDefault;
}

u64 Kvm::peekPrivateBits(Gfn first) const {
    if (config_.has(Feature::InPlaceConversion)) {
        u64 bits = 0;
        for (unsigned i = 0; i < 64; ++i)
            bits |= u64{peekPrivate({first.v + i})} << i;
        return bits;
    }
    const auto word = attributes_.word(first);
    const u64 other = word ? machine_->peek(*word) : 0;
    return config_.privateByDefault ? ~other : other;
}

Kvm::PageKinds Kvm::peekKinds(const GfnRange& range) const {
    PageKinds kinds;
    const auto both = [&] { return kinds.isPrivate && kinds.shared; };
    const auto add = [&](bool other) { (other != config_.privateByDefault ? kinds.isPrivate : kinds.shared) = true; };
    if (config_.has(Feature::InPlaceConversion)) { // a word for each page, those of a slot one after the other
        for (unsigned i = 0; i < slotCount() && !both(); ++i) {
            const Memslot s = peekSlot(static_cast<int>(i));
            const u64 from = std::max(s.base.v, range.start.v), to = std::min(s.base.v + s.pages, range.end.v);
            if (!s.used || from >= to)
                continue;
            if (!s.guestMemfd || (s.gmemFile && (machine_->peek(slotFlags(s.index)) & kSlotGmemGone) != 0)) {
                kinds.shared = true;
                continue;
            }
            const auto placeOf = [&](u64 gfn) { return gmemAttribute_ + (gmemPlace(s, {gfn}).v - gmem_.v); };
            for (Place at = placeOf(from), end = placeOf(to); at < end && !both();) {
                const Place written = std::min(machine_->nextWritten(at), end);
                add(written == at && machine_->peek(at) != 0);
                at = written == at ? at + 1 : written;
            }
        }
        return kinds;
    }
    for (u64 gfn = range.start.v; gfn < range.end.v && !both();) {
        const auto word = attributes_.word({gfn});
        const Place written = word ? machine_->nextWritten(*word) : Place{};
        if (!word || written != *word) {
            add(false);
            const auto next =
                word ? attributes_.firstOf(written) : std::optional(Gfn{roundDown({gfn}, Level::k1G).v + pagesPer(Level::k1G)});
            gfn = next ? next->v : range.end.v;
            continue;
        }
        const u64 first = gfn & ~u64{63}, end = std::min(first + 64, range.end.v);
        const u64 asked = (~u64{0} << (gfn - first)) & (~u64{0} >> (first + 64 - end));
        const u64 others = machine_->peek(*word);
        if ((others & asked) != 0)
            add(true);
        if ((~others & asked) != 0)
            add(false);
        gfn = end;
    }
    return kinds;
}

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
    int error = 0;
    const bool begun = kvm_pre_set_memory_attributes(range, makePrivate, error);
    if (error != 0) {
        protocol_->end_of_failed_conversion(*this, begun);
        sim_.writeUnlock(LockId::SlotsLock);
        return error;
    }
    // xa_store() of one gfn after the other; faults read them without a lock.
    Site site = Site::AttrSet;
    for (Gfn gfn = range.start; gfn < range.end; ++gfn.v) {
        if (kvm_mem_is_private(gfn) == makePrivate)
            continue;
        const auto word = attributes_.word(gfn);
        if (!word)
            return -kENOMEM;
        sim_.step(site);
        site = Site::AttrNext;
        machine_->set(*word, machine_->peek(*word) ^ 1ull << gfn.v % 64);
        forgetWrites({gfn, {gfn.v + 1}}, Alias::Private);
        forgetWrites({gfn, {gfn.v + 1}}, Alias::Shared);
    }
    if (begun) {
        Call post(sim_, "kvm_arch_post_set_memory_attributes");
        sim_.writeLock(LockId::MmuLock);
        kvm_mmu_invalidate_end();
        kvm_arch_post_set_memory_attributes(range);
        sim_.writeUnlock(LockId::MmuLock);
    }
    sim_.writeUnlock(LockId::SlotsLock);
    return 0;
}

// No huge page may be installed over the ends meanwhile, whose mixed flags are set only afterwards (v6.15).
void Kvm::kvm_arch_pre_set_memory_attributes(const Memslot& s, const GfnRange& part) {
    for (const Level level : {Level::k2M, Level::k1G})
        for (const Gfn edge : {roundDown(part.start, level), roundDown({part.end.v - 1}, level)}) {
            const bool straddles = edge < part.start || edge.v + pagesPer(level) > part.end.v;
            if (straddles && edge >= s.base && edge.v + pagesPer(level) <= s.base.v + s.pages && !hugepageMixed(edge, level))
                kvm_mmu_invalidate_range_add({edge, {edge.v + pagesPer(level)}});
        }
}

bool Kvm::kvm_pre_set_memory_attributes(const GfnRange& range, bool makePrivate, int& error) {
    Call pre(sim_, "kvm_pre_set_memory_attributes");
    return invalidateParts([&](auto&& each) { forEachSlotPart(range, each); },
                           [&](const Memslot& s, const GfnRange& part) {
                               protocol_->kvm_arch_pre_set_memory_attributes(*this, s, part);
                               if (!makePrivate && error == 0)
                                   error = kvm_split_cross_boundary_leafs(part, KVM_FILTER_PRIVATE, false);
                               if (error != 0)
                                   return false;
                               // Unmap what becomes stale: the shared side when the range becomes private, and the reverse.
                               return kvm_unmap_gfn_range(part, makePrivate ? KVM_FILTER_SHARED : KVM_FILTER_PRIVATE);
                           });
}

// Which huge pages have both kinds of memory.
void Kvm::kvm_arch_post_set_memory_attributes(const GfnRange& range) {
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

} // namespace mirrorscope
