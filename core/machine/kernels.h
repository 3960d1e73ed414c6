// SPDX-License-Identifier: GPL-3.0-or-later
// What each release of `machine.kernel` does, point by point: the table from which the docs are made. What it says of a release is done in
// kvm/versions/ and tdx/backend/versions/ (and stands in reference order: who calls what, locks, pages, the rest).
#pragma once

#include "machine/config.h"

#include <span>
#include <string_view>

namespace mirrorscope {

// The releases that are told apart in the table, in order; `fixed` is 6.16 with later fixes, named in fidelity.md.
inline constexpr std::array<Kernel, 4> kReleases{Kernel::V6_16, Kernel::V6_19, Kernel::V7_2, Kernel::Next};

struct KernelPoint {
    std::string_view name;
    std::array<std::string_view, kReleases.size()> does; // empty: as the release before it
    std::string_view since;                              // the commits, or the series
    std::string_view shownBy;                            // what differs to be seen; empty: nothing does in this model
};
std::span<const KernelPoint> kernelPoints();
// What that release does, by itself or as one before it.
std::string_view doesIn(const KernelPoint& point, std::size_t release);

} // namespace mirrorscope
