// SPDX-License-Identifier: GPL-3.0-or-later
// The functions of the backend for which a `break` (tdx/backend/broken/) or another version of the kernel can stand, as in kvm/protocol.h.
#pragma once

#include "tdx/backend/backend.h"
#include "tdx/backend/versions/versions.h"

namespace mirrorscope {

struct TdxProtocol {
    Replaceable<&TdxBackend::tdx_sept_link_private_spt> tdx_sept_link_private_spt;
    Replaceable<&TdxBackend::tdx_sept_set_private_spte> tdx_sept_set_private_spte;
    Replaceable<&TdxBackend::tdx_sept_remove_private_spte> tdx_sept_remove_private_spte;
    Replaceable<&TdxBackend::tdx_sept_zap_private_spte> tdx_sept_zap_private_spte;
    Replaceable<&TdxBackend::tdx_clear_and_unpin> tdx_clear_and_unpin;
    Replaceable<&TdxBackend::add_or_record> add_or_record;
    Replaceable<&TdxBackend::populate_one> populate_one;
    Replaceable<&TdxBackend::init_vcpu_locked> init_vcpu_locked;
    Replaceable<&TdxBackend::tdx_track> tdx_track;
    Replaceable<&TdxBackend::kick_after_track> kick_after_track;
    Replaceable<&TdxBackend::tdx_no_vcpus_enter_start> tdx_no_vcpus_enter_start;
    Replaceable<&TdxBackend::retries_locally> retries_locally;
    Replaceable<&TdxBackend::block_for_split> block_for_split;
    Replaceable<&TdxBackend::tdx_honor_guest_accept_level> tdx_honor_guest_accept_level;
    Replaceable<&TdxBackend::tdx_pamt_get> tdx_pamt_get;
    Replaceable<&TdxBackend::tdx_pamt_put> tdx_pamt_put;
    // Around an ioctl that changes the TD's state; `vcpu` if it is one of a vCPU. Inside of it, around what slots must not change under.
    void (*lock_state)(TdxBackend&, std::optional<unsigned> vcpu) = lockVcpu;
    void (*unlock_state)(TdxBackend&, std::optional<unsigned> vcpu) = unlockVcpu;
    void (*lock_slots)(TdxBackend&) = lockSlots;
    void (*unlock_slots)(TdxBackend&) = unlockSlots;
    // A page of guest_memfd enters the secure EPT; it could not, or has left it.
    void (*pin)(TdxBackend&, Pfn) = pinPage;
    void (*unpin)(TdxBackend&, Pfn) = unpinPage;
    bool reloads_before = true; // KVM_TDX_INIT_MEM_REGION loads the MMU before its loop; whether it could is not asked (until v7.0)
    bool source_first = false;  // the source page is got before the file is locked (from v7.0 on)
    int (*extend_failed)(TdxBackend&, u64 status) = extendFailed;
    u64 (*init_vp)(TdxBackend&, Regs&) = initVp;
    bool (*vm_dead_pending)(TdxBackend&, unsigned vcpu) = takesVmDead;
};

void applyBreaks(const MachineConfig& config, TdxProtocol& protocol);
void applyVersion(const MachineConfig& config, TdxProtocol& protocol);

} // namespace mirrorscope
