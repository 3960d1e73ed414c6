// SPDX-License-Identifier: GPL-3.0-or-later
// The two pages that hold the PAMT entries of the 512 4K pages of 2M of memory (a module with dynamic PAMT: pamt_manager.c,
// tdh_phymem_pamt_add.c): PAMT.ADD and DEMOTE are given them, PAMT.REMOVE and PROMOTE give them back.
#pragma once

#include "tdx/module/module.h"

#include <array>
#include <utility>

namespace mirrorscope {

using PamtPages = std::array<std::pair<u64, u32>, 2>; // HPA, and the operand that it was given in

// Their form: OPERAND_INVALID, OPERAND_ADDR_RANGE_ERROR.
u64 checkPamtPages(LeafCall& c, const PamtPages& pages);
// Both are free and become PAMT pages, or none: OPERAND_BUSY, PAGE_NOT_FREE. The entry of each is locked, shared; `besideRange`: unless the
// page lies in the range itself, whose entry the caller holds.
u64 takePamtPages(LeafCall& c, const PamtPages& pages, Pfn range, bool besideRange);
// The entry of the 2M names them.
void setPamtPages(LeafCall& c, const PamtPages& pages, Pfn range);
// Those that it names are PAMT pages no longer.
std::array<Pfn, 2> givePamtPages(LeafCall& c, Pfn range);

} // namespace mirrorscope
