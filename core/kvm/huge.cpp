// SPDX-License-Identifier: GPL-3.0-or-later
// Huge pages: how large a mapping may be, splitting, collapsing, and the recovery of those that the NX mitigation split
// (Linux v6.16 mmu.c, tdp_mmu.c).
#include "kvm/kvm.h"

#include <algorithm>
#include <cassert>

namespace mirrorscope {

bool Kvm::hugepageMixed(Gfn gfn, Level level) const {
    const Place bits = level == Level::k2M ? mixed2M_ : mixed1G_;
    const u64 n = gfn.v / pagesPer(level);
    return n / 64 < mixedWords(level) && (machine_->get(bits + n / 64) >> n % 64 & 1) != 0;
}

void Kvm::setHugepageMixed(Gfn gfn, Level level, bool mixed) {
    const Place bits = level == Level::k2M ? mixed2M_ : mixed1G_;
    const u64 n = gfn.v / pagesPer(level);
    if (n / 64 >= mixedWords(level))
        return;
    const u64 old = machine_->get(bits + n / 64);
    machine_->set(bits + n / 64, mixed ? old | 1ull << n % 64 : old & ~(1ull << n % 64));
}

u64 Kvm::mixedWords(Level level) const { return (attributeWords_ * 64 / pagesPer(level) + 64) / 64; }

// lpage_info: a huge page must lie inside the slot and have the same attributes throughout.
bool Kvm::lpageDisallowed(const Memslot& memslot, Gfn gfn, Level level) const {
    const Gfn start = roundDown(gfn, level);
    return start < memslot.base || start.v + pagesPer(level) > memslot.base.v + memslot.pages || hugepageMixed(gfn, level);
}

// host_pfn_mapping_level(): the size of the host's page there, once it is populated.
Level Kvm::hostMappingLevel(const Memslot& memslot, Gfn gfn) const {
    if (machine_->get(hostPlace(memslot, gfn)) == 0)
        return Level::k4K;
    return hostBlock(memslot, gfn).second;
}

std::pair<GfnRange, Level> Kvm::hostBlock(const Memslot& memslot, Gfn gfn) const {
    for (Level level = memslot.backing; level > Level::k4K; level = below(level)) {
        const Gfn start = roundDown(gfn, level);
        if (start >= memslot.base && start.v + pagesPer(level) <= memslot.base.v + memslot.pages)
            return {{start, {start.v + pagesPer(level)}}, level};
    }
    return {{gfn, {gfn.v + 1}}, Level::k4K};
}

Level Kvm::kvm_mmu_max_mapping_level(const Memslot& memslot, Gfn gfn, Level max, bool isPrivate) const {
    max = std::min(max, config_.maxLevel);
    while (max > Level::k4K && lpageDisallowed(memslot, gfn, max))
        max = below(max);
    if (isPrivate || max == Level::k4K)
        return max;
    return std::min(max, hostMappingLevel(memslot, gfn));
}

void Kvm::kvm_mmu_hugepage_adjust(KvmPageFault& fault) {
    fault.hugePageDisallowed = fault.exec && masks_.nxHugePages;
    if (fault.maxLevel == Level::k4K || fault.slot < 0)
        return;
    const Memslot& memslot = fault.memslot;
    if (memslot.dirtyLog)
        return;
    fault.reqLevel = kvm_mmu_max_mapping_level(memslot, fault.gfn, fault.maxLevel, fault.isPrivate);
    if (fault.reqLevel == Level::k4K || fault.hugePageDisallowed)
        return;
    fault.goalLevel = fault.reqLevel;
    fault.pfn.v &= ~(pagesPer(fault.goalLevel) - 1);
}

int Kvm::tdp_mmu_split_huge_page(TdpIter& iter, Pfn child, bool shared, const KvmPageFault* fault) {
    Call call(sim_, "tdp_mmu_split_huge_page");
    const u64 huge = iter.oldSpte;
    const Level childLevel = below(iter.level);
    // Nobody can reach the table yet, so that all of it is one action.
    for (unsigned i = 0; i < 512; ++i)
        machine_->set(wordOf(child, i), make_small_spte(masks_, huge, childLevel, i));
    const int r = tdp_mmu_link_sp(iter, child, shared, fault);
    if (r == 0)
        machine_->add(pageStats_, 512);
    return r;
}

int Kvm::tdp_mmu_split_huge_pages_root(Pfn root, const GfnRange& range, Level target, bool shared) {
    Call call(sim_, "tdp_mmu_split_huge_pages_root");
    std::optional<Pfn> sp;
    int result = 0;
    sim_.rcuReadLock();
    TdpIter iter;
    for (tdp_iter_start(iter, root, above(target), range.start); iter.valid && iter.gfn < range.end; tdp_iter_next(iter)) {
        if (tdp_mmu_iter_cond_resched(iter, false, shared))
            continue;
        bool again = true;
        while (again) {
            again = false;
            if (!spte::isPresent(iter.oldSpte) || !spte::isLarge(iter.oldSpte))
                break;
            if (!sp) {
                // The lock is dropped for the allocation, and the walk begins anew where it stood.
                sim_.rcuReadUnlock();
                shared ? sim_.readUnlock(LockId::MmuLock) : sim_.writeUnlock(LockId::MmuLock);
                sp = alloc_page(FrameKind::Table, 0); // not of any vCPU's cache
                shared ? sim_.readLock(LockId::MmuLock) : sim_.writeLock(LockId::MmuLock);
                sim_.rcuReadLock();
                if (!sp) {
                    result = -kENOMEM;
                    break;
                }
                machine_->fill(*sp, spte::kNonpresent);
                iter.yielded = true;
                break; // look at what stands there now
            }
            tdp_mmu_init_child_sp(*sp, iter);
            if (tdp_mmu_split_huge_page(iter, *sp, shared) == 0) {
                sp.reset();
                iter.oldSpte = machine_->get(iter.sptep);
            } else {
                again = true; // somebody was faster
            }
        }
        if (result != 0)
            break;
    }
    sim_.rcuReadUnlock();
    if (sp)
        tdp_mmu_free_sp(*sp);
    return result;
}

int Kvm::kvm_tdp_mmu_try_split_huge_pages(const GfnRange& range, Level target, bool shared) {
    Call call(sim_, "kvm_tdp_mmu_try_split_huge_pages");
    int result = 0;
    forEachRoot(KVM_VALID_ROOTS, [&](Pfn root) {
        if (result == 0)
            result = tdp_mmu_split_huge_pages_root(root, range, target, shared);
    });
    return result;
}

int Kvm::kvm_mmu_slot_try_split_huge_pages(const GfnRange& range, Level target) {
    Call call(sim_, "kvm_mmu_slot_try_split_huge_pages");
    sim_.readLock(LockId::MmuLock);
    const int result = kvm_tdp_mmu_try_split_huge_pages(range, target, true);
    sim_.readUnlock(LockId::MmuLock);
    return result;
}

// tdp_mmu_make_huge_spte(): out of the first present leaf below.
std::optional<u64> Kvm::tdp_mmu_make_huge_spte(const TdpIter& parent) {
    Call call(sim_, "tdp_mmu_make_huge_spte");
    TdpIter iter;
    tdp_iter_start(iter, frameOf(parent.sptep), Level::k4K, parent.gfn);
    for (; iter.valid && iter.gfn.v < parent.gfn.v + pagesPer(parent.level); tdp_iter_next(iter))
        if (iter.level < parent.level && spte::isLeaf(iter.oldSpte, iter.level))
            return make_huge_spte(masks_, iter.oldSpte, parent.level);
    return std::nullopt;
}

bool Kvm::kvm_tdp_mmu_recover_huge_pages(int index) {
    Call call(sim_, "kvm_tdp_mmu_recover_huge_pages");
    const Memslot s = slot(index);
    if (s.dirtyLog)
        return false;
    const GfnRange range{s.base, {s.base.v + s.pages}};
    bool any = false;
    forEachRoot(KVM_VALID_ROOTS, [&](Pfn root) {
        bool flush = false;
        sim_.rcuReadLock();
        TdpIter iter;
        for (tdp_iter_start(iter, root, Level::k2M, range.start); iter.valid && iter.gfn < range.end; tdp_iter_next(iter)) {
            if (tdp_mmu_iter_cond_resched(iter, flush, true)) {
                flush = false;
                continue;
            }
            while (iter.level <= Level::k1G && spte::isTable(iter.oldSpte, iter.level) && iter.gfn >= range.start &&
                   iter.gfn.v + pagesPer(iter.level) <= range.end.v) {
                if (kvm_mmu_max_mapping_level(s, iter.gfn, Level::k1G, s.guestMemfd && kvm_mem_is_private(iter.gfn)) < iter.level)
                    break;
                const auto huge = tdp_mmu_make_huge_spte(iter);
                if (!huge)
                    break;
                if (tdp_mmu_set_spte_atomic(iter, *huge) == 0) {
                    any = flush = true;
                    iter.oldSpte = *huge;
                    break;
                }
            }
        }
        // The flush must have reached every vCPU before the unlinked tables may go.
        if (flush)
            kvm_flush_remote_tlbs();
        sim_.rcuReadUnlock();
    });
    return any;
}

void Kvm::kvm_mmu_recover_huge_pages(int index) {
    Call call(sim_, "kvm_mmu_recover_huge_pages");
    sim_.readLock(LockId::MmuLock);
    kvm_tdp_mmu_recover_huge_pages(index);
    sim_.readUnlock(LockId::MmuLock);
}

// The worker that zaps tables which stand only because an executable 4K page was asked for.
u64 Kvm::kvm_recover_nx_huge_pages(const GfnRange& range) {
    Call call(sim_, "kvm_recover_nx_huge_pages");
    u64 zapped = 0;
    sim_.writeLock(LockId::MmuLock);
    sim_.rcuReadLock();
    bool flush = false;
    forEachRoot(KVM_DIRECT_ROOTS, [&](Pfn root) {
        TdpIter iter;
        for (tdp_iter_start(iter, root, Level::k2M, range.start); iter.valid && iter.gfn < range.end; tdp_iter_next(iter)) {
            if (tdp_mmu_iter_cond_resched(iter, flush, false)) {
                flush = false;
                continue;
            }
            if (!spte::isTable(iter.oldSpte, iter.level))
                continue;
            const Pfn child = ept::pfnOf(iter.oldSpte);
            if ((spGet(child, kFlags) & kNxHugePageDisallowed) != 0) {
                kvm_tdp_mmu_zap_sp(child);
                iter.oldSpte = spte::kNonpresent;
                flush = true;
                ++zapped;
            }
        }
    });
    if (flush)
        kvm_flush_remote_tlbs();
    sim_.rcuReadUnlock();
    sim_.writeUnlock(LockId::MmuLock);
    return zapped;
}

bool Kvm::kvm_tdp_mmu_zap_sp(Pfn sp) {
    Call call(sim_, "kvm_tdp_mmu_zap_sp");
    const u64 ptep = spGet(sp, kPtep);
    if (ptep == 0)
        return false;
    const Place place{static_cast<u32>(ptep - 1)};
    const u64 old = machine_->get(place);
    if (!spte::isPresent(old))
        return false;
    tdp_mmu_set_spte(place, old, spte::kNonpresent, {spGet(sp, kGfn)}, above(role::level(spGet(sp, kRole))), false);
    return true;
}

} // namespace mirrorscope
