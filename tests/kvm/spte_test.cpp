// SPDX-License-Identifier: GPL-3.0-or-later
// Bit patterns of Linux v6.16 arch/x86/kvm/mmu/spte.c and what the tracepoints of a real kernel print.
#include "kvm/spte.h"

#include <gtest/gtest.h>

namespace mirrorscope {

namespace {
constexpr SpteMasks kTd{.mmioValue = 0, .ignoreGuestPat = false};
constexpr SpteMasks kOrdinary{};
} // namespace

TEST(Spte, special_values) {
    EXPECT_EQ(spte::kNonpresent, 0x8000000000000000ull);
    EXPECT_EQ(spte::kFrozen, 0x80000000000005a0ull);
    EXPECT_FALSE(spte::isPresent(spte::kFrozen));
    EXPECT_FALSE(kTd.isMmio(spte::kFrozen));
    EXPECT_FALSE(kTd.isMmio(spte::kNonpresent));
    EXPECT_FALSE(kOrdinary.isMmio(spte::kFrozen));
}

TEST(Spte, leaves_have_the_kernels_low_bits) {
    EXPECT_EQ(make_spte(kTd, Level::k4K, {0x191c3a}, false, true, true), 0x8600000191c3ab37ull);
    EXPECT_EQ(make_spte(kTd, Level::k4K, {0x191c3a}, true, true, true) & 0xfff, 0xa37u); // prefetched: not accessed
    EXPECT_EQ(make_spte(kOrdinary, Level::k4K, {1}, false, true, true) & 0xfff, 0xb77u);
    EXPECT_EQ(make_spte(kTd, Level::k2M, {0x240200}, false, true, true), 0x8600000240200bb7ull);
    const u64 readonly = make_spte(kOrdinary, Level::k4K, {1}, false, false, true);
    EXPECT_EQ(readonly & (spte::kHostWritable | spte::kMmuWritable | ept::kWrite), 0u);
}

TEST(Spte, tables_have_the_kernels_low_bits) { EXPECT_EQ(make_nonleaf_spte(kTd, {0x10f2e6}), 0x800000010f2e6907ull); }

TEST(Spte, mmio_entries_carry_gfn_and_generation) {
    for (const u64 generation : {0ull, 5ull, 0xffull, 0x100ull, 0x7ffffull}) {
        const u64 entry = make_mmio_spte(kOrdinary, {0xfec00}, generation);
        EXPECT_EQ(get_mmio_spte_generation(entry), generation);
        EXPECT_TRUE(kOrdinary.isMmio(entry));
        EXPECT_EQ(stateOf(kOrdinary, entry, Level::k4K), SpteState::Mmio);
        EXPECT_EQ(ept::pfnOf(entry).v, 0xfec00u);
    }
    // A TD's has neither RWX nor bit 63, so that the guest gets a #VE.
    EXPECT_EQ(make_mmio_spte(kTd, {0xfec00}, 2) & (7 | 1ull << 63), 0u);
}

TEST(Spte, every_bit_of_an_entry_is_named_or_reserved) {
    for (const u64 entry : {u64{0x8600000191c3ab37}, u64{0x800000010f2e6907}, spte::kFrozen, spte::kNonpresent}) {
        SCOPED_TRACE(entry);
        u64 rest = entry; // what no field tells of
        for (const BitField& f : decodeSpte(kTd, entry, entry == 0x800000010f2e6907ull ? Level::k2M : Level::k4K)) {
            EXPECT_LE(f.low, f.high) << f.name;
            const u64 mask = f.high - f.low == 63 ? ~0ull : ((1ull << (f.high - f.low + 1)) - 1) << f.low;
            EXPECT_EQ(f.value, (entry & mask) >> f.low) << f.name;
            EXPECT_FALSE(f.name.empty());
            rest &= ~mask;
        }
        EXPECT_EQ(rest, 0u);
    }
}

// Whatever KVM makes of either format, and what aging and write protection leave of it, is not taken for the other.
TEST(Spte, formats_are_told_apart) {
    for (const bool npt : {false, true})
        for (unsigned bits = 0; bits < 64; ++bits) {
            SpteMasks masks = npt ? nptMasksUnencrypted() : kOrdinary;
            masks.ignoreGuestPat = (bits & 1) != 0;
            masks.nxHugePages = (bits & 2) != 0;
            masks.adEnabled = npt || (bits & 4) != 0;
            const Level level = (bits & 8) != 0 ? Level::k2M : Level::k4K;
            const u64 leaf = make_spte(masks, level, {0x5200}, (bits & 1) != 0, (bits & 16) != 0, (bits & 32) != 0);
            for (const u64 value : {leaf, masks.markForAccessTrack(leaf), leaf & ~u64{ept::kWrite}, make_nonleaf_spte(masks, {0x102})}) {
                const std::optional<bool> looks = looksLikeNpt(value);
                EXPECT_EQ(looks.value_or(npt), npt) << std::hex << value;
                // Only a page of an NPT that the host has closed and nobody has used looks like either.
                EXPECT_TRUE(looks || (npt && (value & (masks.hostWritable | npt::kAccessed | ept::kWrite)) == 0)) << std::hex << value;
            }
        }
}

} // namespace mirrorscope
