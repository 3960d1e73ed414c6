// SPDX-License-Identifier: GPL-3.0-or-later
// The words in which the machine keeps what KVM knows of a VM, of each vCPU and of each actor, and the values that they hold (Linux v6.16
// struct kvm, struct kvm_vcpu; limits of kvm_host.h).
#pragma once

#include "base/types.h"

namespace mirrorscope {

struct KvmWords {
    static constexpr unsigned kUserMemSlots = 32764; // KVM_USER_MEM_SLOTS
    // KVM_ARCH_NR_OBJS_PER_MEMORY_CACHE, and PT64_ROOT_MAX_LEVEL: what a fault can need.
    static constexpr unsigned kCacheCapacity = 40, kCacheMin = 5;

    enum class VmWord : u8 {
        InvalidateInProgress,
        InvalidateStart,
        InvalidateEnd,
        InvalidateSeq,
        MnActiveInvalidate,
        Dead,
        Bugged,          // how often a SEAMCALL's status bugged the VM
        BugLeaf,         // the last leaf + 1
        BugStatus,       // and its status
        VmBugged,        // by whatever
        LockdepLock,     // the lock + 1 that was not held where it must be
        LockdepFunction, // the call path of who asked
        SlotsGeneration,
        RootsHead,
        RootCount,
        NxHead, // possible_nx_huge_pages
        NxTail,
        PreFaultAllowed,
        SnpLaunch, // one of kNoContext, kContext, kFinished
        Destroyed,
        SlotCount,
        PagesUsed,
        TablePages,     // tdp_mmu_pages
        NrDirtyLogging, // nr_memslots_dirty_logging
        Count_
    };
    enum class VcpuWord : u8 {
        Mode,
        Requests,
        Ipi,
        RootHpa,
        MirrorRootHpa,
        ShadowCache, // how many, then which
        ExternalCache = ShadowCache + kCacheCapacity + 1,
        PmlCount = ExternalCache + kCacheCapacity + 1,
        PmlOn,     // the CPU keeps its log while this vCPU runs
        IrqsOff,   // an IPI is taken only when they are on again
        Entering,  // it has looked for requests for the last time. Kept for the rules, as the next two.
        Running,   // the guest runs: until then the module may still flush
        FlushOwed, // it has another root and will flush before it enters
        Smm,       // it is in System Management Mode
        SmmWanted, // and will be, when it enters again: an SMI waits, or an RSM was executed
        Count_
    };
    // What an actor is in the middle of; nothing in KVM reads it but a dispatch policy, and a broken protocol what it left there.
    enum class ActorWord : u8 {
        Freezing,
        Clearing,
        ClearingLevel,
        Marking,      // the gfn + 1 whose entry has become writable, and whose bit in the dirty log follows
        ReducedStart, // the gfns from which the running operation has taken rights, and which rights, see rules/no_stale_rights.cpp
        ReducedEnd,
        Origin,
        Broken,
        Count_
    };
    static constexpr u64 kOutsideGuestMode = 0, kInGuestMode = 1, kExitingGuestMode = 2; // vcpu->mode
    static constexpr u64 kSlotGmemGone = 16;                                             // of a slot's flags: slot->gmem.file is NULL again
    static constexpr u64 kMemMaxNrPages = (1ull << 31) - 1;                              // KVM_MEM_MAX_NR_PAGES
    static constexpr u64 kSlotsUpdateInProgress = 1ull << 63; // KVM_MEMSLOT_GEN_UPDATE_IN_PROGRESS, of SlotsGeneration
    static constexpr u64 kReqTlbFlush = 1, kReqFreeObsoleteRoots = 2, kReqVmDead = 4, kReqCpuDirtyLogging = 8, kReqDirtyRingSoftFull = 16;
    static constexpr u64 kNoContext = 0, kContext = 1, kFinished = 2; // how far the launch of an SNP guest has come
    static constexpr u64 kPmlEntries = 512;
};

} // namespace mirrorscope
