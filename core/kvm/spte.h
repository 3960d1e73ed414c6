// SPDX-License-Identifier: GPL-3.0-or-later
// SPTE encoding on EPT: the real bits, as KVM uses them (Linux v6.16 arch/x86/kvm/mmu/spte.{h,c}).
#pragma once

#include "base/vocab.h"
#include "machine/ept.h"

#include <string>
#include <vector>

namespace mirrorscope {

namespace spte {
inline constexpr u64 kMmuPresent = 1ull << 11; // SPTE_MMU_PRESENT_MASK
inline constexpr u64 kHostWritable = 1ull << 57;
inline constexpr u64 kMmuWritable = 1ull << 58;
inline constexpr u64 kMemoryType = 7ull << 3;
inline constexpr u64 kWriteBack = 6ull << 3;
inline constexpr u64 kIpat = 1ull << 6;
inline constexpr u64 kNonpresent = 1ull << 63;            // SHADOW_NONPRESENT_VALUE
inline constexpr u64 kFrozen = kNonpresent | 0x5a0;       // FROZEN_SPTE
inline constexpr u64 kMmioMask = kNonpresent | ept::kRwx; // shadow_mmio_mask

constexpr bool isPresent(u64 spte) { return (spte & kMmuPresent) != 0; }
constexpr bool isLarge(u64 spte) { return (spte & ept::kLarge) != 0; }
constexpr bool isLast(u64 spte, Level level) { return level == Level::k4K || isLarge(spte); }
constexpr bool isFrozen(u64 spte) { return spte == kFrozen; }
constexpr bool isWritable(u64 spte) { return (spte & ept::kWrite) != 0; }
constexpr bool isLeaf(u64 spte, Level level) { return isPresent(spte) && isLast(spte, level); }
constexpr bool isTable(u64 spte, Level level) { return isPresent(spte) && !isLast(spte, level); }
} // namespace spte

// What differs between VMs (kvm_mmu_set_ept_masks(), kvm->arch.shadow_mmio_value).
struct SpteMasks {
    u64 mmioValue = ept::kWrite | ept::kExec; // an EPT misconfiguration; 0 on a TD, so that the guest gets a #VE
    bool ignoreGuestPat = true;               // KVM_X86_QUIRK_IGNORE_GUEST_PAT; off on a TD

    bool isMmio(u64 spte) const { return (spte & spte::kMmioMask) == mmioValue; }
};

// make_spte() for the TDP MMU: ACC_ALL, no synchronizing. `prefetch` leaves the accessed bit clear.
u64 make_spte(const SpteMasks& masks, Level level, Pfn pfn, bool prefetch, bool hostWritable, bool allowExec);
u64 make_nonleaf_spte(Pfn child);
// make_mmio_spte(): `generation` is that of the memslots.
u64 make_mmio_spte(const SpteMasks& masks, Gfn gfn, u64 generation);
u64 get_mmio_spte_generation(u64 spte);

SpteState stateOf(const SpteMasks& masks, u64 spte, Level level);

// One named bit field of a raw value, for the inspector.
struct BitField {
    unsigned high;
    unsigned low;
    std::string name;
    u64 value;
    std::string help;
};
std::vector<BitField> decodeSpte(const SpteMasks& masks, u64 spte, Level level);

} // namespace mirrorscope
