// SPDX-License-Identifier: GPL-3.0-or-later
// vCPUs of a VM whose tables are all KVM's own: VMX with EPT, no backend beside it.
#pragma once

#include "kvm/kvm.h"

namespace mirrorscope {

class VmxOps final : public VcpuOps {
public:
    explicit VmxOps(Kvm& kvm) : kvm_(kvm) {}
    static VmTraits traits();

    EnterResult vcpu_run(unsigned) override { return {}; }
    Pfn hardwareRoot(unsigned vcpu, Alias) const override;
    HandledExit handle_violation(unsigned vcpu, const GuestOp& op, u64 gpa, const EptWalk& walk) override;
    Outcome accept(unsigned, const GuestOp&, u64, bool& exits, EptWalk&) override;
    void flushCurrent(unsigned vcpu) override { kvm_.tlb(vcpu).flush(); }

private:
    Kvm& kvm_;
};

} // namespace mirrorscope
