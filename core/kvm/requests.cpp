// SPDX-License-Identifier: GPL-3.0-or-later
// Requests to vCPUs, kicks and remote TLB flushes (Linux v6.16 kvm_main.c: kvm_make_all_cpus_request(), kvm_request_needs_ipi(),
// kvm_flush_remote_tlbs(), kvm_vcpu_kick(); x86.c: vcpu_enter_guest() for the other side).
#include "base/hash.h"
#include "kvm/protocol.h"

#include <bitset>

namespace mirrorscope {

bool Kvm::kvm_check_request(unsigned vcpu, u64 request) {
    const Place requests = vcpuWord(vcpu, VcpuWord::Requests);
    if ((machine_->get(requests) & request) == 0)
        return false;
    sim_.step(Site::RequestTake);
    // Whether it is gone or asked for depends on who came last: that cannot be exchanged, as an actor's own bits can.
    machine_->set(requests, machine_->peek(requests) & ~request);
    return true;
}

// The mode in which the vCPU was found; who is inside is on the way out from now on.
u64 Kvm::kvm_vcpu_exiting_guest_mode(unsigned vcpu) {
    const Place mode = vcpuWord(vcpu, VcpuWord::Mode);
    sim_.step(Site::KickMode);
    const u64 found = machine_->get(mode);
    if (found == kInGuestMode)
        machine_->set(mode, kExitingGuestMode);
    return found;
}

// An IPI; who has his interrupts on has taken it before it could be waited for.
void Kvm::sendIpi(unsigned vcpu) {
    sim_.step(Site::KickSend);
    if (machine_->get(vcpuWord(vcpu, VcpuWord::IrqsOff)) != 0)
        machine_->set(vcpuWord(vcpu, VcpuWord::Ipi), 1);
}

void Kvm::kvm_make_all_cpus_request(u64 request) {
    Call call(sim_, "kvm_make_all_cpus_request");
    Forget forget(sim_);
    std::bitset<256> kicked;
    // How each was found, and who has left by now, matters no more.
    const auto onlyKickedAfter = [&](unsigned v) { forget.but([&] { return mix(std::hash<std::bitset<256>>()(kicked), v); }); };
    for (unsigned v = 0; v < config_.vcpus; ++v) {
        if (request != 0) {
            sim_.step(Site::TlbRequest);
            machine_->setBits(vcpuWord(v, VcpuWord::Requests), request);
        }
        kicked[v] = kvm_vcpu_exiting_guest_mode(v) != kOutsideGuestMode;
        onlyKickedAfter(v);
    }
    for (unsigned v = 0; v < config_.vcpus; ++v)
        if (kicked[v]) {
            sendIpi(v);
            onlyKickedAfter(v);
        }
    for (unsigned v = 0; v < config_.vcpus; ++v)
        if (kicked[v]) {
            sim_.wait(Site::KickWait, {.kind = Condition::Kind::Equals, .place = vcpuWord(v, VcpuWord::Ipi)});
            kicked.reset(v);
            onlyKickedAfter(v);
        }
    forget.all();
}

void Kvm::kvm_vcpu_kick(unsigned vcpu) {
    if (kvm_vcpu_exiting_guest_mode(vcpu) == kInGuestMode)
        sendIpi(vcpu);
}

// Each vCPU flushes before its next entry.
void Kvm::kvm_flush_remote_tlbs() {
    Call call(sim_, "kvm_flush_remote_tlbs");
    kvm_make_all_cpus_request(kReqTlbFlush);
}

// Neither EPT nor NPT has a flush of a range.
void Kvm::kvm_flush_remote_tlbs_gfn(Gfn, Level) { protocol_->kvm_flush_remote_tlbs(*this); }

} // namespace mirrorscope
