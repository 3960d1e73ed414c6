// SPDX-License-Identifier: GPL-3.0-or-later
// The external operations: SEPT.ADD, PAGE.AUG, BLOCK-TRACK-REMOVE (v6.16 tdx.c: tdx_sept_*()).
#include "tdx/backend/backend.h"

namespace mirrorscope {

int TdxBackend::bug(Leaf leaf, u64 status, int error) {
    kvm_.kvm_bug(static_cast<unsigned>(leaf), status);
    return -error;
}

int TdxBackend::link_external_spt(Gfn gfn, Level level, Pfn spt) {
    Call call(sim_, "tdx_sept_link_private_spt");
    Regs regs{.rcx = gpaLevel(gfn, level), .rdx = tdrHpa(), .r8 = hpa(spt)};
    const u64 status = module_.seamcall(Leaf::MemSeptAdd, regs);
    if (tdx::isBusy(status))
        return -kEBUSY;
    return status == tdx::kSuccess ? 0 : bug(Leaf::MemSeptAdd, status, kEIO);
}

int TdxBackend::tdx_mem_page_aug(Gfn gfn, Level level, Pfn pfn) {
    Call call(sim_, "tdx_mem_page_aug");
    Regs regs{.rcx = gpaLevel(gfn, level), .rdx = tdrHpa(), .r8 = hpa(pfn)};
    const u64 status = module_.seamcall(Leaf::MemPageAug, regs);
    if (status == tdx::kSuccess)
        return 0;
    kvm_.put_page(pfn);
    return tdx::isBusy(status) ? -kEBUSY : bug(Leaf::MemPageAug, status, kEIO);
}

// v6.19; v6.16 adds the page after the mirror's entry was published.
int TdxBackend::tdx_mem_page_add(Gfn gfn, Pfn pfn) {
    Call call(sim_, "tdx_mem_page_add");
    const Pfn source{vmGet(Kvm::VmWord::PageAddSource)};
    if (source.v == 0) {
        kvm_.kvm_bug(0xff, 0);
        kvm_.put_page(pfn);
        return -kEIO;
    }
    Regs regs{.rcx = gpaLevel(gfn, Level::k4K), .rdx = tdrHpa(), .r8 = hpa(pfn), .r9 = hpa(source)};
    const u64 status = module_.seamcall(Leaf::MemPageAdd, regs);
    if (status == tdx::kSuccess)
        return 0;
    kvm_.put_page(pfn);
    return tdx::isBusy(status) ? -kEBUSY : bug(Leaf::MemPageAdd, status, kEIO);
}

int TdxBackend::set_external_spte(Gfn gfn, Level level, Pfn pfn) {
    Call call(sim_, "tdx_sept_set_private_spte");
    if (level != Level::k4K) {
        kvm_.kvm_bug(0xff, 0);
        return -kEINVAL;
    }
    // guest_memfd has no migration callback: the page is pinned for as long as the secure EPT maps it.
    kvm_.frames().get(pfn);
    if (vmGet(Kvm::VmWord::TdState) == kRunnable)
        return tdx_mem_page_aug(gfn, level, pfn);
    if (kvm_.config().kernelFixed)
        return tdx_mem_page_add(gfn, pfn);
    // tdx_mem_page_record_premap_cnt(): the mirror is ahead of the real table until TDH.MEM.PAGE.ADD.
    vmSet(Kvm::VmWord::NrPremapped, vmGet(Kvm::VmWord::NrPremapped) + 1);
    return 0;
}

void TdxBackend::tdx_no_vcpus_enter_start() {
    Call call(sim_, "tdx_no_vcpus_enter_start");
    sim_.step(Site::VmState);
    vmSet(Kvm::VmWord::WaitForSeptZap, 1);
    kvm_.kick_all_outside_guest_mode();
}

void TdxBackend::tdx_no_vcpus_enter_stop() {
    sim_.step(Site::VmState);
    vmSet(Kvm::VmWord::WaitForSeptZap, 0);
}

u64 TdxBackend::callWithKick(Leaf leaf, Regs& regs) {
    const Regs operands = regs;
    u64 status = module_.seamcall(leaf, regs);
    if (!tdx::isBusy(status))
        return status;
    const bool kick = !kvm_.config().broken(Break::SkipKick);
    if (kick)
        tdx_no_vcpus_enter_start();
    regs = operands;
    status = module_.seamcall(leaf, regs);
    if (kick)
        tdx_no_vcpus_enter_stop();
    return status;
}

// 1: blocked; 0: nothing was in the secure EPT (an image page that was mapped but never added); negative errno.
int TdxBackend::tdx_sept_zap_private_spte(Gfn gfn, Level level) {
    Call call(sim_, "tdx_sept_zap_private_spte");
    if (kvm_.config().broken(Break::SkipBlock))
        return 1;
    Regs regs{.rcx = gpaLevel(gfn, level), .rdx = tdrHpa()};
    const u64 status = callWithKick(Leaf::MemRangeBlock, regs);
    const bool premapped = status == tdx::status(tdx::EPT_ENTRY_STATE_INCORRECT, tdx::RCX) && vmGet(Kvm::VmWord::TdState) != kRunnable &&
                           !((regs.rcx & ept::kRwx) != 0 && (regs.rcx & ept::kLarge) != 0);
    if (premapped) {
        const u64 count = vmGet(Kvm::VmWord::NrPremapped);
        if (count == 0)
            return bug(Leaf::MemRangeBlock, status, kEIO);
        vmSet(Kvm::VmWord::NrPremapped, count - 1);
        return 0;
    }
    if (status != tdx::kSuccess)
        return bug(Leaf::MemRangeBlock, status, kEIO);
    return 1;
}

void TdxBackend::tdx_track() {
    Call call(sim_, "tdx_track");
    if (vmGet(Kvm::VmWord::TdState) != kRunnable || kvm_.config().broken(Break::SkipTrack))
        return;
    Regs regs{.rcx = tdrHpa()};
    const u64 status = callWithKick(Leaf::MemTrack, regs);
    if (status != tdx::kSuccess)
        bug(Leaf::MemTrack, status, kEIO);
    if (!kvm_.config().broken(Break::SkipTrackKick))
        kvm_.kick_all_outside_guest_mode();
}

int TdxBackend::tdx_sept_drop_private_spte(Gfn gfn, Level level, Pfn pfn) {
    Call call(sim_, "tdx_sept_drop_private_spte");
    Regs regs{.rcx = gpaLevel(gfn, level), .rdx = tdrHpa()};
    if (const u64 status = callWithKick(Leaf::MemPageRemove, regs); status != tdx::kSuccess)
        return bug(Leaf::MemPageRemove, status, kEIO);
    Regs wbinvd{.rcx = hpa(pfn) | vmGet(Kvm::VmWord::Hkid) << 46};
    if (const u64 status = module_.seamcall(Leaf::PhymemPageWbinvd, wbinvd); status != tdx::kSuccess)
        return bug(Leaf::PhymemPageWbinvd, status, kEIO); // the page stays pinned: it is leaked
    if (kvm_.config().broken(Break::FreeBeforeRemove))
        return 0;
    sim_.step(Site::PageFree);
    kvm_.machine().fill(pfn, 0); // tdx_clear_page()
    kvm_.frames().put(pfn);
    return 0;
}

int TdxBackend::remove_external_spte(Gfn gfn, Level level, Pfn pfn) {
    Call call(sim_, "tdx_sept_remove_private_spte");
    if (vmGet(Kvm::VmWord::Hkid) == 0) {
        kvm_.kvm_bug(0xff, 0);
        return -kEINVAL;
    }
    if (kvm_.config().broken(Break::FreeBeforeRemove))
        kvm_.put_page(pfn);
    const int r = tdx_sept_zap_private_spte(gfn, level);
    if (r == 0)
        kvm_.put_page(pfn);
    if (r <= 0)
        return r;
    tdx_track();
    return tdx_sept_drop_private_spte(gfn, level, pfn);
}

int TdxBackend::free_external_spt(Gfn, Level, Pfn spt) {
    Call call(sim_, "tdx_sept_free_private_spt");
    if (vmGet(Kvm::VmWord::Hkid) != 0) { // tables of a live TD are never taken out
        kvm_.kvm_bug(0xff, 0);
        return -kEINVAL;
    }
    return reclaim(spt) ? 0 : -kEIO;
}

bool TdxBackend::reclaim(Pfn page) {
    Call call(sim_, "tdx_reclaim_page");
    Regs regs{.rcx = hpa(page)};
    return module_.seamcall(Leaf::PhymemPageReclaim, regs) == tdx::kSuccess;
}

} // namespace mirrorscope
