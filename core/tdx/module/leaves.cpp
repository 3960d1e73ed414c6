// SPDX-License-Identifier: GPL-3.0-or-later
#include "tdx/module/leaves.h"

#include <array>

namespace mirrorscope {

namespace {
using enum Operand;
constexpr std::string_view kInit = "INITIALIZED", kInitRun = "INITIALIZED, RUNNABLE", kRun = "RUNNABLE", kAny = "any",
                           kUninit = "UNINITIALIZED";

constexpr std::array<LeafInfo, kLeaves> kTable{{
    {Leaf::VpEnter, 0, "TDH.VP.ENTER", "tdh_vp_enter", Tdvpr, None, None, None, 0, 0, kRun,
     "TDVPR shared, TDR shared, op_state shared (dropped before entry), epoch shared (short)", "run a vCPU until it exits"},
    {Leaf::MngAddcx, 1, "TDH.MNG.ADDCX", "tdh_mng_addcx", Page, Tdr, None, None, 0, 0, kUninit, "TDR exclusive, page exclusive",
     "give a TD a control page"},
    {Leaf::MemPageAdd, 2, "TDH.MEM.PAGE.ADD", "tdh_mem_page_add", GpaLevel, Tdr, Page, Source, 0, 0, kInit, "TDR exclusive, page exclusive",
     "add a page of the image, with content, before the TD is finalized"},
    {Leaf::MemSeptAdd, 3, "TDH.MEM.SEPT.ADD", "tdh_mem_sept_add", GpaLevel, TdrFlags, Page, None, 1, 9, kInitRun,
     "TDR shared, op_state shared, tree shared, entry, page exclusive", "add a secure EPT page"},
    {Leaf::VpAddcx, 4, "TDH.VP.ADDCX", "tdh_vp_addcx", Page, Tdvpr, None, None, 0, 0, kInit,
     "TDVPR exclusive, TDR shared, op_state shared, page exclusive", "give a vCPU a control page"},
    {Leaf::MemPageRelocate, 5, "TDH.MEM.PAGE.RELOCATE", "tdh_mem_page_relocate", GpaLevel, Tdr, Page, None, 0, 0, kInitRun,
     "TDR shared, op_state shared, tree shared, entry, old page exclusive, new page exclusive", "move a private page to another frame"},
    {Leaf::MemPageAug, 6, "TDH.MEM.PAGE.AUG", "tdh_mem_page_aug", GpaLevel, Tdr, Page, None, 0, 1, kInitRun,
     "TDR shared, op_state shared, tree shared, entry, page exclusive", "add a page that the guest must accept"},
    {Leaf::MemRangeBlock, 7, "TDH.MEM.RANGE.BLOCK", "tdh_mem_range_block", GpaLevel, Tdr, None, None, 0, 9, kInitRun,
     "TDR shared, op_state shared, tree exclusive, entry", "make an entry and all below unreachable for new walks"},
    {Leaf::MngKeyConfig, 8, "TDH.MNG.KEY.CONFIG", "tdh_mng_key_config", Tdr, None, None, None, 0, 0, kAny, "TDR exclusive, key engine",
     "program the TD's key on this package"},
    {Leaf::MngCreate, 9, "TDH.MNG.CREATE", "tdh_mng_create", Page, Hkid, None, None, 0, 0, kAny, "page exclusive, KOT exclusive",
     "create a TD: its TDR"},
    {Leaf::VpCreate, 10, "TDH.VP.CREATE", "tdh_vp_create", Page, Tdr, None, None, 0, 0, kInit,
     "TDR shared, op_state shared, page exclusive", "create a vCPU: its TDVPR"},
    {Leaf::MemPageDemote, 15, "TDH.MEM.PAGE.DEMOTE", "tdh_mem_page_demote", GpaLevel, Tdr, Page, None, 1, 2, kInitRun,
     "TDR shared, op_state shared, tree shared, entry, new table exclusive, large PAMT entry exclusive",
     "split a large page; with dynamic PAMT R12 and R13 are the pair for its parts"},
    {Leaf::MrExtend, 16, "TDH.MR.EXTEND", "tdh_mr_extend", Gpa, Tdr, None, None, 0, 0, kInit, "TDR exclusive",
     "measure 256 bytes of the image into MRTD"},
    {Leaf::MrFinalize, 17, "TDH.MR.FINALIZE", "tdh_mr_finalize", Tdr, None, None, None, 0, 0, kInit, "TDR exclusive",
     "end the build: MRTD is fixed, the TD is runnable"},
    {Leaf::VpFlush, 18, "TDH.VP.FLUSH", "tdh_vp_flush", Tdvpr, None, None, None, 0, 0, kAny, "TDVPR exclusive, TDR shared",
     "flush a vCPU from its physical CPU and end their association"},
    {Leaf::MngVpflushdone, 19, "TDH.MNG.VPFLUSHDONE", "tdh_mng_vpflushdone", Tdr, None, None, None, 0, 0, kAny,
     "TDR exclusive, KOT exclusive", "no vCPU is associated any more: the TD is blocked for teardown"},
    {Leaf::MngKeyFreeid, 20, "TDH.MNG.KEY.FREEID", "tdh_mng_key_freeid", Tdr, None, None, None, 0, 0, kAny, "TDR exclusive, KOT exclusive",
     "free the HKID: the TD is in teardown"},
    {Leaf::MngInit, 21, "TDH.MNG.INIT", "tdh_mng_init", Tdr, Params, None, None, 0, 0, kUninit, "TDR exclusive", "initialize the TD"},
    {Leaf::VpInit, 22, "TDH.VP.INIT", "tdh_vp_init", Tdvpr, Value, None, None, 0, 0, kInit, "TDVPR exclusive, TDR shared, op_state shared",
     "initialize a vCPU"},
    {Leaf::MemPagePromote, 23, "TDH.MEM.PAGE.PROMOTE", "tdh_mem_page_promote", GpaLevel, Tdr, None, None, 1, 2, kInitRun,
     "TDR shared, op_state shared, tree shared, entry and 512 children, table exclusive, large PAMT entry exclusive",
     "merge 512 pages into a large one"},
    {Leaf::PhymemPageRdmd, 24, "TDH.PHYMEM.PAGE.RDMD", "tdh_phymem_page_rdmd", Page, None, None, None, 0, 0, kAny, "page shared",
     "read a frame's PAMT entry"},
    {Leaf::MemSeptRd, 25, "TDH.MEM.SEPT.RD", "tdh_mem_sept_rd", GpaLevel, Tdr, None, None, 0, 9, kInitRun,
     "TDR shared, op_state shared, tree shared, entry", "read an entry as the host may see it"},
    {Leaf::MngKeyReclaimid, 27, "TDH.MNG.KEY.RECLAIMID", "tdh_mng_key_reclaimid", Tdr, None, None, None, 0, 0, kAny, "none",
     "does nothing in 1.5"},
    {Leaf::PhymemPageReclaim, 28, "TDH.PHYMEM.PAGE.RECLAIM", "tdh_phymem_page_reclaim", Page, None, None, None, 0, 0, kAny,
     "page exclusive, TDR shared", "take a page back from a TD in teardown"},
    {Leaf::MemPageRemove, 29, "TDH.MEM.PAGE.REMOVE", "tdh_mem_page_remove", GpaLevel, Tdr, None, None, 0, 2, kInitRun,
     "TDR shared, op_state shared, tree shared, entry, page exclusive", "take a blocked and tracked page out"},
    {Leaf::MemSeptRemove, 30, "TDH.MEM.SEPT.REMOVE", "tdh_mem_sept_remove", GpaLevel, Tdr, None, None, 1, 9, kInitRun,
     "TDR shared, op_state shared, tree exclusive, entry, table exclusive", "take an empty secure EPT page out"},
    {Leaf::MemTrack, 38, "TDH.MEM.TRACK", "tdh_mem_track", Tdr, None, None, None, 0, 0, kInitRun,
     "TDR shared, op_state shared, epoch exclusive", "advance TD_EPOCH"},
    {Leaf::MemRangeUnblock, 39, "TDH.MEM.RANGE.UNBLOCK", "tdh_mem_range_unblock", GpaLevel, Tdr, None, None, 0, 9, kInitRun,
     "TDR shared, op_state shared, tree exclusive, entry", "undo a block that was tracked"},
    {Leaf::PhymemCacheWb, 40, "TDH.PHYMEM.CACHE.WB", "tdh_phymem_cache_wb", Resume, None, None, None, 0, 0, kAny, "package, KOT shared",
     "write back the cache for HKIDs to be freed"},
    {Leaf::PhymemPageWbinvd, 41, "TDH.PHYMEM.PAGE.WBINVD", "tdh_phymem_page_wbinvd", Page, None, None, None, 0, 0, kAny, "page shared",
     "write back and invalidate the cache lines of a freed page"},
    {Leaf::PhymemPamtAdd, 58, "TDH.PHYMEM.PAMT.ADD", "tdh_phymem_pamt_add", Range, Pair, Pair, None, 0, 0, kAny,
     "2M PAMT entry exclusive, the pair's entries shared", "dynamic PAMT: give 2M of memory the two pages of its 4K PAMT entries"},
    {Leaf::PhymemPamtRemove, 59, "TDH.PHYMEM.PAMT.REMOVE", "tdh_phymem_pamt_remove", Range, None, None, None, 0, 0, kAny,
     "2M PAMT entry exclusive", "dynamic PAMT: take the two pages back when no page of the 2M is in use"},
    {Leaf::TdgMemPageAccept, 6, "TDG.MEM.PAGE.ACCEPT", "tdg_mem_page_accept", GpaLevel, None, None, None, 0, 1, kRun, "entry (guest)",
     "the guest accepts a pending page", true},
}};

constexpr auto kNames = [] {
    std::array<std::string_view, kLeaves> names{};
    for (unsigned i = 0; i < kLeaves; ++i)
        names[i] = kTable[i].name;
    return names;
}();
} // namespace

std::string_view name(Operand operand) {
    constexpr std::array<std::string_view, 14> names{"",     "gpa",  "gpa",    "tdr",  "tdr",    "tdvpr",  "page",
                                                     "page", "pair", "source", "hkid", "params", "resume", "value"};
    return names[static_cast<unsigned>(operand)];
}

const LeafInfo& info(Leaf leaf) { return kTable[static_cast<unsigned>(leaf)]; }
std::span<const LeafInfo> leafTable() { return kTable; }
std::span<const std::string_view> leafNames() { return kNames; }

std::optional<Leaf> leafFromName(std::string_view name) {
    for (unsigned i = 0; i < kLeaves; ++i)
        if (kNames[i] == name)
            return static_cast<Leaf>(i);
    return std::nullopt;
}

} // namespace mirrorscope
