// SPDX-License-Identifier: GPL-3.0-or-later
// What a vCPU tells when it leaves, and what a guest is told by an exception (Linux v6.16 include/uapi/linux/kvm.h: struct kvm_run).
#pragma once

#include "kvm/types.h"

namespace mirrorscope {

// KVM_EXIT_MMIO: the aligned 8 bytes around `gpa` are read or written.
KvmRun mmioExit(const GuestOp& op, u64 gpa);
// KVM_EXIT_HYPERCALL for KVM_HC_MAP_GPA_RANGE, of whole pages.
KvmRun mapGpaExit(const GfnRange& range, bool makePrivate);
// TDG.VP.VEINFO.GET after an EPT violation (TDX module 1.5).
Details veInfo(const GuestOp& op, u64 gpa);
// The error code of #VC(PAGE_NOT_VALIDATED), and where (AMD APM vol. 2, 15.36.10).
Details vcInfo(u64 gpa);

} // namespace mirrorscope
