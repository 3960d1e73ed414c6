// SPDX-License-Identifier: GPL-3.0-or-later
// The CPU's walk of an EPT, over the real bits: what translates a guest physical address, or why nothing does.
// The secure EPT of the TDX module has the same format, so one walker serves all three trees.
#pragma once

#include "machine/machine.h"

namespace mirrorscope {

namespace ept {
inline constexpr u64 kRead = 1, kWrite = 2, kExec = 4, kRwx = 7;
inline constexpr u64 kLarge = 1 << 7, kAccessed = 1 << 8, kDirty = 1 << 9;
inline constexpr u64 kPfnMask = 0x000ffffffffff000ull;
inline constexpr u64 kSuppressVe = 1ull << 63;

constexpr Pfn pfnOf(u64 entry) { return {(entry & kPfnMask) >> 12}; }
} // namespace ept

enum class Access : u8 { Read, Write, Exec };

struct EptWalk {
    enum class Outcome : u8 { Translated, Violation, Misconfig };
    Outcome outcome = Outcome::Violation;
    Level level = Level::None; // of the entry at which the walk ended
    Place place;               // of that entry
    u64 entry = 0;
    u64 rwx = ept::kRwx; // the rights that all entries of the path give together
    Place path[5];       // the entries of the path, root first
    unsigned depth = 0;  // how many of them
};

// Walks from the table at `root`. `gpn` is the guest physical page number as the CPU sees it, shared bit included.
EptWalk walkEpt(const Machine& machine, Pfn root, unsigned levels, u64 gpn, Access access);
// The same without being an actor's observation.
EptWalk peekEpt(const Machine& machine, Pfn root, unsigned levels, u64 gpn, Access access);

} // namespace mirrorscope
