// SPDX-License-Identifier: GPL-3.0-or-later
// The table of SEAMCALL and TDCALL leaves: name, number, operands by name, where they are accepted, what they lock.
#pragma once

#include "machine/config.h"

#include <optional>
#include <span>
#include <string_view>

namespace mirrorscope {

enum class Leaf : u8 {
    VpEnter,
    MngAddcx,
    MemPageAdd,
    MemSeptAdd,
    VpAddcx,
    MemPageRelocate,
    MemPageAug,
    MemRangeBlock,
    MngKeyConfig,
    MngCreate,
    VpCreate,
    MemPageDemote,
    MrExtend,
    MrFinalize,
    VpFlush,
    MngVpflushdone,
    MngKeyFreeid,
    MngInit,
    VpInit,
    MemPagePromote,
    PhymemPageRdmd,
    MemSeptRd,
    MngKeyReclaimid,
    PhymemPageReclaim,
    MemPageRemove,
    MemSeptRemove,
    MemTrack,
    MemRangeUnblock,
    PhymemCacheWb,
    PhymemPageWbinvd,
    PhymemPamtAdd,
    PhymemPamtRemove,
    TdgMemPageAccept,
    Count_
};
inline constexpr unsigned kLeaves = static_cast<unsigned>(Leaf::Count_);

// How a register's content is named in a scenario and in the output.
enum class Operand : u8 {
    None,
    GpaLevel, // RCX: GPA and level, named `gpa` and `level`
    Gpa,      // GPA alone, `gpa`
    Tdr,      // HPA of the TDR, `tdr`
    TdrFlags, // the same with ALLOW_EXISTING in bit 0
    Tdvpr,    // HPA of a vCPU's TDVPR, `tdvpr`
    Page,     // HPA of a page that the module is given, `page`
    Range,    // HPA of 2M of memory with level 1, named by a page of it: `page`
    Pair,     // HPA of a page for the range's PAMT entries
    Source,   // HPA of a shared page, `source`
    Hkid,
    Params, // HPA of TD_PARAMS
    Resume, // 0 or 1
    Value,  // a plain number
};
std::string_view name(Operand operand);

struct LeafInfo {
    Leaf leaf;
    u16 number;
    std::string_view name;     // "TDH.MEM.PAGE.AUG"
    std::string_view function; // "tdh_mem_page_aug"
    Operand rcx, rdx, r8, r9;
    u8 minLevel, maxLevel; // the module's levels that RCX may ask for; max 9 = the top of the tree
    std::string_view opStates;
    std::string_view locks;
    std::string_view help;
    bool guest = false;
};
const LeafInfo& info(Leaf leaf);
std::span<const LeafInfo> leafTable();
std::optional<Leaf> leafFromName(std::string_view name);
std::span<const std::string_view> leafNames();

} // namespace mirrorscope
