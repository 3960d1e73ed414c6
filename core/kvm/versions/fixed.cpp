// SPDX-License-Identifier: GPL-3.0-or-later
// `kernel: fixed`: v6.16 with what came after (reference: 3ccbf6f47098, v6.18).
#include "kvm/protocol.h"

#include <algorithm>

namespace mirrorscope {

namespace {
// kvm list, 18 Feb 2026: no SPTE for what cannot be mapped.
Gfn withinTheRoot(Kvm& kvm) { return std::min(kvm.kvm_mmu_max_gfn(), Gfn{kvm.config().gfnsReached() - 1}); }
} // namespace

// The slot's pages would stay bound to the file, which no longer knows it.
bool immutableWithGmem(const Kvm&, const Memslot& old, const SlotConfig& config) { return config.guestMemfd || old.guestMemfd; }

void applyFixed(Protocol& protocol) {
    // An invalid root is not given back in that loop by itself, so that each round finds it stale again (said on the list, 2025-05).
    protocol.may_repeat_map_page = reloadUnlessSlotGoes;
    protocol.is_immutable = immutableWithGmem;
    protocol.kvm_mmu_max_gfn = withinTheRoot;
}

} // namespace mirrorscope
