// SPDX-License-Identifier: GPL-3.0-or-later
// What a guest asks of its host: halt, a hypercall to user space, and a change of memory's kind: MapGPA of a TD (Linux v6.16 vmx/tdx.c:
// handle_tdvmcall(), tdx_map_gpa(), __tdx_map_gpa(), tdx_complete_vmcall_map_gpa()), page-state change of an SNP guest (svm/sev.c:
// snp_begin_psc()), KVM_HC_MAP_GPA_RANGE.
#include "kvm/kvm.h"

#include <algorithm>

namespace mirrorscope {

// Begins a KVM_RUN, which leaveKvmRun() ends unless it failed.
int Kvm::enterGuest(unsigned vcpu, u64 token) {
    sim_.vcpuLock(vcpu);
    sim_.srcuReadLock();
    while (true) {
        sim_.retryPoint(token);
        const EnterResult entered = vcpu_enter_guest(vcpu);
        if (entered.kind == EnterResult::Kind::Entered)
            return 0;
        if (entered.kind == EnterResult::Kind::Failed) {
            leaveKvmRun(vcpu);
            return entered.error;
        }
    }
}

void Kvm::leaveKvmRun(unsigned vcpu) {
    sim_.srcuReadUnlock();
    sim_.vcpuUnlock(vcpu);
}

void Kvm::exitForCall(unsigned vcpu) {
    constexpr u8 kVmcall = 18, kTdcall = 77, kVmgexit = 201; // exit reasons
    vcpu_exit_guest(vcpu);
    sim_.mark({.kind = MarkKind::Exit,
               .code = config_.vm == VmType::Tdx   ? kTdcall
                       : config_.vm == VmType::Snp ? kVmgexit
                                                   : kVmcall,
               .a = {vcpu, 0, 0, 0, 0, 0}});
}

Outcome Kvm::leaveGuest(unsigned vcpu, KvmExit reason) {
    Call call(sim_, "kvm_arch_vcpu_ioctl_run");
    if (const int error = enterGuest(vcpu, 0x4c); error != 0)
        return {Outcome::Kind::Errno, static_cast<u64>(error), 0};
    exitForCall(vcpu);
    leaveKvmRun(vcpu);
    return {Outcome::Kind::Exit, static_cast<u64>(reason), 0};
}

// The guest asks for at most 2M at a time; each part leaves to user space, which answers with KVM_SET_MEMORY_ATTRIBUTES.
// KVM itself changes nothing. What is refused is refused to the guest: EINVAL stands for TDVMCALL_STATUS_INVALID_OPERAND and
// TDVMCALL_STATUS_ALIGN_ERROR.
Outcome Kvm::mapGpa(unsigned vcpu, u64 gpa, u64 size, bool makePrivate) {
    Call call(sim_, "kvm_arch_vcpu_ioctl_run");
    // A page-state change lists its entries; those that follow one another are one exit.
    const u64 chunk = config_.vm == VmType::Snp ? std::max<u64>(size, 1) : 2u << 20;
    if (const int error = enterGuest(vcpu, 0x3a); error != 0)
        return {Outcome::Kind::Errno, static_cast<u64>(error), 0};
    exitForCall(vcpu);
    leaveKvmRun(vcpu); // user space answers
    int result = 0;
    {
        Call handler(sim_, config_.vm == VmType::Tdx   ? "tdx_map_gpa"
                           : config_.vm == VmType::Snp ? "snp_begin_psc"
                                                       : "kvm_emulate_hypercall");
        if (gpa + size <= gpa || ((gpa | size) & 0xfff) != 0)
            result = -kEINVAL;
        for (u64 at = gpa; result == 0 && at < gpa + size; at += chunk) {
            Call exit(sim_, "KVM_EXIT_HYPERCALL");
            const u64 end = std::min(at + chunk, gpa + size);
            sim_.step(Site::CallEnter); // its ioctl
            result = vmDead() ? -kEIO : kvm_vm_set_mem_attributes({{at >> 12}, {end >> 12}}, makePrivate);
        }
    }
    if (const int error = enterGuest(vcpu, 0x3b); error != 0)
        return {Outcome::Kind::Errno, static_cast<u64>(error), 0};
    vcpu_exit_guest(vcpu);
    leaveKvmRun(vcpu);
    return result == 0 ? Outcome{} : Outcome{Outcome::Kind::Errno, static_cast<u64>(-result), 0};
}

} // namespace mirrorscope
