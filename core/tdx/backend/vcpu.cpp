// SPDX-License-Identifier: GPL-3.0-or-later
// A TD's vCPUs: entry through TDH.VP.ENTER, exits, and EPT violations (v6.16 tdx.c).
#include "base/hash.h"
#include "kvm/exits.h"
#include "tdx/backend/protocol.h"

namespace mirrorscope {

int TdxBackend::vcpu_pre_run(unsigned vcpu) {
    Call call(sim_, "tdx_vcpu_pre_run");
    sim_.step(Site::VmRead);
    return get(Word::State) == kRunnable && tdvpr(vcpu).v != 0 ? 0 : -kEINVAL;
}

EnterResult TdxBackend::vcpu_run(unsigned vcpu) {
    Call call(sim_, "tdx_vcpu_run");
    sim_.step(Site::VmRead);
    if (get(Word::WaitForSeptZap) != 0) // EXIT_FASTPATH_EXIT_HANDLED without entering
        return {EnterResult::Kind::Again};
    Regs regs{.rcx = hpa(tdvpr(vcpu))};
    const u64 status = seamcall(Leaf::VpEnter, regs);
    if (tdx::isBusy(status))
        return {EnterResult::Kind::Again};
    if (status != tdx::kSuccess) // tdx_handle_exit(): unhandled_exit
        return {EnterResult::Kind::Failed, 0, {KvmExit::InternalError}};
    if (regs.r10 != 0 && !kvm_.tlb(vcpu).empty()) {
        sim_.step(Site::TlbFlush); // the module flushes before it enters: the epoch has changed
        kvm_.tlb(vcpu).flush();
        sim_.count(Counter::TlbFlush);
    }
    noteModuleFlush(vcpu);
    return {};
}

void TdxBackend::noteModuleFlush(unsigned vcpu) { kvm_.machine().set(tlbEpoch_ + vcpu, module_.peekTdvps(tdvpr(vcpu), tdvps::VcpuEpoch)); }

void TdxBackend::left(unsigned vcpu) { module_.tdExit(tdvpr(vcpu)); }

Pfn TdxBackend::hardwareRoot(unsigned vcpu, Alias alias) const {
    if (alias == Alias::Private)
        return module_.septRoot(tdr());
    return {kvm_.machine().get(kvm_.vcpuWord(vcpu, Kvm::VcpuWord::RootHpa))}; // SHARED_EPT_POINTER
}

bool TdxBackend::flushPending(unsigned vcpu) const {
    return tdr().v == 0 || kvm_.machine().peek(tlbEpoch_ + vcpu) != module_.peekTdcs(tdr(), tdcs::TdEpoch);
}

// A guest that accepts by itself knows that the page begins anew; one that does so at a #VE may have had data there.
Outcome TdxBackend::accept(unsigned vcpu, const GuestOp& op, u64 gpa, bool& exits, EptWalk&) {
    const Outcome outcome = acceptPage(vcpu, gpa, op.level, exits);
    if (!exits && outcome.kind == Outcome::Kind::Ok) {
        const Gfn start = roundDown({gpa >> 12}, op.level);
        kvm_.forgetWrites({start, {start.v + pagesPer(op.level)}}, Alias::Private);
    }
    return outcome;
}

Outcome TdxBackend::acceptPage(unsigned vcpu, u64 gpa, Level level, bool& exits) {
    Outcome outcome;
    Forget forget(sim_);
    const u64 status = module_.tdg_mem_page_accept(tdvpr(vcpu), gpaLevel(roundDown({gpa >> 12}, level), level), exits);
    forget.but(mix(status, exits));
    if (status != tdx::kSuccess) {
        outcome.kind = Outcome::Kind::Status;
        outcome.code = status;
    }
    return outcome;
}

HandledExit TdxBackend::handle_violation(unsigned vcpu, const GuestOp& op, u64 gpa, const EptWalk& walk) {
    const bool isShared = op.alias == Alias::Shared && op.kind != GuestOp::Kind::Accept;
    std::optional<Level> accepts;
    if (op.kind == GuestOp::Kind::Accept)
        accepts = op.level;
    if (!isShared && op.kind != GuestOp::Kind::Accept) {
        // The CPU exits into the module, which looks at the entry once more.
        const auto kind = module_.classifyViolation(tdr(), gpa >> 12);
        if (kind == TdxModule::Violation::Ve) {
            if (!kvm_.config().veHandlerAccepts)
                return {.run = {.details = veInfo(op, gpa)}, .guestVe = true};
            bool exits = false;
            acceptPage(vcpu, gpa, Level::k4K, exits);
            if (!exits)
                return {.result = 1};
            accepts = Level::k4K; // of a page that is mapped as a part of a larger one; once it is split, the access brings the #VE again
        } else if (kind == TdxModule::Violation::ExitPending) {
            kvm_.vcpu_exit_guest(vcpu);
            Call call(sim_, "tdx_handle_ept_violation");
            sim_.mark({.kind = MarkKind::Exit, .code = 48, .a = {vcpu, gpa, 6, 0, 0, 0}});
            kvm_.kvm_vm_dead(); // the guest touched a page before it accepted it
            return {.result = -kEIO};
        }
    }
    if (isShared && op.kind != GuestOp::Kind::Exec && walk.outcome == EptWalk::Outcome::Violation && walk.entry != 0 &&
        (walk.entry & ept::kSuppressVe) == 0 && !spte::isPresent(walk.entry)) {
        // An MMIO entry of a TD: the guest gets a #VE and asks by TDVMCALL.
        kvm_.vcpu_exit_guest(vcpu);
        sim_.mark({.kind = MarkKind::Exit, .code = 77, .a = {vcpu, gpa, 0, 0, 0, 0}});
        return {.result = 0, .run = mmioExit(op, gpa)};
    }
    kvm_.vcpu_exit_guest(vcpu);
    sim_.mark({.kind = MarkKind::Exit, .code = 48, .a = {vcpu, gpa, accepts ? 1u : 0u, isShared, 0, static_cast<u64>(op.access())}});
    return tdx_handle_ept_violation(vcpu, op, gpa, walk, accepts);
}

HandledExit TdxBackend::tdx_handle_ept_violation(unsigned vcpu, const GuestOp& op, u64 gpa, const EptWalk& walk,
                                                 std::optional<Level> accepts) {
    Call call(sim_, "tdx_handle_ept_violation");
    HandledExit handled;
    const bool isShared = op.alias == Alias::Shared && op.kind != GuestOp::Kind::Accept;
    if (isShared) {
        if (kvm_.KVM_BUG_ON(op.kind == GuestOp::Kind::Exec, Assert::FetchShared)) {
            handled.result = -kEIO;
            return handled;
        }
        const u64 addr = (gpa >> 12 | kvm_.config().directBits()) << 12;
        const int r = kvm_.kvm_mmu_page_fault(vcpu, addr, op.access(), false, (walk.entry & ept::kRwx) != 0, handled.run);
        handled.result = r < 0 ? r : 1; // RET_PF_EMULATE: the guest retries and gets a #VE
        return handled;
    }
    if (accepts && kvm_.config().has(Feature::Private2M))
        if (const int r = protocol_->tdx_honor_guest_accept_level(*this, {gpa >> 12}, *accepts); r != 0)
            return {.result = r};
    // A private fault is always handled as a write, and repeated here: entering again with the fault unresolved would arm the module's
    // zero-step filter.
    for (Retry retry(sim_);; retry.again()) {
        const int r = kvm_.kvm_mmu_page_fault(vcpu, gpa, Access::Write, true, false, handled.run);
        handled.result = r < 0 ? r : 1;
        if (r != RET_PF_RETRY || !protocol_->retries_locally(*this, vcpu, gpa))
            return handled;
        if (protocol_->vm_dead_pending(*this, vcpu)) {
            handled.result = -kEIO;
            return handled;
        }
    }
}

} // namespace mirrorscope
