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

std::optional<bool> looksLikeNpt(u64 spte) {
    constexpr u64 kNptMmuWritable = 1 << 10;
    // Of an EPT only: what the host allows, A, the type of A and D, and the upper bits of a memory type (WT, of old kernels, is 4).
    if ((spte & (spte::kHostWritable | spte::kMmuWritable | spte::kAdMask | ept::kAccessed | 3ull << 3)) != 0)
        return false;
    if ((spte & (kNptMmuWritable | npt::kAccessed)) != 0)
        return true;
    // An EPT's table has A, or the type of A and D; its leaf is writable by those two bits only.
    if (spte::isWritable(spte))
        return true;
    return std::nullopt;
}

SpteMasks nptMasks() {
    constexpr u64 kMmio = 0x3full << 46 | npt::kPresent; // rsvd_bits(46, 51) | PT_PRESENT_MASK
    SpteMasks masks;
    masks.format = kNptFormat;
    masks.hostWritable = 1 << 9; // DEFAULT_SPTE_HOST_WRITABLE
    masks.mmuWritable = 1 << 10; // DEFAULT_SPTE_MMU_WRITABLE
    masks.me = npt::kCBit;
    masks.mmioValue = masks.mmioMask = kMmio;
    return masks;
}

SpteMasks nptMasksUnencrypted() {
    SpteMasks masks = nptMasks();
    masks.me = 0;
    masks.mmioValue = masks.mmioMask = 1ull << 51 | npt::kPresent; // the highest bit of a physical address
    return masks;
}

u64 make_spte(const SpteMasks& masks, Level level, Pfn pfn, bool prefetch, bool hostWritable, bool allowExec) {
    u64 spte = spte::kMmuPresent | pfn.v << 12 | masks.me;
    if (!prefetch)
        spte |= masks.format.accessed;
    if (level > Level::k4K)
        spte |= ept::kLarge;
    if (masks.format.npt) {
        spte |= npt::kPresent | npt::kUser;
    } else {
        spte |= kPresentMask | ept::kRead | spte::kWriteBack | (masks.ignoreGuestPat ? spte::kIpat : 0);
        if (!masks.adEnabled)
            spte |= spte::kAdDisabled;
    }
    spte = masks.withExec(spte, allowExec && !(level > Level::k4K && masks.nxHugePages));
    if (hostWritable)
        spte |= masks.hostWritable | masks.mmuWritable | ept::kWrite | masks.format.dirty;
    return prefetch ? masks.markForAccessTrack(spte) : spte;
}

u64 SpteMasks::markForAccessTrack(u64 spte) const {
    if (spte::adEnabled(spte))
        return spte & ~format.accessed;
    if (spte::isAccessTracked(spte))
        return spte;
    spte |= (spte & (ept::kRead | ept::kExec)) << spte::kSavedShift;
    return spte & ~(ept::kRwx | ept::kAccessed);
}

u64 spte::restoreAccessTrack(u64 spte) {
    const u64 saved = (spte & kSavedBits) >> kSavedShift;
    return (spte & ~(ept::kRwx | kSavedBits)) | saved;
}

u64 make_nonleaf_spte(const SpteMasks& masks, Pfn child) {
    const u64 table = spte::kMmuPresent | child.v << 12 | masks.me | (masks.adEnabled ? masks.format.accessed : u64{spte::kAdDisabled});
    return table | (masks.format.npt ? npt::kPresent | npt::kWrite | npt::kUser : kPresentMask | ept::kRwx);
}

u64 make_small_spte(const SpteMasks& masks, u64 huge, Level childLevel, unsigned index) {
    u64 spte = huge + (u64{index} * pagesPer(childLevel) << 12);
    if (childLevel == Level::k4K) {
        spte &= ~ept::kLarge;
        if (masks.nxHugePages) // a 4K page may be executable again
            spte = spte::isAccessTracked(spte) ? spte | ept::kExec << spte::kSavedShift : masks.withExec(spte, true);
    }
    return spte;
}

