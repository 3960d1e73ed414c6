// SPDX-License-Identifier: GPL-3.0-or-later
// The CPU's walk of a second-level table, over the real bits: what translates a guest physical address, or why nothing does. Intel's EPT
// (the secure EPT of the TDX module has its format, too) and AMD's NPT differ in which bits say what; one walker serves all trees.
#pragma once

#include "machine/machine.h"

namespace mirrorscope {

namespace ept {
inline constexpr u64 kRead = 1, kWrite = 2, kExec = 4, kRwx = 7;
inline constexpr u64 kLarge = 1 << 7, kAccessed = 1 << 8, kDirty = 1 << 9;
inline constexpr u64 kPfnMask = 0x000ffffffffff000ull;
inline constexpr u64 kSuppressVe = 1ull << 63;

// Bit 51 is the C-bit of an SNP machine; no machine has so much memory that an EPT would need it.
constexpr Pfn pfnOf(u64 entry) { return {(entry & kPfnMask & ~(1ull << 51)) >> 12}; }
} // namespace ept

namespace npt {
inline constexpr u64 kPresent = 1, kWrite = 2, kUser = 4, kAccessed = 1 << 5, kDirty = 1 << 6;
inline constexpr u64 kNoExec = 1ull << 63;
inline constexpr u64 kCBit = 1ull << 51; // CPUID 8000_001F EBX[5:0] of the machines there are
// Physical addresses have 46 bits (52 less those that encryption takes): a set bit above is reserved.
inline constexpr u64 kReserved = 0x1full << 46;
} // namespace npt

// "rw-". `rights` as EPT has them.
std::string rightsText(u64 rights);

// Which bits of an entry the CPU looks at.
struct PageFormat {
    bool npt = false;
    u64 accessed = ept::kAccessed;
    u64 dirty = ept::kDirty;

    // Read, write and execute as EPT has them.
    u64 rights(u64 entry) const {
        if (!npt)
            return entry & ept::kRwx;
        if ((entry & npt::kPresent) == 0)
            return 0;
        return ept::kRead | (entry & npt::kWrite) | ((entry & npt::kNoExec) == 0 ? u64{ept::kExec} : 0);
    }
    // EPT: writable but not readable (SDM 29.3.3.1). NPT: a reserved bit of a present entry is set.
    bool misconfigured(u64 entry) const {
        return npt ? (entry & npt::kPresent) != 0 && (entry & npt::kReserved) != 0 : (entry & 3) == ept::kWrite;
    }
};
inline constexpr PageFormat kEptFormat{};
inline constexpr PageFormat kNptFormat{true, npt::kAccessed, npt::kDirty};

enum class Access : u8 { Read, Write, Exec };

struct EptWalk {
    // The last two: the CPU's check of the RMP after the walk.
    enum class Outcome : u8 { Translated, Violation, Misconfig, NotOwner, NotValidated };
    Outcome outcome = Outcome::Violation;
    Level level = Level::None; // of the entry at which the walk ended
    Place place;               // of that entry
    u64 entry = 0;
    u64 rwx = ept::kRwx; // the rights that all entries of the path give together
    Place path[5];       // the entries of the path, root first
    unsigned depth = 0;  // how many of them
};

// Walks from the table at `root`. `gpn` is the guest physical page number as the CPU sees it, shared bit included.
EptWalk walkEpt(const Machine& machine, Pfn root, unsigned levels, u64 gpn, Access access, const PageFormat& format = kEptFormat);
// The same without being an actor's observation.
EptWalk peekEpt(const Machine& machine, Pfn root, unsigned levels, u64 gpn, Access access, const PageFormat& format = kEptFormat);

} // namespace mirrorscope
