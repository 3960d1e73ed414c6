// SPDX-License-Identifier: GPL-3.0-or-later
// From an EPT violation to RET_PF_* (Linux v6.16 mmu.c: kvm_mmu_page_fault() and what it calls).
#include "kvm/kvm.h"

namespace mirrorscope {

int Kvm::kvm_mmu_page_fault(unsigned vcpu, u64 addr, Access access, bool isPrivate, bool present, KvmExit& exit) {
    Call call(sim_, "kvm_mmu_page_fault");
    // For this kind of VM the attributes are the truth, so no access can disagree with them.
    if (config_.vm == VmType::SwProtected)
        isPrivate = kvm_mem_is_private({addr >> 12});
    const int r = kvm_mmu_do_page_fault(vcpu, addr, access, isPrivate, present, false, exit);
    if (r == RET_PF_RETRY)
        sim_.count(Counter::Retry);
    return r;
}

bool Kvm::isCurrentMmio(u64 spte) const {
    const u64 generation = peekVm(VmWord::SlotsGeneration);
    return masks_.isMmio(spte) && (generation & kSlotsUpdateInProgress) == 0 && get_mmio_spte_generation(spte) == (generation & 0x7ffff);
}

int Kvm::kvm_mmu_do_page_fault(unsigned vcpu, u64 addr, Access access, bool isPrivate, bool present, bool prefetch, KvmExit& exit,
                               Level* level) {
    Call call(sim_, "kvm_mmu_do_page_fault");
    KvmPageFault fault;
    fault.vcpu = vcpu;
    fault.addr = addr;
    fault.gfn = {(addr >> 12) & ~config_.directBits()};
    fault.exec = access == Access::Exec;
    fault.write = access == Access::Write;
    fault.present = present;
    fault.prefetch = prefetch;
    fault.isPrivate = isPrivate;
    fault.slot = slotOf(fault.gfn);
    if (fault.slot >= 0)
        fault.memslot = slot(fault.slot);
    sim_.count(Counter::Fault);
    int r = kvm_tdp_mmu_page_fault(fault);
    if (r == RET_PF_EMULATE && fault.isPrivate) {
        prepareMemoryFault(fault);
        r = -kEFAULT;
    }
    exit = fault.exit;
    if (level != nullptr)
        *level = fault.goalLevel;
    const auto alias = config_.directBits() != 0 ? ((addr >> 12 & config_.directBits()) != 0) : !isPrivate;
    sim_.mark({.kind = MarkKind::Fault,
               .code = static_cast<u8>(access),
               .a = {fault.gfn.v << 12, alias, static_cast<u64>(static_cast<std::int64_t>(r)), vcpu, prefetch, 0}});
    return r;
}

void Kvm::prepareMemoryFault(KvmPageFault& fault) { fault.exit = KvmExit::MemoryFault; }

int Kvm::kvm_tdp_mmu_page_fault(KvmPageFault& fault) {
    Call call(sim_, "kvm_tdp_mmu_page_fault");
    int r = fast_page_fault(fault);
    if (r != RET_PF_INVALID)
        return r;
    if (r = mmu_topup_memory_caches(fault.vcpu); r != 0)
        return r;
    if (r = kvm_mmu_faultin_pfn(fault); r != RET_PF_CONTINUE)
        return r;
    r = RET_PF_RETRY;
    const Pfn page = fault.pfn; // a huge mapping rounds it down
    sim_.readLock(LockId::MmuLock);
    if (!is_page_fault_stale(fault))
        r = kvm_tdp_mmu_map(fault);
    if (fault.slot >= 0)
        put_page(page); // kvm_mmu_finish_page_fault()
    sim_.readUnlock(LockId::MmuLock);
    return r;
}

bool Kvm::is_page_fault_stale(const KvmPageFault& fault) {
    if (rootIsObsolete(fault.vcpu) && !config_.broken(Break::KeepInvalidRoot))
        return true;
    if (fault.slot < 0 || config_.broken(Break::IgnoreInvalidateSeq))
        return false;
    sim_.step(Site::SeqRead);
    return mmu_invalidate_retry_gfn(fault.mmuSeq, fault.gfn, true);
}

int Kvm::kvm_mmu_faultin_pfn(KvmPageFault& fault) {
    Call call(sim_, "kvm_mmu_faultin_pfn");
    sim_.step(Site::SeqRead);
    fault.mmuSeq = machine_->get(vm(VmWord::InvalidateSeq));
    if (config_.hasPrivateMem() && fault.isPrivate != kvm_mem_is_private(fault.gfn)) {
        prepareMemoryFault(fault);
        return -kEFAULT;
    }
    if (fault.slot < 0)
        return kvm_handle_noslot_fault(fault);
    const Memslot& memslot = fault.memslot;
    if (memslot.invalid)
        return RET_PF_RETRY;
    const bool check = !config_.broken(Break::IgnoreInvalidateSeq);
    if (check && mmu_invalidate_retry_gfn(fault.mmuSeq, fault.gfn, false))
        return RET_PF_RETRY;

    if (fault.isPrivate) {
        if (!memslot.guestMemfd) {
            prepareMemoryFault(fault);
            return -kEFAULT;
        }
        if (const int r = kvm_gmem_get_pfn(memslot, fault.gfn, fault.pfn); r != 0) {
            prepareMemoryFault(fault);
            return r;
        }
        fault.mapWritable = !memslot.readonly;
        fault.maxLevel = Level::k4K; // guest_memfd has pages of order 0
    } else if (const int r = hostFaultin(memslot, fault); r != 0) {
        return r;
    }
    if (check) {
        sim_.step(Site::SeqRead);
        if (mmu_invalidate_retry_gfn(fault.mmuSeq, fault.gfn, false)) {
            put_page(fault.pfn);
            return RET_PF_RETRY;
        }
    }
    return RET_PF_CONTINUE;
}

int Kvm::kvm_handle_noslot_fault(KvmPageFault& fault) {
    if (fault.isPrivate) {
        prepareMemoryFault(fault);
        return -kEFAULT;
    }
    return RET_PF_CONTINUE; // an MMIO SPTE will be made
}

// Frames for a host page of that size, the first of whose words of the host's mapping is `first`.
std::optional<Pfn> Kvm::allocHostPages(Place first, Level level) {
    const u64 info = first.v - host_.v;
    if (level == Level::k4K)
        return frames_.allocate(FrameKind::HostPage, info, sim_.actor());
    const auto run = frames_.allocateRun(FrameKind::HostPage, 0, pagesPer(level));
    for (u64 i = 0; run && i < pagesPer(level); ++i)
        frames_.setKind({run->v + i}, FrameKind::HostPage, info + i);
    return run;
}

// __kvm_faultin_pfn(): the host's own page tables; an absent page is populated with a zeroed one of the backing's size. A
// write to a page that the host has write-protected makes it writable again (the copy on write of its sole owner).
int Kvm::hostFaultin(const Memslot& memslot, KvmPageFault& fault) {
    Call call(sim_, "__kvm_faultin_pfn");
    if (memslot.readonly && fault.write)
        return RET_PF_EMULATE;
    const Place place = hostPlace(memslot, fault.gfn);
    sim_.step(Site::HostFault);
    u64 found = machine_->get(place);
    if (found == 0) {
        const auto [block, level] = hostBlock(memslot, fault.gfn);
        const Place first = hostPlace(memslot, block.start);
        const u64 pages = block.end.v - block.start.v;
        const auto run = allocHostPages(first, level);
        if (!run)
            return -kENOMEM;
        for (u64 i = 0; i < pages; ++i)
            machine_->set(first + i, run->v + i);
        found = machine_->get(place);
    } else if ((found & kHostProtected) != 0 && fault.write) {
        found &= ~kHostProtected;
        machine_->set(place, found);
    }
    fault.pfn = {found & kHostPfn};
    frames_.get(fault.pfn);
    fault.mapWritable = !memslot.readonly && (found & kHostProtected) == 0;
    return 0;
}

// KVM_PRE_FAULT_MEMORY and the TD's image go through here.
int Kvm::kvm_tdp_map_page(unsigned vcpu, u64 addr, bool isPrivate, Level* level) {
    Call call(sim_, "kvm_tdp_map_page");
    while (true) {
        sim_.retryPoint(mix(addr, 0x3a));
        if (vmDead())
            return -kEIO;
        KvmExit exit = KvmExit::None;
        const int r = kvm_mmu_do_page_fault(vcpu, addr, Access::Read, isPrivate, false, true, exit, level);
        if (r == RET_PF_RETRY) {
            // v6.18 (3ccbf6f47098): the update of the slot waits for this SRCU reader, so that it must not wait for the update.
            if (const int index = slotOf({(addr >> 12) & ~config_.directBits()}); config_.kernelFixed && index >= 0 && slot(index).invalid)
                return -kEAGAIN;
            // An invalid root is not given back in this loop, so that each round finds it stale again (said on the list, 2025-05; no
            // commit that changes it is known).
            if (config_.kernelFixed)
                if (const int reloaded = kvm_mmu_reload(vcpu); reloaded != 0)
                    return reloaded;
            continue;
        }
        if (r < 0)
            return r;
        return r == RET_PF_EMULATE ? -kENOENT : 0;
    }
}

Outcome Kvm::kvm_vcpu_pre_fault_memory(unsigned vcpu, u64 gpa, u64 size, bool sharedBit) {
    Call call(sim_, "kvm_vcpu_pre_fault_memory");
    const auto failed = [](int error) { return Outcome{Outcome::Kind::Errno, static_cast<u64>(error), 0}; };
    if (((gpa | size) & 0xfff) != 0 || size == 0)
        return failed(kEINVAL);
    if (peekVm(VmWord::PreFaultAllowed) == 0)
        return failed(kEOPNOTSUPP);
    // User space names no alias: the attribute says which it is. An address with the shared bit is refused.
    if (sharedBit && config_.directBits() != 0)
        return failed(kEINVAL);
    sim_.vcpuLock(vcpu);
    sim_.srcuReadLock();
    int result = 0;
    u64 mapped = 0;
    while (mapped < size && result == 0) {
        if (result = kvm_mmu_reload(vcpu); result != 0)
            break;
        const Gfn gfn{(gpa + mapped) >> 12};
        const bool isPrivate = config_.hasPrivateMem() && kvm_mem_is_private(gfn);
        const u64 addr = isPrivate ? gfn.v << 12 : (gfn.v | config_.directBits()) << 12;
        Level level = Level::k4K;
        result = kvm_tdp_map_page(vcpu, addr, isPrivate, &level);
        if (result == 0)
            mapped = (((gpa + mapped) / bytesPer(level) + 1) * bytesPer(level)) - gpa;
    }
    sim_.srcuReadUnlock();
    sim_.vcpuUnlock(vcpu);
    return mapped != 0 ? Outcome{Outcome::Kind::Ok, 0, std::min(mapped, size)} : failed(-result);
}

} // namespace mirrorscope
