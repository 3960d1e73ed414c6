// SPDX-License-Identifier: GPL-3.0-or-later
#include "kvm/spte.h"

#include "base/text.h"

namespace mirrorscope {

namespace {
constexpr u64 kPresentMask = spte::kNonpresent; // shadow_present_mask on hardware with execute-only EPT

u64 field(u64 value, unsigned high, unsigned low) {
    const unsigned width = high - low + 1;
    return value >> low & (width == 64 ? ~0ull : (1ull << width) - 1);
}
} // namespace

u64 make_spte(const SpteMasks& masks, Level level, Pfn pfn, bool prefetch, bool hostWritable, bool allowExec) {
    u64 spte = spte::kMmuPresent | kPresentMask | ept::kRead;
    if (!masks.adEnabled)
        spte |= spte::kAdDisabled;
    if (!prefetch)
        spte |= ept::kAccessed;
    if (allowExec && !(level > Level::k4K && masks.nxHugePages))
        spte |= ept::kExec;
    if (level > Level::k4K)
        spte |= ept::kLarge;
    spte |= spte::kWriteBack | (masks.ignoreGuestPat ? spte::kIpat : 0);
    spte |= pfn.v << 12;
    if (hostWritable)
        spte |= spte::kHostWritable | spte::kMmuWritable | ept::kWrite | ept::kDirty;
    return prefetch ? spte::markForAccessTrack(spte) : spte;
}

u64 spte::markForAccessTrack(u64 spte) {
    if (adEnabled(spte))
        return spte & ~ept::kAccessed;
    if (isAccessTracked(spte))
        return spte;
    spte |= (spte & (ept::kRead | ept::kExec)) << kSavedShift;
    return spte & ~(ept::kRwx | ept::kAccessed);
}

u64 spte::restoreAccessTrack(u64 spte) {
    const u64 saved = (spte & kSavedBits) >> kSavedShift;
    return (spte & ~(ept::kRwx | kSavedBits)) | saved;
}

u64 make_nonleaf_spte(Pfn child, bool adDisabled) {
    return spte::kMmuPresent | child.v << 12 | kPresentMask | ept::kRwx | (adDisabled ? spte::kAdDisabled : ept::kAccessed);
}

u64 make_small_spte(const SpteMasks& masks, u64 huge, Level childLevel, unsigned index) {
    u64 spte = huge + (u64{index} * pagesPer(childLevel) << 12);
    if (childLevel == Level::k4K) {
        spte &= ~ept::kLarge;
        if (masks.nxHugePages) // a 4K page may be executable again
            spte |= spte::isAccessTracked(spte) ? ept::kExec << spte::kSavedShift : u64{ept::kExec};
    }
    return spte;
}

u64 make_huge_spte(const SpteMasks& masks, u64 small, Level level) {
    u64 spte = small | ept::kLarge;
    spte &= ~(ept::kPfnMask & (bytesPer(level) - 1));
    return masks.nxHugePages ? spte & ~u64{ept::kExec} : spte;
}

u64 make_mmio_spte(const SpteMasks& masks, Gfn gfn, u64 generation) {
    // Generation bits 0-7 go to SPTE bits 3-10, bits 8-18 to 52-62.
    return (generation & 0xff) << 3 | (generation >> 8 & 0x7ff) << 52 | masks.mmioValue | gfn.v << 12;
}

u64 get_mmio_spte_generation(u64 spte) { return field(spte, 10, 3) | field(spte, 62, 52) << 8; }

SpteState stateOf(const SpteMasks& masks, u64 spte, Level level) {
    if (spte::isFrozen(spte))
        return SpteState::Frozen;
    if (spte::isPresent(spte))
        return spte::isLast(spte, level) ? SpteState::Leaf : SpteState::Table;
    if (spte != 0 && masks.isMmio(spte))
        return SpteState::Mmio;
    return SpteState::None;
}

std::vector<BitField> decodeSpte(const SpteMasks& masks, u64 spte, Level level) {
    std::vector<BitField> fields;
    const auto add = [&](unsigned high, unsigned low, std::string name, std::string help) {
        fields.push_back({high, low, std::move(name), field(spte, high, low), std::move(help)});
    };
    const SpteState state = stateOf(masks, spte, level);
    if (state == SpteState::Frozen) {
        add(63, 63, "suppress #VE", "part of the non-present value: an access exits to the host");
        add(62, 0, "FROZEN_SPTE", "0x5a0: another actor is in the middle of an update of two tables");
        return fields;
    }
    if (state == SpteState::Mmio) {
        add(62, 52, "generation 18:8", "of the memslots when the entry was made");
        add(51, 12, "gfn", "the guest frame itself");
        add(10, 3, "generation 7:0", "stale when it is not the memslots' any more");
        add(2, 0, "mmio value", "W+X without R is a misconfiguration; 0 on a TD");
        return fields;
    }
    add(63, 63, "suppress #VE", "a violation exits to the host, it is no #VE in the guest");
    if (state == SpteState::None) {
        add(62, 0, "not present", "bit 11 is clear: nothing is mapped here");
        return fields;
    }
    if (state == SpteState::Leaf) {
        add(58, 58, "MMU-writable", "KVM itself does not need write protection here");
        add(57, 57, "host-writable", "the host's own mapping is writable");
    }
    add(53, 52, "A/D type", "0: accessed and dirty bits are enabled");
    add(51, 12, state == SpteState::Leaf ? "pfn" : "table",
        state == SpteState::Leaf ? "host frame of the page" : "frame of the child table");
    add(11, 11, "MMU-present", "the only test for presence (SPTE_MMU_PRESENT_MASK)");
    if (state == SpteState::Leaf)
        add(9, 9, "dirty", "");
    add(8, 8, "accessed", "");
    if (state == SpteState::Leaf) {
        add(7, 7, "large", "1: a leaf above 4K");
        add(6, 6, "IPAT", "ignore the guest's PAT");
        add(5, 3, "memory type", "6 = write-back");
    }
    add(2, 2, "X", "executable");
    add(1, 1, "W", "writable");
    add(0, 0, "R", "readable");
    return fields;
}

} // namespace mirrorscope
