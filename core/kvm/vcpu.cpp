// SPDX-License-Identifier: GPL-3.0-or-later
// KVM_RUN: into the guest and out of it (Linux v6.16 x86.c: kvm_arch_vcpu_ioctl_run(), vcpu_enter_guest()).
#include "kvm/protocol.h"

namespace mirrorscope {

bool Kvm::tlbUsable(unsigned vcpu) const {
    if (machine_->peek(vcpuWord(vcpu, VcpuWord::Running)) != 0)
        return true;
    // Whoever has not asked for the last time yet looks for requests before he is in the guest.
    if (machine_->peek(vcpuWord(vcpu, VcpuWord::Entering)) == 0) {
        if ((machine_->peek(vcpuWord(vcpu, VcpuWord::Requests)) & (kReqTlbFlush | kReqVmDead)) != 0)
            return false;
        // He loads another root before he enters, and flushes then.
        const Pfn root{machine_->peek(vcpuWord(vcpu, VcpuWord::RootHpa))};
        if (root.v == 0 || machine_->peek(vcpuWord(vcpu, VcpuWord::FlushOwed)) != 0)
            return false;
        if ((machine_->peek(vcpuWord(vcpu, VcpuWord::Requests)) & kReqFreeObsoleteRoots) != 0 && protocol_->is_obsolete_root(*this, vcpu))
            return false;
    }
    return !vcpuOps_->flushPending(vcpu);
}

EnterResult Kvm::vcpu_enter_guest(unsigned vcpu) {
    Call call(sim_, "vcpu_enter_guest");
    if (kvm_check_request(vcpu, kReqVmDead))
        return {EnterResult::Kind::Failed, kEIO};
    if (kvm_dirty_ring_check_request(vcpu))
        return {EnterResult::Kind::Failed, 0, {KvmExit::DirtyRingFull, {}}};
    if (kvm_check_request(vcpu, kReqFreeObsoleteRoots))
        kvm_mmu_free_obsolete_roots(vcpu);
    if (kvm_check_request(vcpu, kReqTlbFlush)) {
        machine_->set(vcpuWord(vcpu, VcpuWord::FlushOwed), 1);
        sim_.step(Site::TlbFlush);
        vcpuOps_->flushCurrent(vcpu);
        machine_->set(vcpuWord(vcpu, VcpuWord::FlushOwed), 0);
        sim_.count(Counter::TlbFlush);
    }
    if (kvm_check_request(vcpu, kReqCpuDirtyLogging))
        vmx_update_cpu_dirty_logging(vcpu);
    // An SMI is injected, or the guest executed RSM.
    if (const bool smm = machine_->get(vcpuWord(vcpu, VcpuWord::SmmWanted)) != 0; smm != inSmmMode(vcpu))
        kvm_smm_changed(vcpu, smm);
    if (const int r = protocol_->kvm_mmu_reload(*this, vcpu); r != 0)
        return {EnterResult::Kind::Failed, -r};
    // The mode first, the requests once more after it, or a sender could miss this vCPU. The guest runs outside of SRCU.
    sim_.store(Site::VcpuMode, vcpuWord(vcpu, VcpuWord::Mode), kInGuestMode);
    machine_->set(vcpuWord(vcpu, VcpuWord::IrqsOff), 1);
    protocol_->vcpu_srcu_read_unlock_mb(*this);
    sim_.step(Site::VcpuEnter);
    // kvm_vcpu_exit_request()
    if (machine_->get(vcpuWord(vcpu, VcpuWord::Requests)) != 0 || machine_->get(vcpuWord(vcpu, VcpuWord::Mode)) == kExitingGuestMode) {
        leaveGuestMode(vcpu);
        return {EnterResult::Kind::Again};
    }
    machine_->set(vcpuWord(vcpu, VcpuWord::Entering), 1);
    const EnterResult result = vcpuOps_->vcpu_run(vcpu);
    if (result.kind != EnterResult::Kind::Entered) {
        leaveGuestMode(vcpu);
        return result;
    }
    machine_->set(vcpuWord(vcpu, VcpuWord::Running), 1);
    sim_.count(Counter::Exit); // it will leave once, too
    return result;
}

// kvm_vcpu_srcu_read_unlock() and smp_mb__after_srcu_read_unlock(), which is empty: the barrier is inside of the first.
void Kvm::vcpu_srcu_read_unlock_mb() { sim_.srcuReadUnlock(); }

// IRQs are on again: an IPI that came meanwhile is taken.
void Kvm::leaveGuestMode(unsigned vcpu) {
    sim_.store(Site::VcpuMode, vcpuWord(vcpu, VcpuWord::Mode), kOutsideGuestMode);
    machine_->set(vcpuWord(vcpu, VcpuWord::IrqsOff), 0);
    machine_->set(vcpuWord(vcpu, VcpuWord::Entering), 0);
    if (machine_->get(vcpuWord(vcpu, VcpuWord::Ipi)) != 0) {
        sim_.step(Site::KickAck);
        machine_->set(vcpuWord(vcpu, VcpuWord::Ipi), 0);
    }
    sim_.srcuReadLock();
}

void Kvm::vcpu_exit_guest(unsigned vcpu) {
    Forget forget(sim_);
    sim_.step(Site::VcpuExit);
    machine_->set(vcpuWord(vcpu, VcpuWord::Running), 0);
    vcpuOps_->left(vcpu);
    leaveGuestMode(vcpu);
    vmx_flush_pml_buffer(vcpu);
    forget.all();
}

// KVM_RUN until what the guest does in this script step is done, or user space is needed.
Outcome Kvm::runGuest(unsigned vcpu, const GuestOp& op) {
    Call call(sim_, "kvm_arch_vcpu_ioctl_run");
    sim_.vcpuLock(vcpu);
    sim_.srcuReadLock();
    machine_->set(vcpuWord(vcpu, VcpuWord::SmmWanted), isSmm({op.gpa >> 12}));
    const int refused = vcpuOps_->vcpu_pre_run(vcpu);
    const Outcome outcome = refused != 0 ? failedWith(-refused) : runGuestInside(vcpu, op);
    leaveKvmRun(vcpu);
    return outcome;
}

void Kvm::leaveKvmRun(unsigned vcpu) {
    sim_.srcuReadUnlock();
    sim_.vcpuUnlock(vcpu);
}

namespace {
Outcome outcomeOf(const EnterResult& failed) {
    return failed.run.reason != KvmExit::None ? leftFor(failed.run, failed.error) : failedWith(failed.error);
}
} // namespace

Outcome Kvm::runGuestInside(unsigned vcpu, const GuestOp& op) {
    Outcome outcome;
    bool inside = false;
    const Place ipi = vcpuWord(vcpu, VcpuWord::Ipi);
    for (u64 i = 0; i < op.count; ++i) {
        const u64 gpa = op.address(i);
        outcome = {};
        for (Retry retry(sim_, Retry::Settled{i << 1 | inside});; retry.again(i << 1 | inside)) {
            if (inside && machine_->get(ipi) != 0) {
                vcpu_exit_guest(vcpu);
                inside = false;
                continue; // that it was inside matters no more
            }
            if (!inside) {
                Forget forget(sim_);
                const EnterResult entered = vcpu_enter_guest(vcpu);
                forget.but([&] { return entered.hash(); });
                if (entered.kind == EnterResult::Kind::Again)
                    continue;
                if (entered.kind == EnterResult::Kind::Failed)
                    return outcomeOf(entered);
                inside = true;
                if (machine_->get(ipi) != 0)
                    continue;
            }
            EptWalk walk;
            if (op.kind == GuestOp::Kind::Accept) {
                bool exits = false;
                const Outcome result = vcpuOps_->accept(vcpu, op, gpa, exits, walk);
                if (!exits) {
                    outcome = result;
                    break;
                }
            } else {
                const Accessed accessed = access(vcpu, op, gpa, op.value + i, outcome, walk);
                if (accessed == Accessed::Done)
                    break;
                if (accessed == Accessed::LogFull) { // EXIT_REASON_PML_FULL
                    vcpu_exit_guest(vcpu);
                    inside = false;
                    continue;
                }
                if (accessed == Accessed::Again)
                    continue;
            }
            Forget forget(sim_);
            const HandledExit handled = vcpuOps_->handle_violation(vcpu, op, gpa, walk);
            forget.but([&] { return handled.hash(); });
            if (watch_ != nullptr)
                watch_->operationEnds();
            if (handled.guestVe) {
                outcome = {config_.vm == VmType::Snp ? Outcome::Kind::Vc : Outcome::Kind::Ve, 0, 0, handled.run.details};
                vcpu_exit_guest(vcpu);
                return outcome;
            }
            inside = inGuest(vcpu); // a #VE is handled inside
            if (handled.result <= 0) {
                if (inside)
                    vcpu_exit_guest(vcpu);
                return handled.run.reason != KvmExit::None ? leftFor(handled.run, -handled.result) : failedWith(-handled.result);
            }
        }
    }
    if (inside)
        vcpu_exit_guest(vcpu);
    return outcome;
}

// A KVM_RUN that ends in the guest, where leaveKvmRun() is owed; or how it failed.
std::optional<Outcome> Kvm::enterGuest(unsigned vcpu) {
    sim_.vcpuLock(vcpu);
    sim_.srcuReadLock();
    EnterResult entered{EnterResult::Kind::Failed, -vcpuOps_->vcpu_pre_run(vcpu)};
    if (entered.error == 0)
        for (Retry retry(sim_);; retry.again())
            if (entered = vcpu_enter_guest(vcpu); entered.kind != EnterResult::Kind::Again)
                break;
    if (entered.kind == EnterResult::Kind::Entered)
        return std::nullopt;
    leaveKvmRun(vcpu);
    return outcomeOf(entered);
}

} // namespace mirrorscope