u64 make_huge_spte(const SpteMasks& masks, u64 small, Level level) {
    u64 spte = small | ept::kLarge;
    spte &= ~(ept::kPfnMask & (bytesPer(level) - 1));
    if (!masks.nxHugePages)
        return spte;
    return spte::isAccessTracked(spte) ? spte & ~(ept::kExec << spte::kSavedShift) : masks.withExec(spte, false);
}

u64 make_mmio_spte(const SpteMasks& masks, Gfn gfn, u64 generation) {
    // Generation bits 0-7 go to SPTE bits 3-10, bits 8-18 to 52-62. NPT keeps the rights that the guest has, all of them.
    const u64 access = masks.format.npt ? npt::kWrite | npt::kUser : 0;
    return (generation & 0xff) << 3 | (generation >> 8 & 0x7ff) << 52 | masks.mmioValue | access | gfn.v << 12;
}

u64 get_mmio_spte_generation(u64 spte) { return field(spte, 10, 3) | field(spte, 62, 52) << 8; }

// Bits that make the entry one of MMIO tell nothing.
Gfn get_mmio_spte_gfn(const SpteMasks& masks, u64 spte) { return {ept::pfnOf(spte & ~masks.mmioMask).v}; }

SpteState stateOf(const SpteMasks& masks, u64 spte, Level level) {
    if (spte::isFrozen(spte))
        return SpteState::Frozen;
    if (spte::isPresent(spte))
        return spte::isLast(spte, level) ? SpteState::Leaf : SpteState::Table;
    if (spte == spte::kUnrecorded)
        return SpteState::Unknown;
    if (spte != 0 && masks.isMmio(spte))
        return SpteState::Mmio;
    return SpteState::None;
}

namespace {
template <class Add>
void decodeNpt(SpteState state, const Add& add) {
    if (state == SpteState::None) {
        add(63, 0, "not present", "bit 11 is clear: nothing is mapped here");
        return;
    }
    const bool leaf = state == SpteState::Leaf;
    add(63, 63, "NX", "not executable");
    add(51, 51, "C-bit", "the host reads and writes through its own encryption key (shadow_me_value)");
    add(50, 12, leaf ? "pfn" : "table", leaf ? "host frame of the page" : "frame of the child table");
    add(11, 11, "MMU-present", "the only test for presence (SPTE_MMU_PRESENT_MASK)");
    if (leaf) {
        add(10, 10, "MMU-writable", "KVM itself does not need write protection here");
        add(9, 9, "host-writable", "the host's own mapping is writable");
        add(7, 7, "large", "1: a leaf above 4K");
        add(6, 6, "dirty", "");
    }
    add(5, 5, "accessed", "");
    add(2, 2, "U", "user: always set");
    add(1, 1, "W", "writable");
    add(0, 0, "P", "present to the CPU");
}
} // namespace

std::vector<BitField> decodeSpte(const SpteMasks& masks, u64 spte, Level level) {
    std::vector<BitField> fields;
    const auto add = [&](unsigned high, unsigned low, std::string name, std::string help) {
        fields.push_back({high, low, std::move(name), field(spte, high, low), std::move(help)});
    };
    const SpteState state = stateOf(masks, spte, level);
    if (state == SpteState::Unknown) {
        add(63, 0, "not told", "the entry is older than the recording, and no line has told yet what it holds");
        return fields;
    }
    if (state == SpteState::Frozen) {
        add(63, 63, "suppress #VE", "part of the non-present value: an access exits to the host");
        add(62, 0, "FROZEN_SPTE", "0x5a0: another actor is in the middle of an update of two tables");
        return fields;
    }
    if (state == SpteState::Mmio) {
        add(62, 52, "generation 18:8", "of the memslots when the entry was made");
        if (masks.format.npt)
            add(51, 46, "reserved", "set on purpose: the walk ends with a reserved-bit fault");
        add(masks.format.npt ? 45 : 51, 12, "gfn", "the guest frame itself");
        add(10, 3, "generation 7:0", "stale when it is not the memslots' any more");
        if (masks.format.npt)
            add(0, 0, "P", "present, or the CPU would not look at the reserved bits");
        else
            add(2, 0, "mmio value", "W+X without R is a misconfiguration; 0 on a TD");
        return fields;
    }
    if (masks.format.npt) {
        decodeNpt(state, add);
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
