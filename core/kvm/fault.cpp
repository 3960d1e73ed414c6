// SPDX-License-Identifier: GPL-3.0-or-later
// From an EPT violation, or a prefetch, to RET_PF_* (Linux v6.16 mmu.c: kvm_mmu_page_fault() and what it calls).
#include "base/hash.h"
#include "kvm/protocol.h"

namespace mirrorscope {

int Kvm::kvm_mmu_page_fault(unsigned vcpu, u64 addr, Access access, bool isPrivate, bool present, KvmRun& run) {
    Call call(sim_, "kvm_mmu_page_fault");
    if (WARN_ON_ONCE(!has_root(vcpu), Assert::FaultNoRoot))
        return RET_PF_RETRY;
    // For this kind of VM the attributes are the truth, so no access can disagree with them.
    if (config_.vm == VmType::SwProtected) {
        sim_.step(Site::AttrRead);
        isPrivate = kvm_mem_is_private({addr >> 12});
    }
    sim_.count(Counter::PfTaken);
    const int r = kvm_mmu_do_page_fault(vcpu, addr, access, isPrivate, present, false, run);
    if (KVM_BUG_ON(r == RET_PF_INVALID, Assert::FaultInvalid))
        return -kEIO;
    WARN_ON_ONCE(r == RET_PF_CONTINUE, Assert::FaultContinue);
    switch (r) {
    case RET_PF_RETRY: sim_.count(Counter::Retry); break;
    case RET_PF_FIXED: sim_.count(Counter::PfFixed); break;
    case RET_PF_EMULATE: sim_.count(Counter::PfEmulate); break;
    case RET_PF_SPURIOUS: sim_.count(Counter::PfSpurious); break;
    default: break;
    }
    return r;
}

bool Kvm::isCurrentMmio(u64 spte) const {
    const u64 generation = machine_->get(vm(VmWord::SlotsGeneration));
    return masks().isMmio(spte) && (generation & kSlotsUpdateInProgress) == 0 && get_mmio_spte_generation(spte) == (generation & 0x7ffff);
}

int Kvm::kvm_mmu_do_page_fault(unsigned vcpu, u64 addr, Access access, bool isPrivate, bool present, bool prefetch, KvmRun& run,
                               Level* level) {
    Call call(sim_, "kvm_mmu_do_page_fault");
    Forget forget(sim_);
    KvmPageFault fault;
    fault.vcpu = vcpu;
    fault.addr = addr;
    fault.gfn = {(addr >> 12) & ~config_.directBits()};
    fault.exec = access == Access::Exec;
    fault.write = access == Access::Write;
    fault.present = present;
    fault.prefetch = prefetch;
    fault.isPrivate = isPrivate;
    sim_.step(Site::SlotRead);
    {
        Forget looking(sim_);
        fault.slot = slotOf(fault.gfn);
        if (fault.slot >= 0)
            fault.memslot = slot(fault.slot);
        looking.but([&] { return fault.hash(); });
    }
    sim_.count(Counter::Fault);
    int r = kvm_tdp_mmu_page_fault(fault);
    if (r == RET_PF_EMULATE && fault.isPrivate) {
        kvm_mmu_prepare_memory_fault_exit(fault);
        r = -kEFAULT;
    }
    run = fault.run;
    if (level != nullptr)
        *level = fault.goalLevel;
    const auto alias = config_.directBits() != 0 ? ((addr >> 12 & config_.directBits()) != 0) : !isPrivate;
    sim_.mark({.kind = MarkKind::Fault,
               .code = static_cast<u8>(access),
               .a = {gpaOf(fault.gfn), alias, static_cast<u64>(static_cast<std::int64_t>(r)), vcpu, prefetch, isSmm(fault.gfn)}});
    forget.but([&] { return mixAll({static_cast<u64>(r), run.hash(), number(fault.goalLevel)}); });
    return r;
}

// Of the page that was asked for, whatever size a mapping would have had.
void Kvm::kvm_mmu_prepare_memory_fault_exit(KvmPageFault& fault) {
    constexpr u64 kPrivate = 8; // KVM_MEMORY_EXIT_FLAG_PRIVATE
    fault.run = {KvmExit::MemoryFault, {}};
    fault.run.details.put(Field::Flags, fault.isPrivate ? kPrivate : 0);
    fault.run.details.put(Field::Gpa, gpaOf(fault.gfn));
    fault.run.details.put(Field::Size, 4096);
}

int Kvm::kvm_tdp_mmu_page_fault(KvmPageFault& fault) {
    Call call(sim_, "kvm_tdp_mmu_page_fault");
    int r = fast_page_fault(fault);
    if (r != RET_PF_INVALID)
        return r;
    if (r = mmu_topup_memory_caches(fault.vcpu); r != 0)
        return r;
    bool isStale;
    {
        Forget forget(sim_);
        if (r = protocol_->kvm_mmu_faultin_pfn(*this, fault); r != RET_PF_CONTINUE)
            return r;
        forget.but([&] { return fault.hash(); });
        sim_.readLock(LockId::MmuLock);
        isStale = is_page_fault_stale(fault);
        fault.mmuSeq = 0; // nobody asks for it any more
        forget.but([&] { return mix(fault.hash(), isStale); });
    }
    r = RET_PF_RETRY;
    const Pfn page = fault.pfn; // a huge mapping rounds it down
    if (!isStale)
        r = protocol_->kvm_tdp_mmu_map(*this, fault);
    fault.pfn = page;
    kvm_mmu_finish_page_fault(fault);
    sim_.readUnlock(LockId::MmuLock);
    return r;
}

void Kvm::kvm_mmu_finish_page_fault(KvmPageFault& fault) {
    if (fault.slot >= 0 && !gmemHasAll(fault.memslot)) // whose page was put when it was found
        put_page(fault.pfn);
}

bool Kvm::is_page_fault_stale(const KvmPageFault& fault) {
    KVM_BUG_ON(!has_root(fault.vcpu), Assert::StaleNoRoot);
    if (protocol_->is_obsolete_root(*this, fault.vcpu))
        return true;
    sim_.step(Site::SeqRead);
    return fault.slot >= 0 && protocol_->mmu_invalidate_retry_gfn(*this, fault.mmuSeq, fault.gfn);
}

// KVM_PRE_FAULT_MEMORY and the TD's image go through here.
int Kvm::kvm_tdp_map_page(unsigned vcpu, u64 addr, bool isPrivate, Level* level) {
    Call call(sim_, "kvm_tdp_map_page");
    int r = RET_PF_RETRY;
    for (Retry retry(sim_);; retry.again()) {
        if (kvm_check_request(vcpu, kReqVmDead))
            return -kEIO;
        KvmRun run;
        r = kvm_mmu_do_page_fault(vcpu, addr, Access::Read, isPrivate, false, true, run, level);
        if (r != RET_PF_RETRY)
            break;
        if (const int error = protocol_->may_repeat_map_page(*this, vcpu, addr); error != 0)
            return error;
    }
    if (r < 0)
        return r;
    if (r == RET_PF_EMULATE)
        return -kENOENT;
    return WARN_ON_ONCE(r != RET_PF_FIXED && r != RET_PF_SPURIOUS && r != RET_PF_WRITE_PROTECTED, Assert::PrefaultUnfixed) ? -kEIO : 0;
}

Outcome Kvm::kvm_vcpu_pre_fault_memory(unsigned vcpu, u64 gpa, u64 size, bool sharedBit) {
    Call call(sim_, "kvm_vcpu_pre_fault_memory");
    if (((gpa | size) & 0xfff) != 0 || gpa + size <= gpa) {
        Outcome refused = failedWith(kEINVAL);
        refused.details.put(Field::Gpa, gpa);
        refused.details.put(Field::Size, size);
        return refused;
    }
    sim_.vcpuLock(vcpu);
    sim_.srcuReadLock();
    int result = 0;
    u64 mapped = 0;
    const auto one = [&] {
        if (machine_->get(vm(VmWord::PreFaultAllowed)) == 0)
            return -kEOPNOTSUPP;
        const Gfn gfn = inSmm(gfnOfAddress(gpa + mapped), inSmmMode(vcpu)); // whatever mode it was left in
        // User space names no alias: the attribute says which it is. An address with the shared bit is refused.
        if (config_.directBits() != 0 && (sharedBit || (gfn.v & config_.directBits()) != 0))
            return -kEINVAL;
        if (const int r = protocol_->kvm_mmu_reload(*this, vcpu); r != 0)
            return r;
        bool isPrivate = false;
        if (config_.hasPrivateMem()) {
            sim_.step(Site::AttrRead);
            isPrivate = kvm_mem_is_private(gfn);
        }
        const u64 addr = isPrivate ? gfn.v << 12 : (gfn.v | config_.directBits()) << 12;
        Level level = Level::k4K;
        const int r = kvm_tdp_map_page(vcpu, addr, isPrivate, &level);
        if (r == 0)
            mapped = (((gpa + mapped) / bytesPer(level) + 1) * bytesPer(level)) - gpa;
        return r;
    };
    while (mapped < size && result == 0) {
        result = one();
        WARN_ON_ONCE(result == -kEIO, Assert::PreFaultEio);
    }
    sim_.srcuReadUnlock();
    sim_.vcpuUnlock(vcpu);
    // What is left of the range is written back, done or not.
    const u64 done = std::min(mapped, size);
    Outcome outcome = mapped != 0 ? Outcome{Outcome::Kind::Ok, 0, done} : failedWith(-result);
    outcome.details.put(Field::Gpa, gpa + done);
    outcome.details.put(Field::Size, size - done);
    return outcome;
}

} // namespace mirrorscope
