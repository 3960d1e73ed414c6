// SPDX-License-Identifier: GPL-3.0-or-later
// The external operations: SEPT.ADD, PAGE.AUG, BLOCK-TRACK-REMOVE (v6.16 tdx.c: tdx_sept_*()).
#include "tdx/backend/protocol.h"

namespace mirrorscope {

int TdxBackend::bug(Leaf leaf, u64 status, int error) {
    kvm_.kvm_bug(static_cast<unsigned>(leaf), status);
    return -error;
}

int TdxBackend::link_external_spt(Gfn gfn, Level level, Pfn spt) { return protocol_->tdx_sept_link_private_spt(*this, gfn, level, spt); }
int TdxBackend::set_external_spte(Gfn gfn, Level level, Pfn pfn) { return protocol_->tdx_sept_set_private_spte(*this, gfn, level, pfn); }
void TdxBackend::unpin(Pfn pfn) { protocol_->unpin(*this, pfn); }

int TdxBackend::tdx_sept_link_private_spt(Gfn gfn, Level level, Pfn spt) {
    Call call(sim_, "tdx_sept_link_private_spt");
    return link(gfn, level, spt);
}

int TdxBackend::link(Gfn gfn, Level level, Pfn spt) {
    if (const int r = pamtGet(spt, PamtFrom::Cache); r != 0)
        return r;
    Regs regs{.rcx = gpaLevel(gfn, level), .rdx = tdrHpa(), .r8 = hpa(spt)};
    const u64 status = seamcall(Leaf::MemSeptAdd, regs);
    if (status != tdx::kSuccess)
        pamtPut(spt);
    if (tdx::isBusy(status))
        return -kEBUSY;
    return status == tdx::kSuccess ? 0 : bug(Leaf::MemSeptAdd, status, kEIO);
}

int TdxBackend::tdx_mem_page_aug(Gfn gfn, Level level, Pfn pfn) {
    Call call(sim_, "tdx_mem_page_aug");
    Regs regs{.rcx = gpaLevel(gfn, level), .rdx = tdrHpa(), .r8 = hpa(pfn)};
    const u64 status = seamcall(Leaf::MemPageAug, regs);
    if (status == tdx::kSuccess)
        return 0;
    const int r = tdx::isBusy(status) ? -kEBUSY : bug(Leaf::MemPageAug, status, kEIO);
    unpin(pfn);
    return r;
}

// tdx_mem_page_record_premap_cnt(): the mirror is ahead of the real table until TDH.MEM.PAGE.ADD.
int TdxBackend::add_or_record(Gfn, Level, Pfn) {
    Call call(sim_, "tdx_mem_page_record_premap_cnt");
    if (kvm_.KVM_BUG_ON(kvm_.peekVm(Kvm::VmWord::PreFaultAllowed) != 0, Assert::PremapPreFault))
        return -kEINVAL;
    kvm_.machine().add(word(Word::NrPremapped), 1);
    return 0;
}

int TdxBackend::tdx_sept_set_private_spte(Gfn gfn, Level level, Pfn pfn) {
    Call call(sim_, "tdx_sept_set_private_spte");
    return map(gfn, level, pfn);
}

int TdxBackend::map(Gfn gfn, Level level, Pfn pfn) {
    if (kvm_.KVM_BUG_ON(!mayBeLeaf(level), Assert::SetLevel))
        return -kEINVAL;
    protocol_->pin(*this, pfn);
    if (const int r = pamtGet(pfn, PamtFrom::Cache, level); r != 0)
        return r;
    const int r = get(Word::State) == kRunnable ? tdx_mem_page_aug(gfn, level, pfn) : protocol_->add_or_record(*this, gfn, level, pfn);
    if (r != 0)
        pamtPut(pfn, level);
    return r;
}

void TdxBackend::tdx_no_vcpus_enter_start() {
    Call call(sim_, "tdx_no_vcpus_enter_start");
    kvm_.lockdep_assert_held_write(LockId::MmuLock);
    sim_.store(Site::VmState, word(Word::WaitForSeptZap), 1);
    kvm_.kvm_make_all_cpus_request(0);
}

void TdxBackend::tdx_no_vcpus_enter_stop() {
    if (get(Word::WaitForSeptZap) == 0)
        return;
    kvm_.lockdep_assert_held_write(LockId::MmuLock);
    sim_.store(Site::VmState, word(Word::WaitForSeptZap), 0);
}

u64 TdxBackend::callWithKick(Leaf leaf, Regs& regs) {
    const Regs operands = regs;
    Forget forget(sim_);
    u64 status = seamcall(leaf, regs);
    if (!tdx::isBusy(status))
        return status;
    protocol_->tdx_no_vcpus_enter_start(*this);
    regs = operands;
    status = seamcall(leaf, regs);
    tdx_no_vcpus_enter_stop();
    forget.but([&] { return TdxModule::hashOf(status, regs); }); // how often it was tried matters no more
    return status;
}

int TdxBackend::tdx_sept_zap_private_spte(Gfn gfn, Level level, Pfn pfn) {
    Call call(sim_, "tdx_sept_zap_private_spte");
    kvm_.WARN_ON_ONCE(level != Level::k4K, Assert::ZapLevel);
    Regs regs{.rcx = gpaLevel(gfn, level), .rdx = tdrHpa()};
    const u64 status = callWithKick(Leaf::MemRangeBlock, regs);
    // tdx_is_sept_zap_err_due_to_premap(); of a 4K entry is_last_spte() says yes, whatever it holds
    const bool premapped =
        status == tdx::status(tdx::EPT_ENTRY_STATE_INCORRECT, tdx::RCX) && get(Word::State) != kRunnable && (regs.rcx & ept::kRwx) == 0;
    if (premapped && !kvm_.KVM_BUG_ON(kvm_.machine().get(word(Word::NrPremapped)) == 0, Assert::PremapNone)) {
        kvm_.machine().add(word(Word::NrPremapped), u64(-1));
        kvm_.put_page(pfn);
        return 0;
    }
    return status == tdx::kSuccess ? 1 : bug(Leaf::MemRangeBlock, status, kEIO);
}

void TdxBackend::tdx_track() {
    Call call(sim_, "tdx_track");
    Forget forget(sim_);
    if (get(Word::State) != kRunnable)
        return;
    kvm_.lockdep_assert_held_write(LockId::MmuLock);
    Regs regs{.rcx = tdrHpa()};
    const u64 status = callWithKick(Leaf::MemTrack, regs);
    if (status != tdx::kSuccess)
        bug(Leaf::MemTrack, status, kEIO);
    protocol_->kick_after_track(*this);
    forget.all();
}

// KVM_REQ_OUTSIDE_GUEST_MODE: a vCPU that enters from now on does so in the new epoch.
void TdxBackend::kick_after_track() { kvm_.kvm_make_all_cpus_request(0); }

void TdxBackend::tdx_clear_and_unpin(Pfn pfn, Level) {
    sim_.step(Site::PageFree);
    kvm_.machine().fill(pfn, 0); // tdx_clear_page()
    kvm_.frames().put(pfn);
}

int TdxBackend::tdx_sept_drop_private_spte(Gfn gfn, Level level, Pfn pfn) {
    Call call(sim_, "tdx_sept_drop_private_spte");
    if (kvm_.KVM_BUG_ON(level != Level::k4K, Assert::DropLevel) || kvm_.KVM_BUG_ON(!is_hkid_assigned(), Assert::DropNoHkid))
        return -kEINVAL;
    return remove_and_clear(gfn, level, pfn);
}

int TdxBackend::remove_and_clear(Gfn gfn, Level level, Pfn pfn) {
    Regs regs{.rcx = gpaLevel(gfn, level), .rdx = tdrHpa()};
    if (const u64 status = callWithKick(Leaf::MemPageRemove, regs); status != tdx::kSuccess)
        return bug(Leaf::MemPageRemove, status, kEIO);
    for (u64 i = 0; i < pagesPer(level); ++i) {
        Regs wbinvd{.rcx = hpa({pfn.v + i}) | get(Word::Hkid) << 46};
        if (const u64 status = seamcall(Leaf::PhymemPageWbinvd, wbinvd); status != tdx::kSuccess)
            return bug(Leaf::PhymemPageWbinvd, status, kEIO); // the page stays pinned: it is leaked
    }
    protocol_->tdx_clear_and_unpin(*this, pfn, level);
    pamtPut(pfn, level);
    return 0;
}

int TdxBackend::tdx_sept_remove_private_spte(Gfn gfn, Level level, Pfn pfn) {
    Call call(sim_, "tdx_sept_remove_private_spte");
    if (kvm_.KVM_BUG_ON(!is_hkid_assigned(), Assert::RemoveNoHkid))
        return -kEINVAL;
    if (const int r = protocol_->tdx_sept_zap_private_spte(*this, gfn, level, pfn); r <= 0)
        return r;
    protocol_->tdx_track(*this);
    return tdx_sept_drop_private_spte(gfn, level, pfn);
}

// One after the other, as from v6.19 on.
int TdxBackend::block_track_remove(Gfn gfn, Level level, Pfn pfn) {
    kvm_.lockdep_assert_held_write(LockId::MmuLock);
    if (kvm_.KVM_BUG_ON(!is_hkid_assigned(), Assert::RemoveNoHkid) || kvm_.KVM_BUG_ON(!mayBeLeaf(level), Assert::DropLevel))
        return -kEIO;
    if (const int r = protocol_->tdx_sept_zap_private_spte(*this, gfn, level, pfn); r <= 0)
        return r;
    protocol_->tdx_track(*this);
    return remove_and_clear(gfn, level, pfn);
}

int TdxBackend::remove_external_spte(Gfn gfn, Level level, Pfn pfn) {
    return protocol_->tdx_sept_remove_private_spte(*this, gfn, level, pfn);
}

// Tables of a live TD are never taken out.
int TdxBackend::tdx_sept_free_private_spt(Gfn, Level, Pfn spt) {
    Call call(sim_, "tdx_sept_free_private_spt");
    if (kvm_.KVM_BUG_ON(is_hkid_assigned(), Assert::FreeWithHkid))
        return -kEINVAL;
    if (!tdx_reclaim_page(spt))
        return -kEIO;
    pamtPut(spt);
    return 0;
}

bool TdxBackend::tdx_reclaim_page(Pfn page) {
    Call call(sim_, "tdx_reclaim_page");
    Regs regs{.rcx = hpa(page)};
    return !kvm_.WARN_ON_ONCE(seamcall(Leaf::PhymemPageReclaim, regs) != tdx::kSuccess, Assert::ReclaimFailed);
}

} // namespace mirrorscope
