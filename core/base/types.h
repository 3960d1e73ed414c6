// SPDX-License-Identifier: GPL-3.0-or-later
// Addresses and levels as distinct types, so that a GFN cannot be passed for a PFN.
#pragma once

#include <compare>
#include <cstdint>

namespace mirrorscope {

using u8 = std::uint8_t;
using u16 = std::uint16_t;
using u32 = std::uint32_t;
using u64 = std::uint64_t;

// Who acts: the vCPUs first, then the host's actors, RCU, and the store buffer of each.
using ActorId = u16;

// A guest frame number: GPA >> 12, always without the TDX shared bit (Linux: gfn_t after kvm_gfn_direct_bits).
struct Gfn {
    u64 v = 0;
    auto operator<=>(const Gfn&) const = default;
};

// A host page frame number: HPA >> 12.
struct Pfn {
    u64 v = 0;
    auto operator<=>(const Pfn&) const = default;
};

// One 64-bit word of the simulated machine: words of physical memory first, kernel objects after them.
struct Place {
    u64 v = 0;
    auto operator<=>(const Place&) const = default;
    constexpr Place operator+(u64 words) const { return {v + words}; }
};

// The n-th word (0..511) of a physical frame.
constexpr Place wordOf(Pfn pfn, unsigned index) { return {pfn.v << 9 | index}; }
constexpr Pfn frameOf(Place place) { return {place.v >> 9}; }
constexpr unsigned indexOf(Place place) { return static_cast<unsigned>(place.v & 511); }

// Page table levels as KVM counts them: 1 = 4K, 2 = 2M, 3 = 1G. The TDX module counts from 0.
enum class Level : u8 { None = 0, k4K = 1, k2M = 2, k1G = 3, k512G = 4, k256T = 5 };

constexpr unsigned number(Level level) { return static_cast<unsigned>(level); }
constexpr Level levelOf(unsigned n) { return static_cast<Level>(n); }
constexpr Level below(Level level) { return levelOf(number(level) - 1); }
constexpr Level above(Level level) { return levelOf(number(level) + 1); }
// 4K pages under one entry of that level.
constexpr u64 pagesPer(Level level) { return 1ull << 9 * (number(level) - 1); }
constexpr u64 bytesPer(Level level) { return pagesPer(level) << 12; }
constexpr Gfn roundDown(Gfn gfn, Level level) { return {gfn.v & ~(pagesPer(level) - 1)}; }
// The index of the entry that translates `gfn` in a table of that level.
constexpr unsigned tableIndex(u64 gfn, Level level) { return gfn >> 9 * (number(level) - 1) & 511; }

// Which alias of a guest physical address is meant.
enum class Alias : u8 { Private, Shared };

// A gfn of SMM's address space carries this bit, which is above all that an address has: the tables and the CPU do not see it.
inline constexpr u64 kSmmGfn = 1ull << 50, kSmmGpa = kSmmGfn << 12;
constexpr bool isSmm(Gfn gfn) { return (gfn.v & kSmmGfn) != 0; }
constexpr Gfn inSmm(Gfn gfn, bool smm) { return {gfn.v | (smm ? kSmmGfn : 0)}; }
// Of an address that user space made up: what is beyond any address space stays beyond it, and is not SMM's.
constexpr Gfn gfnOfAddress(u64 address) {
    const u64 gfn = address >> 12;
    return {(gfn & kSmmGfn) != 0 ? (gfn & ~kSmmGfn) | kSmmGfn >> 1 : gfn};
}
// The same gfn, of whichever address space; its GPA.
constexpr Gfn bare(Gfn gfn) { return {gfn.v & ~kSmmGfn}; }
constexpr u64 gpaOf(Gfn gfn) { return bare(gfn).v << 12; }

// A half-open range of guest frames.
struct GfnRange {
    Gfn start;
    Gfn end;
    bool contains(Gfn gfn) const { return gfn >= start && gfn < end; }
    bool empty() const { return start >= end; }
};

} // namespace mirrorscope
