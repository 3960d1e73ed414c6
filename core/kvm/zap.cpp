// SPDX-License-Identifier: GPL-3.0-or-later
// Zapping: leaves of a range, and whole roots at the end of the VM (Linux v6.16 tdp_mmu.c).
#include "base/hash.h"
#include "kvm/protocol.h"
#include "kvm/windows.h"

namespace mirrorscope {

// Returns whether a TLB flush is owed. Table pages stay.
bool Kvm::tdp_mmu_zap_leafs(Pfn root, const GfnRange& range, bool flush) {
    Call call(sim_, "tdp_mmu_zap_leafs");
    lockdep_assert_held_write(LockId::MmuLock);
    const Origin origin = Origin::ofWalk(*this, isMirrorRoot(root));
    Forget forget(sim_);
    sim_.rcuReadLock();
    TdpIter iter;
    for (tdp_iter_start(iter, root, Level::k4K, range.start); iter.valid && iter.gfn < range.end; protocol_->tdp_iter_next(*this, iter)) {
        forget.but([&] { return mix(iter.hash(), flush); });
        if (tdp_mmu_iter_cond_resched(iter, flush, false)) {
            flush = false;
            continue;
        }
        if (!spte::isLeaf(iter.oldSpte, iter.level))
            continue;
        sim_.count(Counter::Zap);
        tdp_mmu_iter_set_spte(iter, spte::kNonpresent);
        // Whoever has an invalid root loads another one, and flushes then.
        if (!role::isInvalid(spGet(root, kRole)))
            flush = true;
    }
    sim_.rcuReadUnlock();
    return forget.but(flush);
}

bool Kvm::kvm_tdp_mmu_zap_leafs(const GfnRange& range, bool flush) {
    Call call(sim_, "kvm_tdp_mmu_zap_leafs");
    lockdep_assert_held_write(LockId::MmuLock);
    forEachRootYieldSafe(KVM_VALID_ROOTS, [&](Pfn root) {
        const bool smm = role::isSmm(machine_->peek(sp(root, kRole))); // all address spaces
        flush = tdp_mmu_zap_leafs(root, {inSmm(range.start, smm), inSmm(range.end, smm)}, flush);
    });
    return flush;
}

unsigned Kvm::unmap_root_types(unsigned filter) const {
    return protocol_->kvm_gfn_range_filter_to_root_types(*this, filter) | KVM_INVALID_ROOTS;
}

bool Kvm::kvm_tdp_mmu_unmap_gfn_range(const GfnRange& range, unsigned filter) {
    Call call(sim_, "kvm_tdp_mmu_unmap_gfn_range");
    Forget forget(sim_);
    bool flush = false;
    forEachRootYieldSafe(protocol_->unmap_root_types(*this, filter), range,
                         [&](Pfn root) { flush = tdp_mmu_zap_leafs(root, range, flush); });
    return forget.but(flush);
}

// The notifier's release: valid mirror roots are left alone.
void Kvm::kvm_tdp_mmu_zap_all() {
    Call call(sim_, "kvm_tdp_mmu_zap_all");
    lockdep_assert_held_write(LockId::MmuLock);
    forEachRootYieldSafe(KVM_DIRECT_ROOTS | KVM_INVALID_ROOTS, [&](Pfn root) { tdp_mmu_zap_root(root, false); });
}

void Kvm::kvm_zap_gfn_range(const GfnRange& range) {
    Call call(sim_, "kvm_zap_gfn_range");
    sim_.writeLock(LockId::MmuLock);
    kvm_mmu_invalidate_begin();
    kvm_mmu_invalidate_range_add(range);
    if (kvm_tdp_mmu_zap_leafs(range, false))
        protocol_->kvm_flush_remote_tlbs(*this);
    kvm_mmu_invalidate_end();
    sim_.writeUnlock(LockId::MmuLock);
}

bool Kvm::kvm_unmap_gfn_range(const GfnRange& range, unsigned filter) {
    Call call(sim_, "kvm_unmap_gfn_range");
    return kvm_tdp_mmu_unmap_gfn_range(range, filter);
}

void Kvm::tdp_mmu_zap_root_at(Pfn root, bool shared, Level zapLevel) {
    const Origin origin = Origin::ofWalk(*this, isMirrorRoot(root));
    Forget forget(sim_);
    TdpIter iter;
    for (tdp_iter_start(iter, root, zapLevel, {0}, 0); iter.valid; protocol_->tdp_iter_next(*this, iter)) {
        forget.but([&] { return iter.hash(); });
        for (Retry retry(sim_, iter.oldSpte);; retry.again(iter.oldSpte)) {
            if (tdp_mmu_iter_cond_resched(iter, false, shared))
                break;
            if (!spte::isPresent(iter.oldSpte) || iter.level > zapLevel)
                break;
            if (spte::isLeaf(iter.oldSpte, iter.level))
                sim_.count(Counter::Zap);
            if (!shared) {
                tdp_mmu_iter_set_spte(iter, spte::kNonpresent);
                break;
            }
            if (tdp_mmu_set_spte_atomic(iter, spte::kNonpresent) == 0)
                break;
        }
    }
    forget.all();
}

// Leaves first, then tables, so that no step is long; what is left hangs from the root's own entries.
void Kvm::tdp_mmu_zap_root(Pfn root, bool shared) {
    Call call(sim_, "tdp_mmu_zap_root");
    WARN_ON_ONCE(machine_->look(sp(root, kRootCount)) == 0, Assert::ZapRootUnreferenced);
    shared ? lockdep_assert_held(LockId::MmuLock) : lockdep_assert_held_write(LockId::MmuLock);
    const Level top = role::level(spGet(root, kRole));
    sim_.rcuReadLock();
    for (const Level zapLevel : {Level::k4K, Level::k2M, Level::k1G, top})
        if (zapLevel <= top)
            protocol_->tdp_mmu_zap_root_at(*this, root, shared, zapLevel);
    sim_.rcuReadUnlock();
}

bool Kvm::kvm_tdp_mmu_zap_sp(Pfn child) {
    Call call(sim_, "kvm_tdp_mmu_zap_sp");
    const u64 ptep = spGet(child, kPtep);
    if (WARN_ON_ONCE(ptep == 0, Assert::ZapSpOfRoot))
        return false;
    const Place sptep{ptep - 1};
    const u64 old = kvm_tdp_mmu_read_spte(sptep);
    if (WARN_ON_ONCE(!spte::isPresent(old), Assert::ZapSpAbsent))
        return false;
    tdp_mmu_set_spte(sptep, old, spte::kNonpresent, {spGet(child, kGfn)}, above(role::level(spGet(child, kRole))));
    return true;
}

// No vCPU is left.
void Kvm::kvm_mmu_uninit_tdp_mmu() {
    Call call(sim_, "kvm_mmu_uninit_tdp_mmu");
    kvm_tdp_mmu_invalidate_roots(KVM_VALID_ROOTS);
    protocol_->kvm_tdp_mmu_zap_invalidated_roots(*this, false);
    WARN_ON_ONCE(machine_->get(vm(VmWord::TablePages)) != 0, Assert::UninitPages);
    WARN_ON_ONCE(machine_->get(vm(VmWord::RootsHead)) != 0, Assert::UninitRoots);
    sim_.rcuBarrier();
}

} // namespace mirrorscope
