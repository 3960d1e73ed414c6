// SPDX-License-Identifier: GPL-3.0-or-later
// What a guest asks of its host: halt, a hypercall to user space, and a change of memory's kind: MapGPA of a TD (Linux v6.16 vmx/tdx.c:
// handle_tdvmcall(), tdx_map_gpa(), __tdx_map_gpa(), tdx_complete_vmcall_map_gpa()), page-state change of an SNP guest (svm/sev.c:
// snp_begin_psc()), KVM_HC_MAP_GPA_RANGE.
#include "kvm/exits.h"
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
// to the guest: EINVAL stands for TDVMCALL_STATUS_INVALID_OPERAND and TDVMCALL_STATUS_ALIGN_ERROR, EAGAIN for TDVMCALL_STATUS_RETRY; which,
// and where the guest may go on (R11), is among the details beside those of the last exit.
Outcome Kvm::mapGpa(unsigned vcpu, u64 gpa, u64 size, bool makePrivate, const MapGpaAnswer& answer) {
    constexpr u64 kRetry = 1, kInvalidOperand = 1ull << 63, kAlignError = kInvalidOperand | 2; // TDVMCALL_STATUS_
    Call call(sim_, "kvm_arch_vcpu_ioctl_run");
    // A page-state change lists its entries; those that follow one another are one exit.
    const bool inParts = traits_.mapGpaChunk != 0;
    const u64 chunk = std::max<u64>(inParts ? traits_.mapGpaChunk : size, 1);
    if (const auto failed = enterGuest(vcpu))
        return *failed;
    exitForCall(vcpu);
    leaveKvmRun(vcpu); // user space answers
    int result = 0;
    u64 status = 0;
    u64 next = gpa;
    KvmRun run;
    const auto ioctl = [&] {
        sim_.step(Site::CallEnter);
        return vmDead() ? -kEIO : 0;
    };
    {
        Call handler(sim_, traits_.mapGpa);
        if (gpa + size <= gpa)
            result = -kEINVAL, status = kInvalidOperand;
        else if (((gpa | size) & 0xfff) != 0)
            result = -kEINVAL, status = kAlignError;
        for (u64 part = 0; result == 0 && next < gpa + size; ++part) {
            if (inParts && part >= answer.eventAfter && part != 0) { // kvm_vcpu_has_events()
                result = -kEAGAIN;
                status = kRetry;
                break;
            }
            Call exit(sim_, "KVM_EXIT_HYPERCALL");
            const GfnRange range{{next >> 12}, {std::min(next + chunk, gpa + size) >> 12}};
            run = mapGpaExit(range, makePrivate);
            result = part >= answer.refuseAfter ? -kEINVAL : ioctl();
            std::optional<Gfn> held;
            if (result == 0)
                result = setMemoryAttributes(range, makePrivate, held);
            if (result == 0)
                next = range.end.v << 12;
            else
                status = result == -kEAGAIN ? kRetry : kInvalidOperand;
        }
    }
    if (const int dead = ioctl(); dead != 0) // KVM_RUN
        return failedWith(-dead);
    if (const auto failed = enterGuest(vcpu))
        return *failed;
    vcpu_exit_guest(vcpu);
    leaveKvmRun(vcpu);
    Outcome outcome = result == 0 ? Outcome{} : failedWith(-result);
    outcome.details = run.details;
    if (inParts) {
        outcome.details.put(Field::Status, status);
        if (status != 0)
            outcome.details.put(Field::R11, next);
    }
    return outcome;
}

} // namespace mirrorscope
