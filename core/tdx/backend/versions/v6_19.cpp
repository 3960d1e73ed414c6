// SPDX-License-Identifier: GPL-3.0-or-later
// Linux v6.19, the TDX overhaul (merge de8e8ebb1a7c): PAGE.ADD in the hook and populate without a made-up fault (6b5b71ffabf9,
// 3ab3283dbb2c), no pin (ce7b5695397b), "all the locks" (15945e9ec195), VP.INIT with mmu_lock held for writing (9a89894f30d5), a remove
// hook that bugs the VM by itself and returns nothing (7139c8606505), a failed MR.EXTEND that bugs the VM (ad44aa4c5d3f). v6.18: no retry
// for a slot that is about to go (2bc2694fe20b).
#include "kvm/protocol.h"
#include "tdx/backend/protocol.h"

namespace mirrorscope {

namespace {
// tdx_vm_state_guard: who runs, makes a vCPU or changes slots is kept out. vcpu->mutex is taken outside of slots_lock.
void allTheLocks(TdxBackend& backend, std::optional<unsigned>) {
    Sim& sim = backend.kvm().sim();
    sim.writeLock(LockId::KvmLock);
    for (unsigned vcpu = 0; vcpu < backend.kvm().config().vcpus; ++vcpu)
        sim.vcpuLock(vcpu);
    sim.writeLock(LockId::SlotsLock);
}

void noneOfTheLocks(TdxBackend& backend, std::optional<unsigned>) {
    Sim& sim = backend.kvm().sim();
    sim.writeUnlock(LockId::SlotsLock);
    for (unsigned vcpu = backend.kvm().config().vcpus; vcpu-- > 0;)
        sim.vcpuUnlock(vcpu);
    sim.writeUnlock(LockId::KvmLock);
}

void heldAlready(TdxBackend&) {}
void notPinned(TdxBackend&, Pfn) {}

// The caches are filled once; slots_lock and the file's invalidate lock keep everybody off who could make the page another one.
int kvm_tdp_mmu_map_private_pfn(Kvm& kvm, unsigned vcpu, Gfn gfn, Pfn pfn) {
    Call call(kvm.sim(), "kvm_tdp_mmu_map_private_pfn");
    kvm.lockdep_assert_held(LockId::SlotsLock);
    if (const int r = kvm.protocol().kvm_mmu_reload(kvm, vcpu); r != 0)
        return r;
    if (const int r = kvm.mmu_topup_memory_caches(vcpu); r != 0)
        return r;
    KvmPageFault fault;
    fault.vcpu = vcpu;
    fault.addr = gfn.v << 12;
    fault.gfn = gfn;
    fault.prefetch = true;
    fault.isPrivate = true;
    fault.slot = kvm.slotOf(gfn);
    fault.memslot = kvm.slot(fault.slot);
    fault.pfn = pfn;
    fault.mapWritable = true;
    fault.maxLevel = fault.reqLevel = fault.goalLevel = Level::k4K;
    int r = RET_PF_RETRY;
    for (Retry retry(kvm.sim());; retry.again()) {
        if (vmDeadPending(kvm, vcpu))
            return -kEIO;
        if (kvm.protocol().tops_up_each_try)
            if (const int topped = kvm.mmu_topup_memory_caches(vcpu); topped != 0)
                return topped;
        kvm.sim().readLock(LockId::MmuLock);
        r = kvm.protocol().kvm_tdp_mmu_map(kvm, fault);
        kvm.sim().readUnlock(LockId::MmuLock);
        if (r != RET_PF_RETRY)
            break;
    }
    return r == RET_PF_FIXED ? 0 : -kEIO;
}

int populateByPfn(TdxBackend& backend, Gfn gfn, Pfn source) {
    Kvm& kvm = backend.kvm();
    backend.set(TdxBackend::Word::PremapGfn, 0); // the mirror is never ahead
    const Memslot slot = kvm.slot(kvm.slotOf(gfn));
    const auto page = kvm.gmemFolio(slot, gfn);
    if (!page)
        return -kENOMEM;
    backend.set(TdxBackend::Word::PageAddSource, source.v);
    const int r = kvm_tdp_mmu_map_private_pfn(kvm, 0, gfn, *page);
    backend.set(TdxBackend::Word::PageAddSource, 0);
    if (r == 0)
        kvm.markPrepared(slot, gfn);
    return r;
}

// tdh_do_no_vcpus(); before the TD runs there is nothing that was counted instead of added.
int block(TdxBackend& backend, Gfn gfn, Level level, Pfn) {
    Regs regs{.rcx = TdxBackend::gpaLevel(gfn, level), .rdx = backend.tdrHpa()};
    const u64 status = backend.callWithKick(Leaf::MemRangeBlock, regs);
    return status == tdx::kSuccess ? 1 : backend.bug(Leaf::MemRangeBlock, status, kEIO);
}

// tdx_quirk_reset_paddr()
void resetPage(TdxBackend& backend, Pfn pfn, Level level) {
    backend.kvm().sim().step(Site::PageFree);
    for (u64 i = 0; i < pagesPer(level); ++i)
        backend.kvm().machine().fill({pfn.v + i}, 0);
}

int remove(TdxBackend& backend, Gfn gfn, Level level, Pfn pfn) {
    Call call(backend.kvm().sim(), "tdx_sept_remove_private_spte");
    backend.block_track_remove(gfn, level, pfn); // it has bugged the VM where it failed, and the hook has nothing to return
    return 0;
}

// The update of the slot waits for this SRCU reader; the guest is entered, and asks again.
bool retriesUnlessSlotGoes(TdxBackend& backend, unsigned, u64 gpa) { return !slotGoes(backend.kvm(), {gpa >> 12}); }

int extendBugs(TdxBackend& backend, u64 status) { return backend.bug(Leaf::MrExtend, status, kEIO); }

// It may need the TDR for itself, which a hole that is punched meanwhile needs to share, and may not fail.
u64 initVpAlone(TdxBackend& backend, Regs& regs) {
    Sim& sim = backend.kvm().sim();
    sim.writeLock(LockId::MmuLock);
    const u64 status = backend.seamcall(Leaf::VpInit, regs);
    sim.writeUnlock(LockId::MmuLock);
    return status;
}
} // namespace

void apply6_19(TdxProtocol& protocol) {
    protocol.add_or_record = addInTheHook;
    protocol.populate_one = populateByPfn;
    protocol.lock_state = allTheLocks;
    protocol.unlock_state = noneOfTheLocks;
    protocol.lock_slots = heldAlready;
    protocol.unlock_slots = heldAlready;
    protocol.pin = notPinned;
    protocol.unpin = notPinned;
    protocol.tdx_sept_zap_private_spte = block;
    protocol.tdx_clear_and_unpin = resetPage;
    protocol.tdx_sept_remove_private_spte = remove;
    protocol.retries_locally = retriesUnlessSlotGoes;
    protocol.extend_failed = extendBugs;
    protocol.init_vp = initVpAlone;
}

} // namespace mirrorscope
