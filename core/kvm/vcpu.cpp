// SPDX-License-Identifier: GPL-3.0-or-later
// vCPUs: KVM_RUN, requests, kicks, and what the guest does between entry and exit (Linux v6.16 x86.c, kvm_main.c).
#include "kvm/kvm.h"

namespace mirrorscope {

bool Kvm::tlbUsable(unsigned vcpu, Alias alias) const {
    if (machine_->peek(vcpuWord(vcpu, VcpuWord::Running)) != 0)
        return true;
    if (!inGuest(vcpu) && (machine_->peek(vcpuWord(vcpu, VcpuWord::Requests)) & kReqTlbFlush) != 0)
        return false;
    // It loads another root before it enters, and flushes then; on a TD that reaches the shared half only.
    const Pfn root{machine_->peek(vcpuWord(vcpu, VcpuWord::RootHpa))};
    if ((config_.vm != VmType::Tdx || alias == Alias::Shared) && !config_.broken(Break::KeepInvalidRoot) &&
        (root.v == 0 || machine_->peek(vcpuWord(vcpu, VcpuWord::FlushOwed)) != 0 || role::isInvalid(machine_->peek(sp(root, kRole)))))
        return false;
    return !vcpuOps_->flushPending(vcpu);
}

EnterResult Kvm::vcpu_enter_guest(unsigned vcpu) {
    Call call(sim_, "vcpu_enter_guest");
    if (vmDead())
        return {EnterResult::Kind::Failed, kEIO};
    const Place requests = vcpuWord(vcpu, VcpuWord::Requests);
    if ((machine_->get(requests) & kReqFreeObsoleteRoots) != 0) {
        sim_.step(Site::TlbRequest);
        machine_->set(requests, machine_->get(requests) & ~kReqFreeObsoleteRoots);
        kvm_mmu_free_obsolete_roots(vcpu);
    }
    if (const int r = kvm_mmu_load(vcpu); r != 0)
        return {EnterResult::Kind::Failed, -r};
    if ((machine_->get(requests) & kReqTlbFlush) != 0) {
        sim_.step(Site::TlbFlush);
        machine_->set(requests, machine_->get(requests) & ~kReqTlbFlush);
        tlbs_[vcpu].flush();
        sim_.count(Counter::TlbFlush);
    }
    sim_.step(Site::VcpuEnter);
    // Requests are looked at once more after the mode is visible, or a sender could miss this vCPU.
    if (machine_->get(requests) != 0 || vmDead())
        return {EnterResult::Kind::Again, 0};
    machine_->set(vcpuWord(vcpu, VcpuWord::Mode), 1);
    sim_.srcuReadUnlock(); // kvm_vcpu_srcu_read_unlock(): the guest runs outside of it
    const EnterResult result = vcpuOps_->vcpu_run(vcpu);
    if (result.kind != EnterResult::Kind::Entered) {
        vcpu_exit_guest(vcpu); // cancel_injection: OUTSIDE_GUEST_MODE again
        return result;
    }
    machine_->set(vcpuWord(vcpu, VcpuWord::Running), 1);
    sim_.count(Counter::Exit); // it will leave once, too
    return result;
}

void Kvm::vcpu_exit_guest(unsigned vcpu) {
    sim_.step(Site::VcpuExit);
    machine_->set(vcpuWord(vcpu, VcpuWord::Running), 0);
    vcpuOps_->left(vcpu);
    sim_.srcuReadLock();
    flushPml(vcpu);
    machine_->set(vcpuWord(vcpu, VcpuWord::Mode), 0);
    if (machine_->get(vcpuWord(vcpu, VcpuWord::Ipi)) != 0) {
        sim_.step(Site::KickAck);
        machine_->set(vcpuWord(vcpu, VcpuWord::Ipi), 0);
    }
}

// One access of the guest; true when it completed, else `walk` says where it was stopped.
bool Kvm::access(unsigned vcpu, const GuestOp& op, u64 gpa, u64 value, Outcome& outcome, EptWalk& walk) {
    Tlb& tlb = tlbs_[vcpu];
    const Gfn gfn{gpa >> 12};
    const Access kind = op.access();
    constexpr u64 needs[] = {ept::kRead, ept::kWrite, ept::kExec};
    const u64 need = needs[static_cast<unsigned>(kind)];
    const auto usable = [&](const std::optional<TlbEntry>& e) { return e && (e->rwx & need) != 0 && (kind != Access::Write || e->dirty); };
    // Only this vCPU changes its TLB, so looking at it before the step is no race.
    if (!usable(tlb.lookup(gfn, op.alias))) {
        sim_.step(Site::TlbFill);
        const u64 gpn = gfn.v | (op.alias == Alias::Shared ? config_.directBits() : 0);
        walk = walkEpt(*machine_, vcpuOps_->hardwareRoot(vcpu, op.alias), config_.levels, gpn, kind, masks_.format);
        for (unsigned i = 0; watch_ != nullptr && i < walk.depth; ++i)
            watch_->tableRead(walk.path[i]);
        if (walk.outcome == EptWalk::Outcome::Translated)
            vcpuOps_->checkOwner(gfn, op.alias, kind, walk);
        if (walk.outcome != EptWalk::Outcome::Translated)
            return false;
        // The CPU sets accessed bits on the way and the dirty bit of the leaf; the secure EPT has A/D off.
        const bool secure = (config_.directBits() != 0 && op.alias == Alias::Private) || !config_.adBits;
        if (!secure) {
            for (unsigned i = 0; i < walk.depth; ++i)
                machine_->set(walk.path[i], machine_->get(walk.path[i]) | masks_.format.accessed);
            if (kind == Access::Write && (machine_->get(walk.place) & masks_.format.dirty) == 0) {
                machine_->set(walk.place, machine_->get(walk.place) | masks_.format.dirty);
                logByCpu(vcpu, gfn);
            }
        }
        const u64 leaf = machine_->get(walk.place);
        const u64 offset = gfn.v & (pagesPer(walk.level) - 1);
        tlb.insert({gfn, op.alias, walk.level, {ept::pfnOf(leaf).v + offset}, walk.rwx, secure || (leaf & masks_.format.dirty) != 0});
    }
    sim_.step(Site::TlbHit);
    const auto entry = tlb.lookup(gfn, op.alias);
    if (!usable(entry))
        return false;
    sim_.mark({.kind = MarkKind::TlbHit, .a = {gfn.v << 12, op.alias == Alias::Shared, vcpu, entry->pfn.v, 0, 0}});
    const Place word = wordOf(entry->pfn, static_cast<unsigned>(gpa >> 3 & 511));
    // Looked up only where somebody needs it: a read that nobody watches is the hot path.
    const auto record = op.kind == GuestOp::Kind::Write || watch_ != nullptr ? lastWrite(gfn, op.alias) : std::nullopt;
    const u64 number = gpa >> 3 & 511;
    if (op.kind == GuestOp::Kind::Write) {
        machine_->set(word, value);
        if (record) {
            machine_->set(*record, number + 1);
            machine_->set(*record + 1, value);
        }
    } else {
        outcome.value = vcpuOps_->decrypted(op.alias, entry->pfn, machine_->get(word));
        if (watch_ != nullptr)
            watch_->guestRead(vcpu, gfn, op.alias, number, outcome.value, record);
    }
    return true;
}

// KVM_RUN until what the guest does in this script step is done, or user space is needed.
Outcome Kvm::runGuest(unsigned vcpu, const GuestOp& op) {
    Call call(sim_, "kvm_arch_vcpu_ioctl_run");
    sim_.vcpuLock(vcpu);
    sim_.srcuReadLock();
    const Outcome outcome = runGuestInside(vcpu, op);
    leaveKvmRun(vcpu);
    return outcome;
}

Outcome Kvm::runGuestInside(unsigned vcpu, const GuestOp& op) {
    Outcome outcome;
    bool inside = false;
    const Place ipi = vcpuWord(vcpu, VcpuWord::Ipi);
    for (u64 i = 0; i < op.count; ++i) {
        const u64 gpa = op.address(i);
        while (true) {
            sim_.retryPoint(i << 1 | inside);
            if (inside && machine_->get(ipi) != 0) {
                vcpu_exit_guest(vcpu);
                inside = false;
            }
            if (!inside) {
                const EnterResult entered = vcpu_enter_guest(vcpu);
                if (entered.kind == EnterResult::Kind::Again)
                    continue;
                if (entered.kind == EnterResult::Kind::Failed) {
                    outcome.kind = Outcome::Kind::Errno;
                    outcome.code = static_cast<u64>(entered.error);
                    return outcome;
                }
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
            } else if (access(vcpu, op, gpa, op.value + i, outcome, walk)) {
                break;
            }
            const HandledExit handled = vcpuOps_->handle_violation(vcpu, op, gpa, walk);
            if (handled.guestVe) {
                outcome.kind = config_.vm == VmType::Snp ? Outcome::Kind::Vc : Outcome::Kind::Ve;
                vcpu_exit_guest(vcpu);
                return outcome;
            }
            inside = inGuest(vcpu); // a #VE is handled inside
            if (handled.result <= 0) {
                outcome.kind = handled.reason != KvmExit::None ? Outcome::Kind::Exit : Outcome::Kind::Errno;
                outcome.code = handled.reason != KvmExit::None ? static_cast<u64>(handled.reason) : static_cast<u64>(-handled.result);
                if (inside)
                    vcpu_exit_guest(vcpu);
                return outcome;
            }
        }
    }
    if (inside)
        vcpu_exit_guest(vcpu);
    return outcome;
}

// kvm_make_all_cpus_request(KVM_REQ_TLB_FLUSH): the flush itself is done by each vCPU before its next entry.
void Kvm::kvm_flush_remote_tlbs() {
    if (config_.broken(Break::SkipFlush))
        return;
    Call call(sim_, "kvm_flush_remote_tlbs");
    for (unsigned v = 0; v < config_.vcpus; ++v) {
        sim_.step(Site::TlbRequest);
        machine_->set(vcpuWord(v, VcpuWord::Requests), machine_->get(vcpuWord(v, VcpuWord::Requests)) | kReqTlbFlush);
    }
    kick_all_outside_guest_mode();
}

void Kvm::kick_all_outside_guest_mode() {
    Call call(sim_, "kvm_make_all_cpus_request");
    u64 waitFor = 0;
    for (unsigned v = 0; v < config_.vcpus; ++v) {
        // Read as part of the micro-step before: what was made visible by it is seen by whoever enters after it.
        if (machine_->get(vcpuWord(v, VcpuWord::Mode)) == 0)
            continue;
        sim_.step(Site::KickSend);
        if (machine_->get(vcpuWord(v, VcpuWord::Mode)) == 0)
            continue;
        machine_->set(vcpuWord(v, VcpuWord::Ipi), 1);
        waitFor |= 1ull << v;
    }
    for (unsigned v = 0; v < config_.vcpus; ++v)
        if ((waitFor >> v & 1) != 0)
            sim_.wait(Site::KickWait, {.kind = Condition::Kind::Equals, .place = vcpuWord(v, VcpuWord::Ipi)});
}

} // namespace mirrorscope
