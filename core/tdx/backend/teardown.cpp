// SPDX-License-Identifier: GPL-3.0-or-later
// The end of a TD: its HKID is given back, then its pages (v6.16 tdx.c: tdx_mmu_release_hkid(), tdx_vcpu_free(), tdx_vm_destroy()).
#include "tdx/backend/protocol.h"

namespace mirrorscope {

// Whatever fails here leaks the HKID, and with it all that the module holds.
void TdxBackend::tdx_mmu_release_hkid() {
    Call call(sim_, "tdx_mmu_release_hkid");
    if (!is_hkid_assigned())
        return;
    const u8 self = sim_.actor();
    for (unsigned v = 0; v < kvm_.config().vcpus; ++v) {
        if (tdvpr(v).v == 0)
            continue;
        sim_.setActor(static_cast<ActorId>(v)); // tdx_flush_vp_on_cpu(): on the CPU that the vCPU is associated with
        Regs regs{.rcx = hpa(tdvpr(v))};
        const u64 status = seamcall(Leaf::VpFlush, regs);
        if (status == tdx::kSuccess)
            kvm_.tlb(v).flush();
        else if (tdx::highOf(status) != tdx::VCPU_NOT_ASSOCIATED)
            bug(Leaf::VpFlush, status, kEIO);
    }
    sim_.setActor(self);
    sim_.writeLock(LockId::TdxLock);
    Regs done{.rcx = hpa(tdr())};
    const u64 flushed = seamcall(Leaf::MngVpflushdone, done);
    if (flushed == tdx::kSuccess) {
        Regs wb{.rcx = 0};
        kvm_.WARN_ON_ONCE(seamcall(Leaf::PhymemCacheWb, wb) != tdx::kSuccess, Assert::CacheWbFailed);
        Regs free{.rcx = hpa(tdr())};
        if (const u64 status = seamcall(Leaf::MngKeyFreeid, free); status != tdx::kSuccess) {
            bug(Leaf::MngKeyFreeid, status, kEIO);
        } else {
            sim_.step(Site::VmState);
            set(Word::Hkid, 0);
        }
    } else if (tdx::highOf(flushed) != tdx::FLUSHVP_NOT_DONE) {
        bug(Leaf::MngVpflushdone, flushed, kEIO);
    }
    sim_.writeUnlock(LockId::TdxLock);
}

void TdxBackend::tdx_vcpu_free() {
    Call call(sim_, "tdx_vcpu_free");
    for (unsigned v = 0; v < kvm_.config().vcpus && kvm_.config().has(Feature::DynamicPamt); ++v)
        freePamtCache(pamtCache(v));
    if (is_hkid_assigned()) // nothing can be reclaimed
        return;
    for (unsigned v = 0; v < kvm_.config().vcpus; ++v) {
        const Pfn page = tdvpr(v);
        if (page.v == 0)
            continue;
        const u64 pages = module_.peekTdvps(page, tdvps::NumPages);
        for (unsigned i = 1; i < pages; ++i)
            if (const Pfn tdcx{module_.peekTdvps(page, tdvps::Pages0 + i)}; tdx_reclaim_page(tdcx))
                tdx_free_control_page(tdcx);
        if (tdx_reclaim_page(page))
            tdx_free_control_page(page);
        kvm_.machine().set(tdvprs_ + v, 0);
    }
}

void TdxBackend::tdx_vm_destroy() {
    Call call(sim_, "tdx_vm_destroy");
    if (splitsWithPamt())
        freePamtCache(pamtSplitCache_);
    if (!is_hkid_assigned()) {
        const Pfn page = tdr();
        const u64 pages = module_.peekTdr(page, mirrorscope::tdr::NumTdcx);
        for (unsigned i = 0; i < pages; ++i)
            if (const Pfn tdcs = module_.tdcs(page, i); tdx_reclaim_page(tdcs))
                tdx_free_control_page(tdcs);
        if (tdx_reclaim_page(page)) {
            // The module may have touched the TDR while it worked on the TD: its lines are written back by its own key.
            Regs wbinvd{.rcx = hpa(page)};
            if (const u64 status = seamcall(Leaf::PhymemPageWbinvd, wbinvd); status != tdx::kSuccess)
                bug(Leaf::PhymemPageWbinvd, status, kEIO);
            else
                tdx_free_control_page(page);
        }
        set(Word::Tdr, 0);
    }
    set(Word::State, kUninitialized);
}

} // namespace mirrorscope
