// SPDX-License-Identifier: GPL-3.0-or-later
// `private-ops: observe`: a private backend for VM types that need none. It counts its calls and always succeeds, so that the claim
// that one dispatch serves them all can be tried.
#pragma once

#include "kvm/ops.h"
#include "sim/sim.h"

namespace mirrorscope {

class ObserveOps final : public ExternalOps {
public:
    explicit ObserveOps(Sim& sim) : sim_(sim) {}
    int link_external_spt(Gfn, Level, Pfn) override { return count(); }
    int set_external_spte(Gfn, Level, Pfn) override { return count(); }
    int free_external_spt(Gfn, Level, Pfn) override { return count(); }
    int remove_external_spte(Gfn, Level, Pfn) override { return count(); }
    int split_external_spte(Gfn, Level, Pfn, Pfn) override { return -kEOPNOTSUPP; } // such a VM has no mirror
    int topup_external_cache(unsigned) override { return 0; }
    bool need_topup_external_per_vm_split_cache() override { return false; }
    int topup_external_per_vm_split_cache() override { return 0; }

private:
    int count() {
        sim_.count(Counter::PrivateOp);
        return 0;
    }
    Sim& sim_;
};

} // namespace mirrorscope
