// SPDX-License-Identifier: GPL-3.0-or-later
// The functions of the backend for which a `break` (tdx/backend/broken/) or another version of the kernel can stand, as in kvm/protocol.h.
#pragma once

#include "tdx/backend/backend.h"

namespace mirrorscope {

struct TdxProtocol {
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
};

void applyBreaks(const MachineConfig& config, TdxProtocol& protocol);
void applyVersion(const MachineConfig& config, TdxProtocol& protocol);

} // namespace mirrorscope
