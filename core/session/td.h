// SPDX-License-Identifier: GPL-3.0-or-later
// What the panes of a TD show: its life cycle, epochs and counters, and what each frame of memory is and who owns it.
#pragma once

#include "base/types.h"

#include <array>
#include <string>
#include <string_view>
#include <vector>

namespace mirrorscope {

struct TdVcpuView {
    std::string state;   // of TDVPS, "not made yet" or "reclaimed"
    bool exists = false; // it has a TDVPR; else nothing below
    u64 epoch = 0;       // TD_EPOCH as sampled at its last entry
    bool inside = false;
    bool flushPending = false;  // its next entry flushes first
    std::string associatedWith; // the physical CPU, empty if none
};

struct TdView {
    bool exists = false; // false before it is created and after its TDR was reclaimed
    std::string lifecycle, opState, kvmState;
    u64 epoch = 0;
    u64 refcount[2] = {0, 0};
    u64 pages = 0; // CHLDCNT: 4K pages that belong to it, TDR excluded
    u64 controlPages = 0;
    u64 premapped = 0; // KVM's nr_premapped
    bool mrtdFinal = false;
    std::string mrtd; // 96 hex digits, of what was measured so far
    std::vector<TdVcpuView> vcpus;
};

// One frame of host memory.
struct FrameView {
    enum class Kind : u8 { Free, Kvm, External, Shared, Private, Control, Raw, Pamt, Other, Count_ } kind = Kind::Free;
    std::string host;  // what the host uses it for
    std::string pamt;  // the page type of the PAMT; empty without a TDX module
    std::string owner; // "TDR 4d2"
    std::string use;   // "mirror table of private 0x0 at 2M"
    u64 bepoch = 0;
    bool changed = false; // by the micro-step before the position
};

// Dynamic PAMT: 2M of host memory whose 4K PAMT entries exist, the two pages that hold them, and how many of its pages the module has.
struct PamtRange {
    Pfn first;
    std::array<Pfn, 2> pair;
    u64 pages = 0; // pamt_refcounts
};

inline constexpr u64 kFramesPerLine = 64;

struct FrameKindStyle {
    std::string_view name;
    std::string_view light, dark;
};
const FrameKindStyle& styleOf(FrameView::Kind kind);

} // namespace mirrorscope
