// SPDX-License-Identifier: GPL-3.0-or-later
// Dirty logging: by write protection, or by the D bits and the page-modification log (Linux v6.16 tdp_mmu.c, mmu.c,
// kvm_main.c: kvm_get_dirty_log_protect(), kvm_clear_dirty_log_protect()).
#include "kvm/kvm.h"

#include <bit>

namespace mirrorscope {

// kvm->arch.cpu_dirty_log_size; never for a TD.
bool Kvm::cpuDirtyLog() const { return config_.pml && config_.adBits && config_.vm != VmType::Tdx && config_.vm != VmType::Snp; }

Place Kvm::dirtyWord(const Memslot& memslot, Gfn gfn) const {
    return dirty_ + (memslot.offset / 64 + (gfn.v - memslot.base.v) / 64 + memslot.offset % 64);
}

void Kvm::mark_page_dirty_in_slot(int index, Gfn gfn) {
    const Memslot s = slot(index);
    if (!s.dirtyLog)
        return;
    const Place word = dirtyWord(s, gfn);
    machine_->set(word, machine_->get(word) | 1ull << (gfn.v - s.base.v) % 64);
}

// The CPU has set a D bit that was clear: with the log on, it notes the GPA; KVM reads the log at the next exit.
void Kvm::logByCpu(unsigned vcpu, Gfn gfn) {
    const int index = slotOf(gfn);
    if (!cpuDirtyLog() || index < 0 || !slot(index).dirtyLog)
        return;
    const Place count = vcpuWord(vcpu, VcpuWord::PmlCount);
    const u64 n = machine_->get(count);
    if (n == kPmlEntries) { // full: an exit of its own, PML_FULL
        flushPml(vcpu);
        logByCpu(vcpu, gfn);
        return;
    }
    machine_->set(pml_ + (vcpu * kPmlEntries + n), gfn.v);
    machine_->set(count, n + 1);
}

// vmx_flush_pml_buffer()
void Kvm::flushPml(unsigned vcpu) {
    const Place count = vcpuWord(vcpu, VcpuWord::PmlCount);
    const u64 n = machine_->get(count);
    for (u64 i = 0; i < n; ++i) {
        const Place entry = pml_ + (vcpu * kPmlEntries + i);
        const Gfn gfn{machine_->get(entry)};
        if (const int index = slotOf(gfn); index >= 0)
            mark_page_dirty_in_slot(index, gfn);
        machine_->set(entry, 0);
    }
    machine_->set(count, 0);
}

bool Kvm::kvm_tdp_mmu_wrprot_slot(const GfnRange& range, Level minLevel) {
    Call call(sim_, "kvm_tdp_mmu_wrprot_slot");
    bool changed = false;
    forEachRoot(KVM_VALID_ROOTS, [&](Pfn root) {
        sim_.rcuReadLock();
        TdpIter iter;
        for (tdp_iter_start(iter, root, minLevel, range.start); iter.valid && iter.gfn < range.end; tdp_iter_next(iter)) {
            if (tdp_mmu_iter_cond_resched(iter, false, true))
                continue;
            while (spte::isLeaf(iter.oldSpte, iter.level) && spte::isWritable(iter.oldSpte)) {
                if (tdp_mmu_set_spte_atomic(iter, iter.oldSpte & ~u64{ept::kWrite}) == 0) {
                    changed = true;
                    break;
                }
            }
        }
        sim_.rcuReadUnlock();
    });
    return changed;
}

void Kvm::kvm_tdp_mmu_clear_dirty_slot(const GfnRange& range) {
    Call call(sim_, "kvm_tdp_mmu_clear_dirty_slot");
    forEachRoot(KVM_VALID_ROOTS, [&](Pfn root) {
        sim_.rcuReadLock();
        TdpIter iter;
        for (tdp_iter_start(iter, root, Level::k4K, range.start); iter.valid && iter.gfn < range.end; tdp_iter_next(iter)) {
            if (tdp_mmu_iter_cond_resched(iter, false, true))
                continue;
            while (spte::isLeaf(iter.oldSpte, iter.level) && (iter.oldSpte & masks_.format.dirty) != 0)
                if (tdp_mmu_set_spte_atomic(iter, iter.oldSpte & ~masks_.format.dirty) == 0)
                    break;
        }
        sim_.rcuReadUnlock();
    });
}

// mmu_lock is held for writing; `mask` is of the 64 pages from `gfn` on.
void Kvm::kvm_tdp_mmu_clear_dirty_pt_masked(Gfn gfn, u64 mask, bool wrprot) {
    Call call(sim_, "kvm_tdp_mmu_clear_dirty_pt_masked");
    const u64 bit = wrprot || !config_.adBits ? u64{ept::kWrite} : masks_.format.dirty;
    forEachRoot(KVM_VALID_ROOTS, [&](Pfn root) {
        sim_.rcuReadLock();
        TdpIter iter;
        u64 left = mask;
        const Gfn first{gfn.v + static_cast<unsigned>(std::countr_zero(mask))};
        for (tdp_iter_start(iter, root, Level::k4K, first); left != 0 && iter.valid && iter.gfn.v < gfn.v + 64; tdp_iter_next(iter)) {
            if (!spte::isLeaf(iter.oldSpte, iter.level))
                continue;
            if (iter.level > Level::k4K || iter.gfn < gfn || (left >> (iter.gfn.v - gfn.v) & 1) == 0)
                continue;
            left &= ~(1ull << (iter.gfn.v - gfn.v));
            if ((iter.oldSpte & bit) == 0)
                continue;
            // tdp_mmu_clear_spte_bits(): atomic where the CPU or a fast page fault may change the entry.
            sim_.step(Site::SpteStore);
            iter.oldSpte = machine_->get(iter.sptep);
            machine_->set(iter.sptep, iter.oldSpte & ~bit);
        }
        sim_.rcuReadUnlock();
    });
}

bool Kvm::kvm_tdp_mmu_write_protect_gfn(Gfn gfn, Level minLevel) {
    Call call(sim_, "kvm_tdp_mmu_write_protect_gfn");
    bool changed = false;
    forEachRoot(KVM_VALID_ROOTS, [&](Pfn root) {
        sim_.rcuReadLock();
        TdpIter iter;
        for (tdp_iter_start(iter, root, minLevel, gfn); iter.valid && iter.gfn <= gfn; tdp_iter_next(iter)) {
            if (!spte::isLeaf(iter.oldSpte, iter.level))
                continue;
            const u64 now = iter.oldSpte & ~(u64{ept::kWrite} | masks_.mmuWritable);
            if (now == iter.oldSpte)
                break;
            iter.oldSpte = tdp_mmu_set_spte(iter.sptep, iter.oldSpte, now, iter.gfn, iter.level, iter.isPrivate);
            changed = true;
        }
        sim_.rcuReadUnlock();
    });
    return changed;
}

// kvm_arch_mmu_enable_log_dirty_pt_masked(): huge pages are write-protected whole, 4K ones by the log's method.
void Kvm::enableLogDirtyPtMasked(Gfn gfn, u64 mask) {
    Call call(sim_, "kvm_arch_mmu_enable_log_dirty_pt_masked");
    kvm_tdp_mmu_clear_dirty_pt_masked(gfn, mask, !cpuDirtyLog());
}

// Pages first … end-1 of the slot: their bits are cleared and they are protected again. Returns how many were dirty.
u64 Kvm::takeDirtyPages(const Memslot& memslot, u64 first, u64 end) {
    if (cpuDirtyLog())
        kick_all_outside_guest_mode(); // kvm_arch_sync_dirty_log(): each vCPU's log is read at its exit
    u64 pages = 0;
    sim_.writeLock(LockId::MmuLock);
    for (; first < end; first += 64) {
        const Gfn gfn{memslot.base.v + first};
        const Place word = dirtyWord(memslot, gfn);
        const u64 mask = machine_->get(word);
        if (mask == 0)
            continue;
        pages += static_cast<unsigned>(std::popcount(mask));
        machine_->set(word, 0);
        enableLogDirtyPtMasked(gfn, mask);
    }
    sim_.writeUnlock(LockId::MmuLock);
    if (pages != 0)
        kvm_flush_remote_tlbs();
    return pages;
}

Outcome Kvm::kvm_get_dirty_log_protect(u32 id) {
    Call call(sim_, "kvm_get_dirty_log_protect");
    sim_.writeLock(LockId::SlotsLock);
    const int index = slotById(id);
    if (index < 0 || !slot(index).dirtyLog) {
        sim_.writeUnlock(LockId::SlotsLock);
        return {Outcome::Kind::Errno, kENOENT, 0};
    }
    const Memslot s = slot(index);
    const u64 pages = takeDirtyPages(s, 0, s.pages);
    sim_.writeUnlock(LockId::SlotsLock);
    return {Outcome::Kind::Ok, 0, pages};
}

// KVM_CLEAR_DIRTY_LOG of a range: its bits are cleared and its pages are protected again.
Outcome Kvm::kvm_clear_dirty_log_protect(u32 id, u64 firstPage, u64 count) {
    Call call(sim_, "kvm_clear_dirty_log_protect");
    sim_.writeLock(LockId::SlotsLock);
    const int index = slotById(id);
    Outcome outcome;
    if (index < 0 || !slot(index).dirtyLog)
        outcome = {Outcome::Kind::Errno, kENOENT, 0};
    else if (const Memslot s = slot(index);
             firstPage % 64 != 0 || firstPage > s.pages || count > s.pages - firstPage || (count % 64 != 0 && firstPage + count != s.pages))
        outcome = {Outcome::Kind::Errno, kEINVAL, 0};
    else
        takeDirtyPages(s, firstPage, firstPage + count);
    sim_.writeUnlock(LockId::SlotsLock);
    return outcome;
}

} // namespace mirrorscope
