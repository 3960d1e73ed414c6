// SPDX-License-Identifier: GPL-3.0-or-later
// Dirty logging: by write protection, or by the D bits and the page-modification log (Linux v6.16 tdp_mmu.c, mmu.c,
// kvm_main.c: kvm_get_dirty_log_protect(), kvm_clear_dirty_log_protect()).
#include "base/hash.h"
#include "kvm/protocol.h"
#include "kvm/windows.h"

#include <bit>

namespace mirrorscope {

Place Kvm::dirtyWord(const Memslot& memslot, Gfn gfn) const {
    return dirty_ + (memslot.offset / 64 + (gfn.v - memslot.base.v) / 64 + memslot.offset % 64);
}

void Kvm::mark_page_dirty_in_slot(unsigned vcpu, const Memslot& s, Gfn gfn) {
    if (!s.dirtyLog || !s.contains(gfn))
        return;
    if (!kvm_use_dirty_bitmap()) {
        kvm_dirty_ring_push(vcpu, s, gfn);
        return;
    }
    sim_.step(Site::DirtySet);
    machine_->setBits(dirtyWord(s, gfn), 1ull << (gfn.v - s.base.v) % 64);
}

bool Kvm::wrprot_gfn_range(Pfn root, const GfnRange& range, Level minLevel) {
    const Origin origin = Origin::ofWalk(*this, isMirrorRoot(root));
    KVM_BUG_ON(minLevel > Level::k1G, Assert::WrprotLevel);
    bool changed = false;
    Forget forget(sim_);
    sim_.rcuReadLock();
    TdpIter iter;
    for (tdp_iter_start(iter, root, minLevel, range.start); iter.valid && iter.gfn < range.end; protocol_->tdp_iter_next(*this, iter)) {
        forget.but([&] { return mix(iter.hash(), changed); });
        for (Retry retry(sim_, iter.oldSpte);; retry.again(iter.oldSpte)) {
            if (tdp_mmu_iter_cond_resched(iter, false, true))
                break;
            if (!spte::isLeaf(iter.oldSpte, iter.level) || !spte::isWritable(iter.oldSpte))
                break;
            if (tdp_mmu_set_spte_atomic(iter, iter.oldSpte & ~u64{ept::kWrite}) == 0) {
                changed = true;
                break;
            }
        }
    }
    sim_.rcuReadUnlock();
    return forget.but(changed);
}

bool Kvm::kvm_tdp_mmu_wrprot_slot(const GfnRange& range, Level minLevel) {
    Call call(sim_, "kvm_tdp_mmu_wrprot_slot");
    lockdep_assert_held(LockId::MmuLock);
    bool changed = false;
    forEachRootYieldSafe(KVM_VALID_ROOTS, range, [&](Pfn root) { changed |= wrprot_gfn_range(root, range, minLevel); });
    return changed;
}

bool Kvm::may_have_dirty_bit(u64 spte, Level level) { return spte::isLeaf(spte, level); }

void Kvm::clear_dirty_gfn_range(Pfn root, const GfnRange& range) {
    const Origin origin = Origin::ofWalk(*this, isMirrorRoot(root));
    const u64 bit = config_.adBits ? masks().format.dirty : u64{ept::kWrite};
    Forget forget(sim_);
    sim_.rcuReadLock();
    TdpIter iter;
    for (tdp_iter_start(iter, root, Level::k4K, range.start); iter.valid && iter.gfn < range.end; protocol_->tdp_iter_next(*this, iter)) {
        forget.but([&] { return iter.hash(); });
        for (Retry retry(sim_, iter.oldSpte);; retry.again(iter.oldSpte)) {
            if (!protocol_->may_have_dirty_bit(*this, iter.oldSpte, iter.level))
                break;
            if (tdp_mmu_iter_cond_resched(iter, false, true))
                break;
            if ((iter.oldSpte & bit) == 0 || tdp_mmu_set_spte_atomic(iter, iter.oldSpte & ~bit) == 0)
                break;
        }
    }
    sim_.rcuReadUnlock();
    forget.all();
}

void Kvm::kvm_tdp_mmu_clear_dirty_slot(const GfnRange& range) {
    Call call(sim_, "kvm_tdp_mmu_clear_dirty_slot");
    lockdep_assert_held(LockId::MmuLock);
    forEachRootYieldSafe(KVM_VALID_ROOTS, range, [&](Pfn root) { clear_dirty_gfn_range(root, range); });
}

// `mask` is of the 64 pages from `gfn` on.
void Kvm::clear_dirty_pt_masked(Pfn root, Gfn gfn, u64 mask, bool wrprot) {
    const u64 bit = wrprot || !config_.adBits ? u64{ept::kWrite} : masks().format.dirty;
    lockdep_assert_held_write(LockId::MmuLock);
    Forget forget(sim_);
    sim_.rcuReadLock();
    TdpIter iter;
    const Gfn first{gfn.v + static_cast<unsigned>(std::countr_zero(mask))};
    for (tdp_iter_start(iter, root, Level::k4K, first); mask != 0 && iter.valid && iter.gfn.v < gfn.v + 64;
         protocol_->tdp_iter_next(*this, iter)) {
        forget.but([&] { return mix(iter.hash(), mask); });
        if (!spte::isLeaf(iter.oldSpte, iter.level))
            continue;
        if (iter.level > Level::k4K || iter.gfn < gfn || (mask >> (iter.gfn.v - gfn.v) & 1) == 0)
            continue;
        mask &= ~(1ull << (iter.gfn.v - gfn.v));
        if ((iter.oldSpte & bit) != 0)
            iter.oldSpte = tdp_mmu_clear_spte_bits(iter.sptep, iter.oldSpte, bit, iter.level);
    }
    sim_.rcuReadUnlock();
    forget.all();
}

void Kvm::kvm_tdp_mmu_clear_dirty_pt_masked(Gfn gfn, u64 mask, bool wrprot) {
    Call call(sim_, "kvm_tdp_mmu_clear_dirty_pt_masked");
    forEachRoot(KVM_VALID_ROOTS, gfn, [&](Pfn root) { clear_dirty_pt_masked(root, gfn, mask, wrprot); });
}

bool Kvm::write_protect_gfn(Pfn root, Gfn gfn, Level minLevel) {
    KVM_BUG_ON(minLevel > Level::k1G, Assert::WriteProtectLevel);
    const Origin origin = Origin::ofWalk(*this, isMirrorRoot(root));
    bool changed = false;
    sim_.rcuReadLock();
    TdpIter iter;
    for (tdp_iter_start(iter, root, minLevel, gfn); iter.valid && iter.gfn <= gfn; protocol_->tdp_iter_next(*this, iter)) {
        if (!spte::isLeaf(iter.oldSpte, iter.level))
            continue;
        const u64 now = iter.oldSpte & ~(u64{ept::kWrite} | masks().mmuWritable);
        if (now == iter.oldSpte)
            break;
        tdp_mmu_iter_set_spte(iter, now);
        changed = true;
    }
    sim_.rcuReadUnlock();
    return changed;
}

bool Kvm::kvm_tdp_mmu_write_protect_gfn(Gfn gfn, Level minLevel) {
    Call call(sim_, "kvm_tdp_mmu_write_protect_gfn");
    lockdep_assert_held_write(LockId::MmuLock);
    bool changed = false;
    forEachRoot(KVM_VALID_ROOTS, gfn, [&](Pfn root) { changed |= write_protect_gfn(root, gfn, minLevel); });
    return changed;
}

void Kvm::kvm_arch_mmu_enable_log_dirty_pt_masked(const Memslot&, Gfn gfn, u64 mask) {
    Call call(sim_, "kvm_arch_mmu_enable_log_dirty_pt_masked");
    if (initiallyAllDirty()) {
        // Nothing was protected when the log began: huge pages are split, or protected so that a write splits them.
        const Gfn start{gfn.v + static_cast<unsigned>(std::countr_zero(mask))},
            last{gfn.v + 63 - static_cast<unsigned>(std::countl_zero(mask))};
        if (config_.eagerSplit)
            kvm_tdp_mmu_try_split_huge_pages({start, {last.v + 1}}, Level::k4K, false);
        kvm_tdp_mmu_write_protect_gfn(start, Level::k2M);
        // Do they lie in two large pages? ALIGN() rounds up: the last page of one and the first of the next are taken for one large page's.
        const auto aligned = [](Gfn page) { return roundDown({page.v + pagesPer(Level::k2M) - 1}, Level::k2M); };
        if (aligned(start) != aligned(last))
            kvm_tdp_mmu_write_protect_gfn(last, Level::k2M);
    }
    kvm_tdp_mmu_clear_dirty_pt_masked(gfn, mask, !cpuDirtyLog());
}

// Pages first … end-1 of the slot: the wanted ones of each 64 are taken and protected again. Returns how many were dirty; `bitmap` gets the
// 64 around page `asked`.
u64 Kvm::takeDirtyPages(const Memslot& memslot, u64 first, u64 end, u64 wanted, u64 asked, u64& bitmap) {
    if (watch_ != nullptr)
        watch_->logRead(memslot, first, end);
    const u64 begin = first;
    kvm_arch_sync_dirty_log();
    u64 pages = 0;
    sim_.writeLock(LockId::MmuLock);
    for (; first < end && wanted != 0; first += 64) {
        const Gfn gfn{memslot.base.v + first};
        const Place word = dirtyWord(memslot, gfn);
        if (machine_->peek(word) == 0)
            continue;
        machine_->note(first); // how far it has come, since it passed by words that it did not read
        sim_.step(Site::DirtyTake);
        const u64 mask = machine_->get(word) & wanted;
        pages += static_cast<unsigned>(std::popcount(mask));
        machine_->set(word, machine_->get(word) & ~mask);
        if (first == (asked & ~u64{63}))
            bitmap = mask;
        if (watch_ != nullptr)
            watch_->logTaken(word, mask);
        if (mask != 0)
            kvm_arch_mmu_enable_log_dirty_pt_masked(memslot, gfn, mask);
    }
    sim_.writeUnlock(LockId::MmuLock);
    if (pages != 0)
        protocol_->kvm_flush_remote_tlbs(*this);
    if (watch_ != nullptr)
        watch_->logWasRead(memslot, begin, end);
    return pages;
}

// kvm->manual_dirty_log_protect: the bits stay, and nothing is protected.
u64 Kvm::readDirtyPages(const Memslot& memslot, u64 asked, u64& bitmap) {
    if (watch_ != nullptr)
        watch_->logRead(memslot, 0, memslot.pages);
    kvm_arch_sync_dirty_log();
    u64 pages = 0;
    for (u64 first = 0; first < memslot.pages; first += 64) {
        const Place word = dirtyWord(memslot, {memslot.base.v + first});
        sim_.step(Site::DirtyRead);
        const u64 mask = machine_->get(word);
        pages += static_cast<unsigned>(std::popcount(mask));
        if (first == (asked & ~u64{63}))
            bitmap = mask;
        if (watch_ != nullptr)
            watch_->logTaken(word, mask);
    }
    if (watch_ != nullptr)
        watch_->logWasRead(memslot, 0, memslot.pages);
    return pages;
}

Outcome Kvm::kvm_get_dirty_log_protect(u32 id, std::optional<Gfn> asked) {
    Call call(sim_, "kvm_get_dirty_log_protect");
    sim_.writeLock(LockId::SlotsLock);
    const int index = slotById(id);
    Outcome outcome = failedWith(!kvm_use_dirty_bitmap() ? kENXIO : isSlotId(id) ? kENOENT : kEINVAL);
    if (kvm_use_dirty_bitmap() && index >= 0 && slot(index).dirtyLog) {
        const Memslot s = slot(index);
        const u64 page = asked && s.contains(*asked) ? asked->v - s.base.v : 0;
        u64 bitmap = 0;
        outcome = {Outcome::Kind::Ok, 0,
                   config_.manualDirtyLog != ManualDirtyLog::Off ? readDirtyPages(s, page, bitmap)
                                                                 : takeDirtyPages(s, 0, s.pages, ~0ull, page, bitmap)};
        if (!asked || s.contains(*asked))
            outcome.details.put(Field::Bitmap, bitmap);
    }
    sim_.writeUnlock(LockId::SlotsLock);
    return outcome;
}

// KVM_CLEAR_DIRTY_LOG of a range: its bits are cleared and its pages are protected again.
Outcome Kvm::kvm_clear_dirty_log_protect(u32 id, u64 firstPage, u64 count, u64 mask) {
    Call call(sim_, "kvm_clear_dirty_log_protect");
    sim_.writeLock(LockId::SlotsLock);
    const int index = slotById(id);
    Outcome outcome;
    if (!kvm_use_dirty_bitmap())
        outcome = failedWith(kENXIO);
    else if (!isSlotId(id) || firstPage % 64 != 0)
        outcome = failedWith(kEINVAL);
    else if (index < 0 || !slot(index).dirtyLog)
        outcome = failedWith(kENOENT);
    else if (const Memslot s = slot(index);
             firstPage > s.pages || count > s.pages - firstPage || (count % 64 != 0 && firstPage + count != s.pages))
        outcome = failedWith(kEINVAL);
    else {
        u64 bitmap = 0;
        takeDirtyPages(s, firstPage, firstPage + count, mask, firstPage, bitmap);
    }
    sim_.writeUnlock(LockId::SlotsLock);
    return outcome;
}

} // namespace mirrorscope
