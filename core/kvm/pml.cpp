// SPDX-License-Identifier: GPL-3.0-or-later
// The page-modification log: the CPU notes the GPA of each D bit that it sets, KVM reads the log at the next exit (Intel SDM 29.3.6;
// Linux v6.16 vmx.c: vmx_flush_pml_buffer(), vmx_update_cpu_dirty_logging(); x86.c: kvm_arch_sync_dirty_log()).
#include "kvm/kvm.h"

namespace mirrorscope {

// A D bit that was clear is about to be set; false when the log is full, which is an exit of its own.
bool Kvm::logByCpu(unsigned vcpu, Gfn gfn) {
    if (machine_->peek(vcpuWord(vcpu, VcpuWord::PmlOn)) == 0)
        return true;
    const Place count = vcpuWord(vcpu, VcpuWord::PmlCount);
    const u64 n = machine_->get(count);
    if (n == kPmlEntries)
        return false;
    machine_->set(pmlEntry(vcpu, n), bare(gfn).v);
    machine_->set(count, n + 1);
    return true;
}

// In the order in which they were written; the index goes back when all were read.
void Kvm::vmx_flush_pml_buffer(unsigned vcpu) {
    const Place count = vcpuWord(vcpu, VcpuWord::PmlCount);
    const u64 n = machine_->get(count);
    for (u64 i = 0; i < n; ++i) {
        const Gfn gfn = inSmm({machine_->get(pmlEntry(vcpu, i))}, inSmmMode(vcpu)); // the CPU notes what it translated
        sim_.step(Site::SlotRead);
        if (const int index = slotOf(gfn); index >= 0)
            mark_page_dirty_in_slot(vcpu, slot(index), gfn);
    }
    for (u64 i = 0; i < n; ++i)
        machine_->set(pmlEntry(vcpu, i), 0);
    machine_->set(count, 0);
}

// Each vCPU's log is read at its exit, for which nobody waits here.
void Kvm::kvm_arch_sync_dirty_log() {
    if (!cpuDirtyLog())
        return;
    Call call(sim_, "kvm_arch_sync_dirty_log");
    for (unsigned v = 0; v < config_.vcpus; ++v)
        kvm_vcpu_kick(v);
}

// The first slot is logged, or none any more: each vCPU turns its log on or off before it enters again.
void Kvm::kvm_mmu_update_cpu_dirty_logging(bool enable) {
    if (!cpuDirtyLog())
        return;
    const u64 slots = machine_->get(vm(VmWord::NrDirtyLogging));
    if ((enable && slots == 1) || slots == 0)
        kvm_make_all_cpus_request(kReqCpuDirtyLogging);
}

void Kvm::vmx_update_cpu_dirty_logging(unsigned vcpu) {
    machine_->set(vcpuWord(vcpu, VcpuWord::PmlOn), machine_->get(vm(VmWord::NrDirtyLogging)) != 0);
}

} // namespace mirrorscope
