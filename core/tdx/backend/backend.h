// SPDX-License-Identifier: GPL-3.0-or-later
// KVM's TDX backend: what it does to drive the module (Linux v6.16 arch/x86/kvm/vmx/tdx.c), with its retry on BUSY and
// its kick. It implements the external operations that `kvm/` calls for entries of a mirror.
#pragma once

#include "kvm/kvm.h"
#include "tdx/module/module.h"

#include <string>

namespace mirrorscope {

class TdxBackend final : public ExternalOps, public VcpuOps {
public:
    TdxBackend(Kvm& kvm, TdxModule& module) : kvm_(kvm), module_(module), sim_(kvm.sim()) {}

    // KVM_TDX_INIT_VM and KVM_TDX_INIT_VCPU for every vCPU: the machine that a scenario starts from.
    void build();

    // ExternalOps: tdx_sept_link_private_spt() …
    int link_external_spt(Gfn gfn, Level level, Pfn spt) override;
    int set_external_spte(Gfn gfn, Level level, Pfn pfn) override;
    int free_external_spt(Gfn gfn, Level level, Pfn spt) override;
    int remove_external_spte(Gfn gfn, Level level, Pfn pfn) override;

    // VcpuOps
    EnterResult vcpu_run(unsigned vcpu) override;
    void left(unsigned vcpu) override;
    Pfn hardwareRoot(unsigned vcpu, Alias alias) const override;
    HandledExit handle_violation(unsigned vcpu, const GuestOp& op, u64 gpa, const EptWalk& walk) override;
    Outcome accept(unsigned vcpu, const GuestOp& op, u64 gpa, bool& exits, EptWalk& walk) override;
    void flushCurrent(unsigned vcpu) override { kvm_.tlb(vcpu).flush(); } // ept_sync_global()
    // The vCPU's TLB holds nothing from before the epoch in which the module let it in.
    void noteModuleFlush(unsigned vcpu);
    bool flushPending(unsigned vcpu) const override;

    // Ioctls. 0 or a negative errno. `content` gives the 64-bit word at a byte offset of the range.
    using Content = u64 (*)(const void* context, u64 offset);
    int tdx_vcpu_init_mem_region(const GfnRange& range, bool measure, Content content, const void* context);
    int tdx_td_finalize();
    // KVM_TDX_INIT_VCPU of a vCPU that `init-vcpus` left out.
    int tdx_vcpu_init(unsigned vcpu);
    // kvm_destroy_vm() as the TDX backend sees it: the HKID is given back, then everything is reclaimed.
    void destroyVm();

    // TD_PARAMS of this machine into a shared page.
    void writeTdParams(Pfn params);

    Pfn tdr() const { return {kvm_.peekVm(Kvm::VmWord::Tdr)}; }
    Pfn tdvpr(unsigned vcpu) const { return {kvm_.machine().peek(kvm_.vcpuWord(vcpu, Kvm::VcpuWord::Tdvpr))}; }
    bool runnable() const { return kvm_.peekVm(Kvm::VmWord::TdState) == kRunnable; }

private:
    enum TdState : u64 { kUninitialized, kInitialized, kRunnable };
    u64 vmGet(Kvm::VmWord word) const { return kvm_.machine().get(kvm_.vm(word)); }
    void vmSet(Kvm::VmWord word, u64 value) { kvm_.machine().set(kvm_.vm(word), value); }
    static u64 gpaLevel(Gfn gfn, Level level) { return gfn.v << 12 | (number(level) - 1); }
    u64 tdrHpa() const { return hpa({vmGet(Kvm::VmWord::Tdr)}); }
    int bug(Leaf leaf, u64 status, int error);
    // One try; on BUSY all vCPUs are kept out and it is tried exactly once more.
    u64 callWithKick(Leaf leaf, Regs& regs);
    void tdx_no_vcpus_enter_start();
    void tdx_no_vcpus_enter_stop();
    void tdx_track();
    int tdx_sept_zap_private_spte(Gfn gfn, Level level);
    int tdx_sept_drop_private_spte(Gfn gfn, Level level, Pfn pfn);
    int tdx_td_vcpu_init(unsigned vcpu);
    int tdx_mem_page_add(Gfn gfn, Pfn pfn);
    int tdx_mem_page_aug(Gfn gfn, Level level, Pfn pfn);
    int tdx_gmem_post_populate(Gfn gfn, Pfn source, bool measure);
    Outcome acceptPage(unsigned vcpu, u64 gpa, Level level, bool& exits);
    HandledExit tdx_handle_ept_violation(unsigned vcpu, const GuestOp& op, u64 gpa, const EptWalk& walk);
    bool reclaim(Pfn page);

    Kvm& kvm_;
    TdxModule& module_;
    Sim& sim_;
};

} // namespace mirrorscope
