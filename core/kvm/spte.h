// SPDX-License-Identifier: GPL-3.0-or-later
// SPTE encoding: the real bits of EPT and NPT entries, as KVM uses them (Linux v6.16 arch/x86/kvm/mmu/spte.{h,c}).
#pragma once

#include "base/vocab.h"
#include "machine/ept.h"

#include <optional>
#include <string>
#include <vector>

namespace mirrorscope {

namespace spte {
inline constexpr u64 kMmuPresent = 1ull << 11;   // SPTE_MMU_PRESENT_MASK
inline constexpr u64 kHostWritable = 1ull << 57; // EPT_SPTE_HOST_WRITABLE
inline constexpr u64 kMmuWritable = 1ull << 58;  // EPT_SPTE_MMU_WRITABLE
inline constexpr u64 kMemoryType = 7ull << 3;
inline constexpr u64 kWriteBack = 6ull << 3;
inline constexpr u64 kIpat = 1ull << 6;
inline constexpr u64 kNonpresent = 1ull << 63;            // SHADOW_NONPRESENT_VALUE
inline constexpr u64 kOldFrozen = 0x5a0;                  // FROZEN_SPTE before v6.10, as 0 was the non-present value
inline constexpr u64 kFrozen = kNonpresent | kOldFrozen;  // FROZEN_SPTE
inline constexpr u64 kUnrecorded = 1ull << 62;            // no value of KVM's: of a recording, not told yet
inline constexpr u64 kMmioMask = kNonpresent | ept::kRwx; // shadow_mmio_mask
inline constexpr u64 kAdDisabled = 1ull << 52;            // SPTE_TDP_AD_DISABLED
inline constexpr u64 kAdMask = 3ull << 52;                // SPTE_TDP_AD_MASK
inline constexpr unsigned kSavedShift = 54;               // SHADOW_ACC_TRACK_SAVED_BITS_SHIFT
inline constexpr u64 kSavedBits = (ept::kRead | ept::kExec) << kSavedShift;

constexpr bool isPresent(u64 spte) { return (spte & kMmuPresent) != 0; }
constexpr bool isLarge(u64 spte) { return (spte & ept::kLarge) != 0; }
constexpr bool isLast(u64 spte, Level level) { return level == Level::k4K || isLarge(spte); }
constexpr bool isFrozen(u64 spte) { return spte == kFrozen; }
// By whichever kernel it was written.
constexpr bool isFrozenOfAny(u64 spte) { return spte == kFrozen || spte == kOldFrozen; }
constexpr bool isWritable(u64 spte) { return (spte & ept::kWrite) != 0; }
constexpr bool isLeaf(u64 spte, Level level) { return isPresent(spte) && isLast(spte, level); }
constexpr bool isTable(u64 spte, Level level) { return isPresent(spte) && !isLast(spte, level); }
constexpr bool adEnabled(u64 spte) { return (spte & kAdMask) != kAdDisabled; }
constexpr bool isAccessTracked(u64 spte) { return !adEnabled(spte) && (spte & ept::kRwx) == 0; }
// restore_acc_track_spte(). W is not restored.
u64 restoreAccessTrack(u64 spte);
} // namespace spte

// Is the present entry one of an NPT? Nothing where it could be of either format (Linux v6.16 spte.c: make_spte(), make_nonleaf_spte(),
// kvm_mmu_set_ept_masks()).
std::optional<bool> looksLikeNpt(u64 spte);

// What differs between VMs (kvm_mmu_reset_all_pte_masks(), kvm_mmu_set_ept_masks(), svm_adjust_mmio_mask(), kvm->arch.shadow_mmio_value).
struct SpteMasks {
    PageFormat format = kEptFormat;
    u64 hostWritable = spte::kHostWritable;
    u64 mmuWritable = spte::kMmuWritable;
    u64 me = 0;                               // shadow_me_value: the C-bit
    u64 mmioValue = ept::kWrite | ept::kExec; // an EPT misconfiguration; 0 on a TD, so that the guest gets a #VE
    u64 mmioMask = spte::kMmioMask;
    bool ignoreGuestPat = true; // KVM_X86_QUIRK_IGNORE_GUEST_PAT; off on a TD
    bool adEnabled = true;      // kvm_ad_enabled
    bool nxHugePages = false;   // is_nx_huge_page_enabled()

    bool isMmio(u64 spte) const { return (spte & mmioMask) == mmioValue; }
    bool isMmuWritable(u64 spte) const { return (spte & mmuWritable) != 0; }
    bool isExecutable(u64 spte) const { return (format.rights(spte) & ept::kExec) != 0; }
    u64 withExec(u64 spte, bool exec) const {
        if (format.npt)
            return exec ? spte & ~npt::kNoExec : spte | npt::kNoExec;
        return exec ? spte | ept::kExec : spte & ~u64{ept::kExec};
    }
    // mark_spte_for_access_track()
    u64 markForAccessTrack(u64 spte) const;
};
SpteMasks nptMasks();
// The same of a host without memory encryption (kvm_mmu_reset_all_pte_masks()).
SpteMasks nptMasksUnencrypted();

// make_spte() for the TDP MMU: ACC_ALL, no synchronizing. `prefetch` leaves the accessed bit clear.
u64 make_spte(const SpteMasks& masks, Level level, Pfn pfn, bool prefetch, bool hostWritable, bool allowExec);
u64 make_nonleaf_spte(const SpteMasks& masks, Pfn child);
// make_small_spte(): the `index`-th part of a huge leaf, for a table whose entries are of `childLevel`.
u64 make_small_spte(const SpteMasks& masks, u64 huge, Level childLevel, unsigned index);
// make_huge_spte(): a leaf of `level` out of one of its parts.
u64 make_huge_spte(const SpteMasks& masks, u64 small, Level level);
// make_mmio_spte(): `generation` is that of the memslots.
u64 make_mmio_spte(const SpteMasks& masks, Gfn gfn, u64 generation);
u64 get_mmio_spte_generation(u64 spte);
Gfn get_mmio_spte_gfn(const SpteMasks& masks, u64 spte);

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
