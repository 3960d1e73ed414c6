// SPDX-License-Identifier: GPL-3.0-or-later
#include "scenario/kernel_calls.h"

#include "kvm/protocol.h"
#include "scenario/forced_change.h"

namespace mirrorscope {

namespace {
Outcome errnoOf(int r) { return r >= 0 ? Outcome{} : Outcome{Outcome::Kind::Errno, static_cast<u64>(-r), 0}; }
Outcome yes(bool value) { return {Outcome::Kind::Ok, 0, value}; }

unsigned filterOf(const Step& step) {
    if (!step.has("as"))
        return KVM_FILTER_PRIVATE | KVM_FILTER_SHARED;
    return step.number("as") != 0 ? KVM_FILTER_SHARED : KVM_FILTER_PRIVATE;
}
Level levelArgument(const Step& step, Level fallback) {
    return step.has("level") ? levelOf(static_cast<unsigned>(step.number("level"))) : fallback;
}
unsigned rootTypes(const Step& step) {
    constexpr unsigned kTypes[] = {KVM_DIRECT_ROOTS, KVM_MIRROR_ROOTS, KVM_VALID_ROOTS, KVM_ALL_ROOTS};
    return kTypes[step.number("types")];
}
unsigned vcpuOf(const Step& step) { return static_cast<unsigned>(step.number("vcpu")); }
// In the address space that the vCPU is in.
u64 faultAddress(const Kvm& kvm, const Step& step) {
    const u64 gpa = step.number("gpa") | (kvm.inSmmMode(vcpuOf(step)) ? kSmmGpa : 0);
    return step.number("as") != 0 ? ((gpa >> 12 | kvm.config().directBits()) << 12) : gpa;
}

// With the vCPU's mutex, as its ioctls hold it; of a destroyed VM the descriptors are closed.
template <class F>
Outcome withVcpu(Kvm& kvm, const Step& step, F&& f) {
    kvm.sim().vcpuLock(vcpuOf(step));
    const Outcome outcome = kvm.peekVm(Kvm::VmWord::Destroyed) != 0 ? errnoOf(-kEBADF) : f();
    kvm.sim().vcpuUnlock(vcpuOf(step));
    return outcome;
}
template <class F>
Outcome underWriteLock(Kvm& kvm, F&& f) {
    kvm.sim().writeLock(LockId::MmuLock);
    const Outcome outcome = f();
    kvm.sim().writeUnlock(LockId::MmuLock);
    return outcome;
}
template <class F>
Outcome underReadLock(Kvm& kvm, F&& f) {
    kvm.sim().readLock(LockId::MmuLock);
    const Outcome outcome = f();
    kvm.sim().readUnlock(LockId::MmuLock);
    return outcome;
}

const KernelCall kTable[] = {
    {"kvm_mmu_load", "vcpu", "allocate the vCPU's roots",
     [](Kvm& kvm, const Step& step, const GfnRange&) {
         return withVcpu(kvm, step, [&] { return errnoOf(kvm.protocol().kvm_mmu_reload(kvm, vcpuOf(step))); });
     }},
    {"kvm_mmu_do_page_fault", "vcpu, gpa, as, access, prefetch", "one fault; its result is a RET_PF_",
     [](Kvm& kvm, const Step& step, const GfnRange&) {
         return withVcpu(kvm, step, [&]() -> Outcome {
             if (const int r = kvm.protocol().kvm_mmu_reload(kvm, vcpuOf(step)); r != 0)
                 return errnoOf(r);
             KvmRun run;
             const bool isPrivate = kvm.config().vm == VmType::SwProtected ? kvm.kvm_mem_is_private({step.number("gpa") >> 12})
                                                                           : kvm.config().vm != VmType::Default && step.number("as") == 0;
             const int r = kvm.kvm_mmu_do_page_fault(vcpuOf(step), faultAddress(kvm, step), static_cast<Access>(step.number("access")),
                                                     isPrivate, false, step.number("prefetch") != 0, run);
             if (r < 0 && run.reason != KvmExit::None)
                 return leftFor(run, -r);
             return r < 0 ? errnoOf(r) : Outcome{Outcome::Kind::RetPf, static_cast<u64>(r), 0};
         });
     }},
    {"kvm_tdp_map_page", "vcpu, gpa, as", "map as KVM_PRE_FAULT_MEMORY does, until it is no RET_PF_RETRY",
     [](Kvm& kvm, const Step& step, const GfnRange&) {
         return withVcpu(kvm, step, [&]() -> Outcome {
             if (const int r = kvm.protocol().kvm_mmu_reload(kvm, vcpuOf(step)); r != 0)
                 return errnoOf(r);
             return errnoOf(
                 kvm.kvm_tdp_map_page(vcpuOf(step), faultAddress(kvm, step), kvm.config().hasPrivateMem() && step.number("as") == 0));
         });
     }},
    {"kvm_tdp_mmu_zap_leafs", "gpa, size", "zap leaves of all valid roots",
     [](Kvm& kvm, const Step&, const GfnRange& range) {
         return underWriteLock(kvm, [&] { return yes(kvm.kvm_tdp_mmu_zap_leafs(range, false)); });
     }},
    {"kvm_tdp_mmu_unmap_gfn_range", "gpa, size, as", "zap leaves of the roots that the filter says; both without `as`",
     [](Kvm& kvm, const Step& step, const GfnRange& range) {
         return underWriteLock(kvm, [&] { return yes(kvm.kvm_tdp_mmu_unmap_gfn_range(range, filterOf(step))); });
     }},
    {"kvm_zap_gfn_range", "gpa, size", "zap a range and flush, inside an invalidation",
     [](Kvm& kvm, const Step&, const GfnRange& range) {
         kvm.kvm_zap_gfn_range(range);
         return Outcome{};
     }},
    {"kvm_tdp_mmu_zap_all", "", "zap everything but valid mirror roots, as when the process ends",
     [](Kvm& kvm, const Step&, const GfnRange&) {
         return underWriteLock(kvm, [&] {
             kvm.kvm_tdp_mmu_zap_all();
             return Outcome{};
         });
     }},
    {"kvm_tdp_mmu_invalidate_roots", "types", "make roots invalid; they are zapped by kvm_tdp_mmu_zap_invalidated_roots",
     [](Kvm& kvm, const Step& step, const GfnRange&) {
         return underWriteLock(kvm, [&] {
             kvm.kvm_tdp_mmu_invalidate_roots(rootTypes(step));
             return Outcome{};
         });
     }},
    {"kvm_tdp_mmu_zap_invalidated_roots", "", "zap them, mmu_lock held for reading",
     [](Kvm& kvm, const Step&, const GfnRange&) {
         kvm.kvm_tdp_mmu_zap_invalidated_roots(true);
         return Outcome{};
     }},
    {"kvm_tdp_mmu_age_gfn_range", "gpa, size, as", "clear accessed; the value says whether a page was young",
     [](Kvm& kvm, const Step& step, const GfnRange& range) { return yes(kvm.kvm_tdp_mmu_age_gfn_range(range, filterOf(step))); }},
    {"kvm_tdp_mmu_test_age_gfn", "gpa, size, as", "test accessed",
     [](Kvm& kvm, const Step& step, const GfnRange& range) { return yes(kvm.kvm_tdp_mmu_test_age_gfn(range, filterOf(step))); }},
    {"kvm_tdp_mmu_wrprot_slot", "gpa, size, level", "clear W of leaves at or above a level",
     [](Kvm& kvm, const Step& step, const GfnRange& range) {
         return underReadLock(kvm, [&] { return yes(kvm.kvm_tdp_mmu_wrprot_slot(range, levelArgument(step, Level::k4K))); });
     }},
    {"kvm_tdp_mmu_write_protect_gfn", "gpa, level", "clear W and MMU-writable of one page",
     [](Kvm& kvm, const Step& step, const GfnRange& range) {
         return underWriteLock(kvm, [&] { return yes(kvm.kvm_tdp_mmu_write_protect_gfn(range.start, levelArgument(step, Level::k4K))); });
     }},
    {"kvm_tdp_mmu_clear_dirty_slot", "gpa, size", "clear D of leaves",
     [](Kvm& kvm, const Step&, const GfnRange& range) {
         return underReadLock(kvm, [&] {
             kvm.kvm_tdp_mmu_clear_dirty_slot(range);
             return Outcome{};
         });
     }},
    {"kvm_tdp_mmu_clear_dirty_pt_masked", "gpa, mask, wrprot", "clear D, or W, of up to 64 pages",
     [](Kvm& kvm, const Step& step, const GfnRange& range) {
         return underWriteLock(kvm, [&] {
             if (step.number("mask") != 0)
                 kvm.kvm_tdp_mmu_clear_dirty_pt_masked(range.start, step.number("mask"), step.number("wrprot") != 0);
             return Outcome{};
         });
     }},
    {"kvm_tdp_mmu_try_split_huge_pages", "gpa, size, level", "split down to a level",
     [](Kvm& kvm, const Step& step, const GfnRange& range) {
         return underReadLock(kvm, [&] {
             kvm.kvm_tdp_mmu_try_split_huge_pages(range, levelArgument(step, Level::k4K), true);
             return Outcome{};
         });
     }},
    {"kvm_tdp_mmu_recover_huge_pages", "id", "collapse the small mappings of a slot",
     [](Kvm& kvm, const Step& step, const GfnRange&) {
         const int index = kvm.slotById(static_cast<u32>(step.number("id")));
         if (index < 0 || kvm.slot(index).guestMemfd) // those are never logged, and nobody calls it for them
             return errnoOf(-kEINVAL);
         return underReadLock(kvm, [&] { return yes(kvm.kvm_tdp_mmu_recover_huge_pages(index)); });
     }},
    {"tdp_mmu_set_spte_atomic", "vcpu, gpa, as, level, from, to, frame",
     "change one entry, mmu_lock held for reading; with `from`, a plain store makes it hold that before",
     [](Kvm& kvm, const Step& step, const GfnRange& range) {
         return withVcpu(kvm, step, [&] { return forceChange(kvm, forcedChangeOf(kvm, step, range.start, true)); });
     }},
    {"tdp_mmu_set_spte", "vcpu, gpa, as, level, from, to, frame",
     "change one entry, mmu_lock held for writing; with `from`, a plain store makes it hold that before",
     [](Kvm& kvm, const Step& step, const GfnRange& range) {
         return withVcpu(kvm, step, [&] { return forceChange(kvm, forcedChangeOf(kvm, step, range.start, false)); });
     }},
};
} // namespace

std::span<const KernelCall> kernelCalls() { return kTable; }

std::vector<std::string_view> kernelCallNames() {
    std::vector<std::string_view> names;
    for (const KernelCall& call : kTable)
        names.push_back(call.name);
    return names;
}

} // namespace mirrorscope
