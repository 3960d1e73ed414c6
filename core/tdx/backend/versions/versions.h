// SPDX-License-Identifier: GPL-3.0-or-later
// What KVM's TDX backend does otherwise in other releases, one file a release, as in kvm/versions/.
#pragma once

#include "tdx/backend/backend.h"

namespace mirrorscope {

// TDH.MEM.PAGE.ADD while the mirror's entry is frozen (6b5b71ffabf9, v6.19): tdx_mem_page_add().
int addInTheHook(TdxBackend& backend, Gfn gfn, Level level, Pfn pfn);
// KVM_TDX_INIT_MEM_REGION, FINALIZE_VM and INIT_VCPU of v6.16: vcpu->mutex where it is a vCPU's ioctl.
void lockVcpu(TdxBackend& backend, std::optional<unsigned> vcpu);
void unlockVcpu(TdxBackend& backend, std::optional<unsigned> vcpu);
void lockSlots(TdxBackend& backend);
void unlockSlots(TdxBackend& backend);
void pinPage(TdxBackend& backend, Pfn pfn);
void unpinPage(TdxBackend& backend, Pfn pfn);
int extendFailed(TdxBackend& backend, u64 status);
u64 initVp(TdxBackend& backend, Regs& regs);
bool takesVmDead(TdxBackend& backend, unsigned vcpu);

void applyFixed(TdxProtocol& protocol);
void apply6_19(TdxProtocol& protocol);
void apply7_2(TdxProtocol& protocol);
void applyNext(TdxProtocol& protocol);

} // namespace mirrorscope
