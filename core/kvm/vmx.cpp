// SPDX-License-Identifier: GPL-3.0-or-later
#include "kvm/vmx.h"

#include "kvm/exits.h"

namespace mirrorscope {

VmTraits VmxOps::traits() {
    constexpr u8 kVmcall = 18; // EXIT_REASON_VMCALL
    return {.masks = {}, .cpuDirtyLog = true, .callExit = kVmcall, .mapGpa = "kvm_emulate_hypercall", .mapGpaChunk = 0};
}

Pfn VmxOps::hardwareRoot(unsigned vcpu, Alias) const { return {kvm_.machine().get(kvm_.vcpuWord(vcpu, Kvm::VcpuWord::RootHpa))}; }

Outcome VmxOps::accept(unsigned, const GuestOp&, u64, bool& exits, EptWalk&) {
    exits = false;
    return {.kind = Outcome::Kind::Errno, .code = kEINVAL};
}

namespace {
// x86_emulate_instruction(): an instruction cannot be fetched from where no memory is (handle_emulation_failure()).
KvmRun emulated(const GuestOp& op, u64 gpa) { return op.kind == GuestOp::Kind::Exec ? KvmRun{KvmExit::InternalError} : mmioExit(op, gpa); }
} // namespace

HandledExit VmxOps::handle_violation(unsigned vcpu, const GuestOp& op, u64 gpa, const EptWalk& walk) {
    Sim& sim = kvm_.sim();
    kvm_.vcpu_exit_guest(vcpu);
    sim.mark({.kind = MarkKind::Exit,
              .code = walk.outcome == EptWalk::Outcome::Misconfig ? u8{49} : u8{48},
              .a = {vcpu, gpa & ~kSmmGpa, 0, 0, (gpa & kSmmGpa) != 0, static_cast<u64>(op.access())}});
    HandledExit handled;
    if (walk.outcome == EptWalk::Outcome::Misconfig) {
        Call call(sim, "handle_ept_misconfig");
        if (kvm_.isCurrentMmio(walk.entry)) {
            handled.result = 0;
            handled.run = emulated(op, gpa);
            return handled;
        }
    }
    Call call(sim, "handle_ept_violation");
    const int r = kvm_.kvm_mmu_page_fault(vcpu, gpa, op.access(), false, walk.rwx != 0, handled.run);
    handled.result = r < 0 ? r : 1;
    if (r == RET_PF_EMULATE) {
        handled.result = 0;
        handled.run = emulated(op, gpa);
    }
    return handled;
}

} // namespace mirrorscope
