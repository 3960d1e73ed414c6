// SPDX-License-Identifier: GPL-3.0-or-later
// Roots: which there are, who holds them, and which one a fault or a range goes to.
#include "kvm/kvm.h"

#include <cassert>

namespace mirrorscope {

u64 Kvm::kvm_gfn_root_bits(Pfn root) const { return role::isMirror(spGet(root, kRole)) ? 0 : config_.directBits(); }

unsigned Kvm::kvm_gfn_range_filter_to_root_types(unsigned filter) const {
    if (!kvm_has_mirrored_tdp())
        return KVM_DIRECT_ROOTS;
    if (config_.broken(Break::IgnoreRootFilter))
        return KVM_VALID_ROOTS;
    unsigned types = 0;
    if ((filter & KVM_FILTER_PRIVATE) != 0)
        types |= KVM_MIRROR_ROOTS;
    if ((filter & KVM_FILTER_SHARED) != 0)
        types |= KVM_DIRECT_ROOTS;
    return types;
}

bool Kvm::tdp_mmu_root_match(Pfn root, unsigned types) const {
    const u64 word = spGet(root, kRole);
    if (role::isInvalid(word) && (types & KVM_INVALID_ROOTS) == 0)
        return false;
    return (types & (role::isMirror(word) ? KVM_MIRROR_ROOTS : KVM_DIRECT_ROOTS)) != 0;
}

// By the address, not by whether the memory is private (v6.16 mmu.h: tdp_mmu_get_root_for_fault()).
Pfn Kvm::tdp_mmu_get_root_for_fault(const KvmPageFault& fault) {
    const u64 direct = config_.directBits();
    const bool mirror = direct != 0 && (fault.addr >> 12 & direct) == 0;
    return {machine_->get(vcpuWord(fault.vcpu, mirror ? VcpuWord::MirrorRootHpa : VcpuWord::RootHpa))};
}

int Kvm::mmu_topup_memory_caches(unsigned vcpu) {
    Call call(sim_, "mmu_topup_memory_caches");
    const auto topUp = [&](VcpuWord cache, bool table) {
        const Place count = vcpuWord(vcpu, cache);
        while (machine_->get(count) < kCachePages) {
            const auto page = alloc_page(FrameKind::Cache, vcpu);
            if (!page)
                return -kENOMEM;
            if (table)
                machine_->fill(*page, spte::kNonpresent);
            const u64 n = machine_->get(count) + 1;
            machine_->set(count + n, page->v);
            machine_->set(count, n);
        }
        return 0;
    };
    if (external_ != nullptr)
        if (const int r = topUp(VcpuWord::ExternalCache, false); r != 0)
            return r;
    return topUp(VcpuWord::ShadowCache, true);
}

Pfn Kvm::takeFromCache(unsigned vcpu, VcpuWord cache, FrameKind kind, u64 info) {
    const Place count = vcpuWord(vcpu, cache);
    const u64 n = machine_->get(count);
    assert(n > 0);
    const Pfn page{machine_->get(count + n)};
    machine_->set(count + n, 0);
    machine_->set(count, n - 1);
    frames_.setKind(page, kind, info);
    return page;
}

Pfn Kvm::tdp_mmu_alloc_sp(unsigned vcpu) { return takeFromCache(vcpu, VcpuWord::ShadowCache, FrameKind::Table, 0); }

Pfn Kvm::kvm_tdp_mmu_alloc_root(unsigned vcpu, bool mirror) {
    Call call(sim_, "kvm_tdp_mmu_alloc_root");
    const u64 word = role::kBase | config_.levels | (mirror ? role::kMirror : 0) | (config_.adBits ? 0 : role::kAdDisabled);
    const auto reuse = [&]() -> Pfn {
        for (unsigned i = 0; i < kMaxRoots; ++i) {
            const Pfn root{machine_->get(roots_ + i)};
            if (root.v != 0 && spGet(root, kRole) == word && tdp_mmu_get_root(root))
                return root;
        }
        return {0};
    };
    sim_.readLock(LockId::MmuLock);
    Pfn root = reuse();
    if (root.v == 0) {
        sim_.writeLock(LockId::TdpMmuPagesLock);
        root = reuse();
        if (root.v == 0) {
            root = tdp_mmu_alloc_sp(vcpu);
            spSet(root, kRole, word);
            spSet(root, kRootCount, 2); // the vCPU's and the TDP MMU's own
            for (unsigned i = 0; i < kMaxRoots; ++i)
                if (machine_->get(roots_ + i) == 0) {
                    machine_->set(roots_ + i, root.v);
                    break;
                }
        }
        sim_.writeUnlock(LockId::TdpMmuPagesLock);
    }
    machine_->set(vcpuWord(vcpu, mirror ? VcpuWord::MirrorRootHpa : VcpuWord::RootHpa), root.v);
    if (!mirror && tlbs_[vcpu].size() != 0)
        machine_->set(vcpuWord(vcpu, VcpuWord::FlushOwed), 1);
    sim_.readUnlock(LockId::MmuLock);
    return root;
}

int Kvm::kvm_mmu_load(unsigned vcpu) {
    if (machine_->get(vcpuWord(vcpu, VcpuWord::RootHpa)) != 0)
        return 0;
    Call call(sim_, "kvm_mmu_load");
    if (const int r = mmu_topup_memory_caches(vcpu); r != 0)
        return r;
    if (kvm_has_mirrored_tdp() && machine_->get(vcpuWord(vcpu, VcpuWord::MirrorRootHpa)) == 0)
        kvm_tdp_mmu_alloc_root(vcpu, true);
    kvm_tdp_mmu_alloc_root(vcpu, false);
    // kvm_mmu_load_pgd(), then a flush of the current context: what was cached of an older root goes.
    if (tlbs_[vcpu].size() != 0) {
        sim_.step(Site::TlbFlush);
        vcpuOps_->flushCurrent(vcpu);
        machine_->set(vcpuWord(vcpu, VcpuWord::FlushOwed), 0);
        sim_.count(Counter::TlbFlush);
    }
    return 0;
}

bool Kvm::tdp_mmu_get_root(Pfn root) {
    const Place count = sp(root, kRootCount);
    const bool alive = machine_->look(count) != 0;
    machine_->note(alive);
    if (alive)
        machine_->add(count, 1);
    else
        machine_->get(count);
    return alive;
}

void Kvm::kvm_tdp_mmu_put_root(Pfn root) {
    const u64 count = spGet(root, kRootCount) - 1;
    spSet(root, kRootCount, count);
    if (count != 0)
        return;
    for (unsigned i = 0; i < kMaxRoots; ++i)
        if (machine_->get(roots_ + i) == root.v)
            machine_->set(roots_ + i, 0);
    sim_.callRcu(root.v);
}

void Kvm::kvm_mmu_destroy() {
    Call call(sim_, "kvm_mmu_destroy");
    for (unsigned v = 0; v < config_.vcpus; ++v) {
        for (const auto cache : {VcpuWord::ShadowCache, VcpuWord::ExternalCache})
            for (const Place count = vcpuWord(v, cache); machine_->get(count) != 0;) {
                const u64 n = machine_->get(count);
                const Pfn page{machine_->get(count + n)};
                free_page(page);
                machine_->set(count + n, 0);
                machine_->set(count, n - 1);
            }
        for (const auto root : {VcpuWord::RootHpa, VcpuWord::MirrorRootHpa}) {
            const Place place = vcpuWord(v, root);
            if (const u64 pfn = machine_->get(place); pfn != 0) {
                machine_->set(place, 0);
                kvm_tdp_mmu_put_root({pfn});
            }
        }
        tlbs_[v].flush();
    }
    sim_.step(Site::VmState);
    machine_->set(vm(VmWord::Destroyed), 1);
}

} // namespace mirrorscope
