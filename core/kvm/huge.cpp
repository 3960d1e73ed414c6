// SPDX-License-Identifier: GPL-3.0-or-later
// Huge pages: how large a mapping may be, and splitting (Linux v6.16 mmu.c, tdp_mmu.c).
#include "kvm/protocol.h"
#include "kvm/windows.h"

#include <algorithm>

namespace mirrorscope {

bool Kvm::hugepageMixed(Gfn gfn, Level level) const {
    const auto bit = attributes_.mixed(gfn, level);
    return bit && (machine_->get(bit->word) & bit->mask) != 0;
}

void Kvm::setHugepageMixed(Gfn gfn, Level level, bool mixed) {
    const auto bit = attributes_.mixed(gfn, level);
    if (!bit)
        return;
    const u64 old = machine_->get(bit->word);
    machine_->set(bit->word, mixed ? old | bit->mask : old & ~bit->mask);
}

// lpage_info: a huge page must lie inside the slot, be one at the host's addresses, too (kvm_alloc_memslot_metadata(): both are aligned
// alike, or the slot has none), and have the same attributes throughout.
bool Kvm::lpageDisallowed(const Memslot& memslot, Gfn gfn, Level level) const {
    const Gfn start = roundDown(gfn, level);
    return start < memslot.base || start.v + pagesPer(level) > memslot.base.v + memslot.pages ||
           ((memslot.base.v ^ memslot.user) & (pagesPer(level) - 1)) != 0 || hugepageMixed(gfn, level) ||
           (config_.has(Feature::Private2M) && hugepage_test_guest_inhibit(gfn, level));
}

// The size of the host's page there, once it is populated.
Level Kvm::host_pfn_mapping_level(const Memslot& memslot, Gfn gfn) const {
    if (machine_->get(hostPlace(memslot, gfn)) == 0)
        return Level::k4K;
    return hostBlock(memslot, gfn).second;
}

// An mprotect() of a part takes a huge page of the host apart: one entry of its page table maps pages that lie side by side and are
// allowed the same.
bool Kvm::isOneHostPage(const Memslot& memslot, Gfn start, Level level) const {
    if (machine_->get(vmaChanged()) == 0)
        return true;
    const u64 first = machine_->get(hostPlace(memslot, start)) & kHostPfn;
    for (u64 i = 0; i < pagesPer(level); ++i) {
        const Gfn gfn{start.v + i};
        if (vmaProt(memslot, gfn) != vmaProt(memslot, start) ||
            (machine_->get(hostPlace(memslot, gfn)) & kHostPfn) != (first == 0 ? 0 : first + i))
            return false;
    }
    return true;
}

std::pair<GfnRange, Level> Kvm::hostBlock(const Memslot& memslot, Gfn gfn) const {
    for (Level level = memslot.backing; level > Level::k4K; level = below(level)) {
        const u64 into = (memslot.user + gfn.v - memslot.base.v) & (pagesPer(level) - 1); // the block is one of the host's addresses
        if (into > gfn.v)
            continue;
        const Gfn start{gfn.v - into};
        if (start >= memslot.base && start.v + pagesPer(level) <= memslot.base.v + memslot.pages && isOneHostPage(memslot, start, level))
            return {{start, {start.v + pagesPer(level)}}, level};
    }
    return {{gfn, {gfn.v + 1}}, Level::k4K};
}

Level Kvm::kvm_mmu_max_mapping_level(const Memslot& memslot, Gfn gfn, Level max, bool isPrivate) const {
    max = std::min(max, config_.maxLevel);
    if (gmemHasAll(memslot))
        max = std::min(max, gmem_max_mapping_level(memslot, gfn));
    while (max > Level::k4K && lpageDisallowed(memslot, gfn, max))
        max = below(max);
    if (isPrivate || gmemHasAll(memslot) || max == Level::k4K)
        return max;
    return std::min(max, host_pfn_mapping_level(memslot, gfn));
}

void Kvm::kvm_mmu_hugepage_adjust(KvmPageFault& fault) {
    fault.hugePageDisallowed = fault.exec && masks().nxHugePages;
    if (fault.maxLevel == Level::k4K || fault.slot < 0)
        return;
    const Memslot& memslot = fault.memslot;
    if (memslot.dirtyLog)
        return;
    fault.reqLevel = kvm_mmu_max_mapping_level(memslot, fault.gfn, fault.maxLevel, fault.isPrivate);
    if (fault.reqLevel == Level::k4K || fault.hugePageDisallowed)
        return;
    fault.goalLevel = fault.reqLevel;
    const u64 mask = pagesPer(fault.goalLevel) - 1;
    KVM_BUG_ON((fault.gfn.v & mask) != (fault.pfn.v & mask), Assert::HugeMisaligned); // VM_BUG_ON()
    fault.pfn.v &= ~mask;
}

int Kvm::tdp_mmu_split_huge_page(TdpIter& iter, Pfn child, bool shared) {
    Call call(sim_, "tdp_mmu_split_huge_page");
    const u64 huge = iter.oldSpte;
    const Level childLevel = below(iter.level);
    KVM_BUG_ON(!spte::isPresent(huge) || !spte::isLarge(huge), Assert::SmallOfNothing);
    // Nobody can reach the table yet, so that all of it is one action.
    for (unsigned i = 0; i < 512; ++i)
        machine_->set(wordOf(child, i), make_small_spte(masks(), huge, childLevel, i));
    const int r = tdp_mmu_link_sp(iter, child, shared);
    if (r == 0)
        machine_->add(pageStatistic(childLevel), 512);
    return r;
}

int Kvm::tdp_mmu_split_huge_pages_root(Pfn root, const GfnRange& range, Level target, bool shared, bool onlyAcross) {
    Call call(sim_, "tdp_mmu_split_huge_pages_root");
    const bool mirror = isMirrorRoot(root);
    const Origin origin = Origin::ofWalk(*this, mirror);
    std::optional<Pfn> sp;
    sim_.rcuReadLock();
    TdpIter iter;
    for (tdp_iter_start(iter, root, above(target), range.start); iter.valid && iter.gfn < range.end;
         protocol_->tdp_iter_next(*this, iter)) {
        for (Retry retry(sim_, iter.oldSpte);; retry.again(iter.oldSpte)) {
            if (tdp_mmu_iter_cond_resched(iter, false, shared))
                break;
            if (!spte::isPresent(iter.oldSpte) || !spte::isLarge(iter.oldSpte))
                break;
            if (onlyAcross && iter.gfn >= range.start && iter.gfn.v + pagesPer(iter.level) <= range.end.v)
                break;
            if (!sp || (mirror && external_->need_topup_external_per_vm_split_cache())) {
                // The lock is dropped for the allocation, and the walk begins anew where it stood.
                sim_.rcuReadUnlock();
                sim_.unlock(LockId::MmuLock, !shared);
                int r = 0;
                if (sp)
                    r = external_->topup_external_per_vm_split_cache();
                else if (!(sp = tdp_mmu_alloc_sp_for_split(mirror))) // not of any vCPU's cache
                    r = -kENOMEM;
                sim_.lock(LockId::MmuLock, !shared);
                if (r != 0) {
                    if (sp)
                        tdp_mmu_free_sp(*sp);
                    return r;
                }
                sim_.rcuReadLock();
                iter.yielded = true;
                break; // look at what stands there now
            }
            tdp_mmu_init_child_sp(*sp, iter);
            const int r = tdp_mmu_split_huge_page(iter, *sp, shared);
            if (r == 0)
                sp.reset();
            if (r != -kEBUSY) // what cannot be done stays undone: a private leaf that must be blocked is not split under the read lock
                break;
        }
    }
    sim_.rcuReadUnlock();
    if (sp)
        tdp_mmu_free_sp(*sp);
    return 0;
}

// What cannot be split stays as it is: nobody hears of it.
void Kvm::kvm_tdp_mmu_try_split_huge_pages(const GfnRange& range, Level target, bool shared) {
    Call call(sim_, "kvm_tdp_mmu_try_split_huge_pages");
    lockdep_assert_held(LockId::MmuLock);
    for (Pfn root = tdp_mmu_next_root({0}, KVM_VALID_ROOTS); root.v != 0; root = tdp_mmu_next_root(root, KVM_VALID_ROOTS))
        if (rootHas(root, range.start) && tdp_mmu_split_huge_pages_root(root, range, target, shared) != 0) {
            kvm_tdp_mmu_put_root(root);
            break;
        }
}

void Kvm::kvm_mmu_slot_try_split_huge_pages(const GfnRange& range, Level target) {
    Call call(sim_, "kvm_mmu_slot_try_split_huge_pages");
    sim_.readLock(LockId::MmuLock);
    kvm_tdp_mmu_try_split_huge_pages(range, target, true);
    sim_.readUnlock(LockId::MmuLock);
}

} // namespace mirrorscope
