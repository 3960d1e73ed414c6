// SPDX-License-Identifier: GPL-3.0-or-later
// KVM's SNP side: the RMP entry of a private page is set when guest_memfd hands it out and taken back when the page is freed, and
// #NPFs that the RMP raised are handled (Linux v6.16 arch/x86/kvm/svm/sev.c: sev_gmem_prepare(), sev_gmem_invalidate(),
// sev_handle_rmp_fault(); svm.c: npf_interception()). There is no mirror: the NPT is KVM's own.
#pragma once

#include "kvm/kvm.h"
#include "snp/rmp.h"

namespace mirrorscope {

class SnpOps final : public VcpuOps, public GmemOps {
public:
    SnpOps(Kvm& kvm, Rmp& rmp) : kvm_(kvm), rmp_(rmp), sim_(kvm.sim()) {
        rmp_.onChange([this](Pfn pfn) {
            for (unsigned v = 0; v < kvm_.config().vcpus; ++v)
                kvm_.tlb(v).drop(pfn);
        });
    }

    // GmemOps
    int gmem_prepare(Pfn pfn, Gfn gfn) override;
    void gmem_invalidate(Pfn pfn) override;
    void gmem_make_shared(Pfn pfn) override;

    static VmTraits traits();
    // VcpuOps
    EnterResult vcpu_run(unsigned) override;
    Pfn hardwareRoot(unsigned vcpu, Alias alias) const override;
    HandledExit handle_violation(unsigned vcpu, const GuestOp& op, u64 gpa, const EptWalk& walk) override;
    // PVALIDATE. The CPU walks the NPT, then looks at the RMP.
    Outcome accept(unsigned vcpu, const GuestOp& op, u64 gpa, bool& exits, EptWalk& walk) override;
    void checkOwner(Gfn gfn, Alias alias, Access access, EptWalk& walk) const override;
    u64 decrypted(Alias alias, Pfn pfn, u64 word) const override;
    void flushCurrent(unsigned vcpu) override { kvm_.tlb(vcpu).flush(); }

    // KVM_SEV_SNP_LAUNCH_START, _UPDATE of whole pages from `gpa` on (no content: a page of zeros), _FINISH (launch.cpp).
    int snp_launch_start(u64 policy, u64 flags);
    Outcome snp_launch_update(u64 gpa, u64 size, u64 flags, PageContent content, const void* context);
    int snp_launch_finish(u64 flags);

    // The host's raw RMPUPDATE and PSMASH of the frame behind a private GPA, behind KVM's back.
    Outcome rawRmpupdate(Gfn gfn, bool assigned, Level level);
    Outcome rawPsmash(Gfn gfn);

private:
    u64 launchState() const;
    template <class F>
    auto sev_mem_enc_ioctl(F&& command);
    int sev_gmem_post_populate(Pfn page, Gfn gfn, PageContent content, const void* context, u64 offset);
    void sev_handle_rmp_fault(Gfn gfn);
    // The frame that guest_memfd has for a gfn; 0 for none.
    Pfn gmemFrame(Gfn gfn) const;

    int rmpupdate(Pfn pfn, const RmpEntry& to);

    Kvm& kvm_;
    Rmp& rmp_;
    Sim& sim_;
};

} // namespace mirrorscope
