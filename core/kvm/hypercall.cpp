// SPDX-License-Identifier: GPL-3.0-or-later
// What a guest asks of its host: halt, a hypercall to user space, and a change of memory's kind: MapGPA of a TD (Linux v6.16 vmx/tdx.c:
// handle_tdvmcall(), tdx_map_gpa(), __tdx_map_gpa(), tdx_complete_vmcall_map_gpa()), page-state change of an SNP guest (svm/sev.c:
// snp_begin_psc()), KVM_HC_MAP_GPA_RANGE.
#include "kvm/kvm.h"

#include <algorithm>

namespace mirrorscope {

void Kvm::exitForCall(unsigned vcpu) {
    vcpu_exit_guest(vcpu);
    sim_.mark({.kind = MarkKind::Exit, .code = traits_.callExit, .a = {vcpu, 0, 0, 0, 0, 0}});
}

Outcome Kvm::leaveGuest(unsigned vcpu, KvmExit reason) {
    Call call(sim_, "kvm_arch_vcpu_ioctl_run");
    if (const auto failed = enterGuest(vcpu))
        return *failed;
    exitForCall(vcpu);
    leaveKvmRun(vcpu);
    return {Outcome::Kind::Exit, static_cast<u64>(reason), 0};
}

// Each part leaves to user space, which answers with KVM_SET_MEMORY_ATTRIBUTES. KVM itself changes nothing. What is refused is refused
// to the guest: EINVAL stands for TDVMCALL_STATUS_INVALID_OPERAND and TDVMCALL_STATUS_ALIGN_ERROR.
Outcome Kvm::mapGpa(unsigned vcpu, u64 gpa, u64 size, bool makePrivate) {
    Call call(sim_, "kvm_arch_vcpu_ioctl_run");
    // A page-state change lists its entries; those that follow one another are one exit.
    const u64 chunk = std::max<u64>(traits_.mapGpaChunk != 0 ? traits_.mapGpaChunk : size, 1);
    if (const auto failed = enterGuest(vcpu))
        return *failed;
    exitForCall(vcpu);
    leaveKvmRun(vcpu); // user space answers
    int result = 0;
    const auto ioctl = [&] {
        sim_.step(Site::CallEnter);
        return vmDead() ? -kEIO : 0;
    };
    {
        Call handler(sim_, traits_.mapGpa);
        if (gpa + size <= gpa || ((gpa | size) & 0xfff) != 0)
            result = -kEINVAL;
        for (u64 at = gpa; result == 0 && at < gpa + size; at += chunk) {
            Call exit(sim_, "KVM_EXIT_HYPERCALL");
            const u64 end = std::min(at + chunk, gpa + size);
            result = ioctl();
            if (result == 0)
                result = kvm_vm_set_mem_attributes({{at >> 12}, {end >> 12}}, makePrivate);
        }
    }
    if (const int dead = ioctl(); dead != 0) // KVM_RUN
        return failedWith(-dead);
    if (const auto failed = enterGuest(vcpu))
        return *failed;
    vcpu_exit_guest(vcpu);
    leaveKvmRun(vcpu);
    return result == 0 ? Outcome{} : failedWith(-result);
}

} // namespace mirrorscope
