// SPDX-License-Identifier: GPL-3.0-or-later
// What KVM leaves to the kind of VM: tables that only somebody else may touch, how a vCPU enters, leaves and translates, what is done to
// pages of guest_memfd (kvm_x86_ops of Linux v6.16); and who wants to know what was read.
#pragma once

#include "kvm/spte.h"
#include "kvm/types.h"

namespace mirrorscope {

// The operations on a table that KVM itself may not touch (kvm_x86_ops, v6.16 signatures). 0 or a negative errno.
class ExternalOps {
public:
    virtual ~ExternalOps() = default;
    virtual int link_external_spt(Gfn gfn, Level level, Pfn spt) = 0;
    virtual int set_external_spte(Gfn gfn, Level level, Pfn pfn) = 0;
    virtual int free_external_spt(Gfn gfn, Level level, Pfn spt) = 0;
    virtual int remove_external_spte(Gfn gfn, Level level, Pfn pfn) = 0;
    // A leaf becomes a table (RFC of 2M private pages, v5); `spt` is to be its page.
    virtual int split_external_spte(Gfn gfn, Level level, Pfn pfn, Pfn spt) = 0;
    // What the hooks will need of memory for a fault of that vCPU; called with its page caches, before mmu_lock (behind v7.2).
    virtual int topup_external_cache(unsigned vcpu) = 0;
    // The same for a split of a large leaf, by whomever (RFC of 2M private pages, v3): is what the VM keeps for that too little? To be
    // asked under mmu_lock, and got without it.
    virtual bool need_topup_external_per_vm_split_cache() = 0;
    virtual int topup_external_per_vm_split_cache() = 0;
};

// The words that are put into a page, by the byte offset of each.
using PageContent = u64 (*)(const void* context, u64 offset);

// What a kind of VM is made of from its creation on (vm_init() of its backend).
struct VmTraits {
    SpteMasks masks;
    bool cpuDirtyLog = false;    // kvm->arch.cpu_dirty_log_size: the CPU keeps a page-modification log
    bool protectedState = false; // kvm->arch.has_protected_state
    bool preFaultAllowed = true; // kvm->arch.pre_fault_allowed
    u8 callExit = 0;             // the exit reason of a guest's call to its host
    const char* mapGpa = "";     // the function that handles a guest's wish to convert memory
    u64 mapGpaChunk = 2u << 20;  // how many bytes of it leave to user space at a time
};

// How vCPUs of this kind of VM enter, leave and translate.
class VcpuOps {
public:
    virtual ~VcpuOps() = default;
    // Before KVM_RUN does anything; 0 or a negative errno.
    virtual int vcpu_pre_run(unsigned) { return 0; }
    // Called IN_GUEST_MODE; Again means that the vCPU never got in.
    virtual EnterResult vcpu_run(unsigned vcpu) = 0;
    // The guest is left: what the CPU does before KVM's code runs again.
    virtual void left(unsigned) {}
    // The root that the CPU walks for this alias.
    virtual Pfn hardwareRoot(unsigned vcpu, Alias alias) const = 0;
    // Does the CPU set accessed and dirty bits in that tree?
    virtual bool setsAccessed(Alias) const { return true; }
    // Does the CPU fetch instructions from there at all, whatever the tables say?
    virtual bool mayFetch(Alias) const { return true; }
    // A violation was met while executing `op` at `gpa`; the vCPU is still inside.
    virtual HandledExit handle_violation(unsigned vcpu, const GuestOp& op, u64 gpa, const EptWalk& walk) = 0;
    // The TDCALL or PVALIDATE of an accept; the vCPU is inside. `exits` when it must leave with a violation, whose walk is then `walk`.
    virtual Outcome accept(unsigned vcpu, const GuestOp& op, u64 gpa, bool& exits, EptWalk& walk) = 0;
    // What the CPU checks of a translation beside the tables; changes the walk's outcome when it forbids the access.
    virtual void checkOwner(Gfn, Alias, Access, EptWalk&) const {}
    // What a guest finds where memory holds `word`.
    virtual u64 decrypted(Alias, Pfn, u64 word) const { return word; }
    // kvm_x86_flush_tlb_current(): what KVM itself can flush.
    virtual void flushCurrent(unsigned vcpu) = 0;
    // Could the vCPU use this cached translation now, or would entering flush it first?
    virtual bool flushPending(unsigned) const { return false; }
};

struct Memslot;

// Somebody who wants to know what was read, which leaves no change behind: the rules.
class Watch {
public:
    virtual ~Watch() = default;
    // A word of guest memory, found by a guest; `record` is where its last write is noted (see Kvm::lastWrite()), if anywhere.
    virtual void guestRead(unsigned vcpu, Gfn gfn, Alias alias, u64 word, u64 value, std::optional<Place> record) = 0;
    // A word of guest memory in a slot that is logged.
    virtual void guestWrote(const Memslot& slot, Gfn gfn) = 0;
    // An entry of a page table, by KVM or by the CPU.
    virtual void tableRead(Place entry) = 0;
    // What the actor was called for is done: an ioctl, a notifier, the handling of an exit. Whatever it had to flush is flushed.
    virtual void operationEnds() = 0;
    // The slot is logged from here on; its log is being read, page `first` up to `end`; these bits of a word of it were handed out; it was
    // read.
    virtual void logStarts(const Memslot& slot) = 0;
    virtual void logRead(const Memslot& slot, u64 first, u64 end) = 0;
    virtual void logTaken(Place word, u64 bits) = 0;
    virtual void logWasRead(const Memslot& slot, u64 first, u64 end) = 0;
};

// What is done to a page of guest_memfd before it is used for the first time and before it is freed (kvm_arch_gmem_prepare(),
// kvm_arch_gmem_invalidate()).
class GmemOps {
public:
    virtual ~GmemOps() = default;
    virtual int gmem_prepare(Pfn pfn, Gfn gfn) = 0; // 0 or a negative errno
    virtual void gmem_invalidate(Pfn pfn) = 0;
    // It stays in the file and becomes the host's (kvm_arch_gmem_make_shared(), in-place conversion).
    virtual void gmem_make_shared(Pfn pfn) { gmem_invalidate(pfn); }
};

} // namespace mirrorscope
