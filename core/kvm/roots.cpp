// SPDX-License-Identifier: GPL-3.0-or-later
// Roots: which there are, who holds them, and which one a fault or a range goes to (Linux v6.16 tdp_mmu.c, mmu.c).
//
// kvm->arch.tdp_mmu_roots is a list, the newest first. It is changed under tdp_mmu_pages_lock and read under mmu_lock or RCU, so that a
// root whose last reference went may still be met on it.
#include "kvm/protocol.h"

#include <stdexcept>

namespace mirrorscope {

u64 Kvm::kvm_gfn_root_bits(Pfn root) const { return role::isMirror(spGet(root, kRole)) ? 0 : config_.directBits(); }

unsigned Kvm::kvm_gfn_range_filter_to_root_types(unsigned filter) const {
    if (!kvm_has_mirrored_tdp())
        return KVM_DIRECT_ROOTS;
    unsigned types = 0;
    if ((filter & KVM_FILTER_PRIVATE) != 0)
        types |= KVM_MIRROR_ROOTS;
    if ((filter & KVM_FILTER_SHARED) != 0)
        types |= KVM_DIRECT_ROOTS;
    return types;
}

bool Kvm::tdp_mmu_root_match(Pfn root, unsigned types) {
    if (WARN_ON_ONCE((types & KVM_VALID_ROOTS) == 0, Assert::RootTypes))
        return false;
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

// refcount_inc_not_zero(). That a reference is there is all that is seen: counting up commutes with counting up.
bool Kvm::kvm_tdp_mmu_get_root(Pfn root) {
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
    sim_.step(Site::RootPut);
    const Place references = sp(root, kRootCount);
    // A valid root keeps the TDP MMU's own reference: counting down commutes, too.
    if (!role::isInvalid(spGet(root, kRole)) && machine_->look(references) > 1) {
        machine_->add(references, u64(-1));
        return;
    }
    const u64 count = machine_->get(references) - 1;
    machine_->set(references, count);
    if (count != 0)
        return;
    KVM_BUG_ON(!role::isInvalid(spGet(root, kRole)), Assert::PutValidRoot);
    sim_.writeLock(LockId::TdpMmuPagesLock);
    sim_.step(Site::RootList);
    unlistRoot(root);
    sim_.writeUnlock(LockId::TdpMmuPagesLock);
    sim_.callRcu(root.v);
}

Pfn Kvm::tdp_mmu_next_root(Pfn previous, unsigned types) {
    lockdep_assert_held(LockId::MmuLock);
    sim_.rcuReadLock();
    Pfn next = previous;
    do {
        sim_.step(Site::RootGet);
        next = {next.v == 0 ? machine_->get(vm(VmWord::RootsHead)) : spGet(next, kNextRoot)};
    } while (next.v != 0 && !(tdp_mmu_root_match(next, types) && kvm_tdp_mmu_get_root(next)));
    sim_.rcuReadUnlock();
    if (previous.v != 0)
        kvm_tdp_mmu_put_root(previous);
    return next;
}

void Kvm::listRoot(Pfn root) {
    if (machine_->peek(vm(VmWord::RootCount)) == maxRoots())
        throw std::logic_error("more roots than vCPUs and actors can hold");
    spSet(root, kNextRoot, machine_->get(vm(VmWord::RootsHead)));
    machine_->set(vm(VmWord::RootsHead), root.v);
    machine_->set(vm(VmWord::RootCount), machine_->peek(vm(VmWord::RootCount)) + 1);
}

// list_del_rcu(): who stands at the root still finds the next one.
void Kvm::unlistRoot(Pfn root) {
    Place link = vm(VmWord::RootsHead);
    while (machine_->get(link) != root.v)
        link = sp({machine_->get(link)}, kNextRoot);
    machine_->set(link, spGet(root, kNextRoot));
    machine_->set(vm(VmWord::RootCount), machine_->peek(vm(VmWord::RootCount)) - 1);
}

void Kvm::kvm_tdp_mmu_alloc_root(unsigned vcpu, bool mirror) {
    Call call(sim_, "kvm_tdp_mmu_alloc_root");
    const u64 word = role::kBase | config_.levels | (mirror ? role::kMirror : 0) | (config_.adBits ? 0 : role::kAdDisabled) |
                     (inSmmMode(vcpu) ? role::kSmm : 0);
    sim_.readLock(LockId::MmuLock);
    Pfn root = tdp_mmu_next_root({0}, KVM_VALID_ROOTS);
    while (root.v != 0 && spGet(root, kRole) != word)
        root = tdp_mmu_next_root(root, KVM_VALID_ROOTS);
    if (root.v == 0) {
        sim_.writeLock(LockId::TdpMmuPagesLock);
        sim_.step(Site::RootList);
        // Somebody may have been faster.
        for (root = {machine_->get(vm(VmWord::RootsHead))}; root.v != 0; root = {spGet(root, kNextRoot)})
            if (spGet(root, kRole) == word && !WARN_ON_ONCE(!kvm_tdp_mmu_get_root(root), Assert::ListedRootDead))
                break;
        if (root.v == 0) {
            root = tdp_mmu_alloc_sp(vcpu);
            spSet(root, kRole, word);
            spSet(root, kRootCount, 2); // the vCPU's and the TDP MMU's own
            listRoot(root);
        }
        sim_.writeUnlock(LockId::TdpMmuPagesLock);
    }
    sim_.readUnlock(LockId::MmuLock);
    machine_->set(vcpuWord(vcpu, mirror ? VcpuWord::MirrorRootHpa : VcpuWord::RootHpa), root.v);
    if (!mirror)
        machine_->set(vcpuWord(vcpu, VcpuWord::FlushOwed), !tlbs_[vcpu].empty());
}

int Kvm::kvm_mmu_load(unsigned vcpu) {
    Call call(sim_, "kvm_mmu_load");
    if (const int r = mmu_topup_memory_caches(vcpu); r != 0)
        return r;
    if (kvm_has_mirrored_tdp() && machine_->get(vcpuWord(vcpu, VcpuWord::MirrorRootHpa)) == 0)
        kvm_tdp_mmu_alloc_root(vcpu, true);
    kvm_tdp_mmu_alloc_root(vcpu, false);
    // kvm_mmu_load_pgd(), then a flush of the current context: what was cached of an older root goes.
    if (!tlbs_[vcpu].empty()) {
        sim_.step(Site::TlbFlush);
        vcpuOps_->flushCurrent(vcpu);
        sim_.count(Counter::TlbFlush);
    }
    machine_->set(vcpuWord(vcpu, VcpuWord::FlushOwed), 0);
    return 0;
}

// A request to free obsolete roots that was not served yet is served first (20a6cff3b283, v6.15).
int Kvm::kvm_mmu_reload(unsigned vcpu) {
    if (kvm_check_request(vcpu, kReqFreeObsoleteRoots))
        kvm_mmu_free_obsolete_roots(vcpu);
    return has_root(vcpu) ? 0 : kvm_mmu_load(vcpu);
}

bool Kvm::is_obsolete_root(unsigned vcpu) const {
    const Pfn root{machine_->get(vcpuWord(vcpu, VcpuWord::RootHpa))};
    return root.v != 0 && role::isInvalid(spGet(root, kRole));
}

void Kvm::kvm_mmu_free_root(unsigned vcpu, VcpuWord which) {
    const Place place = vcpuWord(vcpu, which);
    const Pfn root{machine_->get(place)};
    if (root.v == 0)
        return;
    if (which == VcpuWord::RootHpa) // what was cached through it is flushed when another one is loaded
        machine_->set(vcpuWord(vcpu, VcpuWord::FlushOwed), 1);
    sim_.readLock(LockId::MmuLock);
    machine_->set(place, 0);
    kvm_tdp_mmu_put_root(root);
    sim_.readUnlock(LockId::MmuLock);
}

// The mirror root is kept.
void Kvm::kvm_mmu_free_obsolete_roots(unsigned vcpu) {
    if (!protocol_->is_obsolete_root(*this, vcpu))
        return;
    Call call(sim_, "kvm_mmu_free_obsolete_roots");
    kvm_mmu_free_root(vcpu, VcpuWord::RootHpa);
}

// kvm_mmu_reset_context(): the root is given back, and the next one that is loaded is one of the new address space.
void Kvm::kvm_smm_changed(unsigned vcpu, bool entering) {
    Call call(sim_, "kvm_smm_changed");
    sim_.step(Site::VmState);
    machine_->set(vcpuWord(vcpu, VcpuWord::Smm), entering);
    kvm_mmu_free_root(vcpu, VcpuWord::RootHpa);
}

void Kvm::kvm_mmu_destroy() {
    Call call(sim_, "kvm_mmu_destroy");
    for (unsigned v = 0; v < config_.vcpus; ++v) {
        for (const auto root : {VcpuWord::RootHpa, VcpuWord::MirrorRootHpa})
            kvm_mmu_free_root(v, root);
        for (const auto cache : {VcpuWord::ShadowCache, VcpuWord::ExternalCache})
            for (const Place count = vcpuWord(v, cache); machine_->get(count) != 0;) {
                const u64 n = machine_->get(count);
                const Pfn page{machine_->get(count + n)};
                free_page(page);
                machine_->set(count + n, 0);
                machine_->set(count, n - 1);
            }
        tlbs_[v].flush();
    }
    sim_.step(Site::VmState);
    machine_->set(vm(VmWord::Destroyed), 1);
}

} // namespace mirrorscope
