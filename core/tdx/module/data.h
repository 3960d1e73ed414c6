// SPDX-License-Identifier: GPL-3.0-or-later
// The TDX module's data as words: S-EPT entries, PAMT entries, TDR, TDCS and TDVPS
// (TDX module 1.5.01; layouts of control structures are ours, the module's are not architectural).
#pragma once

#include "base/vocab.h"
#include "machine/ept.h"

#include <string>
#include <string_view>
#include <vector>

namespace mirrorscope {

// ---- completion status: class and detail in bits 63:32, operand id or level in 31:0
namespace tdx {
inline constexpr u64 kSuccess = 0;
constexpr u64 status(u32 high, u32 operand = 0) { return u64{high} << 32 | operand; }
inline constexpr u32 INTERRUPTED_RESTARTABLE = 0x80000004, OPERAND_INVALID = 0xC0000100, OPERAND_ADDR_RANGE_ERROR = 0xC0000101,
                     OPERAND_BUSY = 0x80000200, PREVIOUS_TLB_EPOCH_BUSY = 0x80000201, PAGE_METADATA_INCORRECT = 0xC0000300,
                     HPA_RANGE_NOT_FREE = 0xC0000304, TD_ASSOCIATED_PAGES_EXIST = 0xC0000400, TD_FATAL = 0xE0000604,
                     TD_NON_DEBUG = 0xC0000605, TDCS_NOT_ALLOCATED = 0xC0000606, LIFECYCLE_STATE_INCORRECT = 0xC0000607,
                     OP_STATE_INCORRECT = 0xC0000608, NO_VCPUS = 0xC0000609, TDCX_NUM_INCORRECT = 0xC0000610,
                     VCPU_STATE_INCORRECT = 0xC0000700, VCPU_ASSOCIATED = 0x80000701, VCPU_NOT_ASSOCIATED = 0x80000702,
                     MAX_VCPUS_EXCEEDED = 0xC0000705, TD_KEYS_NOT_CONFIGURED = 0x80000810, KEY_CONFIGURED = 0x00000815,
                     WBCACHE_NOT_COMPLETE = 0x80000817, HKID_NOT_FREE = 0xC0000820, NO_HKID_READY_TO_WBCACHE = 0x00000821,
                     WBCACHE_RESUME_ERROR = 0xC0000823, FLUSHVP_NOT_DONE = 0x80000824, EPT_WALK_FAILED = 0xC0000B00,
                     EPT_ENTRY_NOT_PRESENT = 0xC0000B03, GPA_RANGE_NOT_BLOCKED = 0xC0000B06, GPA_RANGE_ALREADY_BLOCKED = 0x00000B07,
                     TLB_TRACKING_NOT_DONE = 0xC0000B08, EPT_INVALID_PROMOTE_CONDITIONS = 0xC0000B09, PAGE_ALREADY_ACCEPTED = 0x00000B0A,
                     PAGE_SIZE_MISMATCH = 0xC0000B0B, EPT_ENTRY_STATE_INCORRECT = 0xC0000B0D, EPT_PAGE_NOT_FREE = 0xC0000B0E;
// Of dynamic PAMT. Their names are the module's; their numbers were not to be read, these are ours (fidelity.md).
inline constexpr u32 PAGE_NOT_FREE = 0xC00003F0, MISSING_PAMT_PAGE_PAIR = 0xC00003F1, NO_PAMT_PAGE_PAIR = 0xC00003F2,
                     PAMT_PAGE_NOT_EMPTY = 0xC00003F3;
constexpr u32 highOf(u64 status) { return static_cast<u32>(status >> 32); }
constexpr bool isBusy(u64 status) { return highOf(status) == OPERAND_BUSY; }

// Operand ids.
inline constexpr u32 RAX = 0, RCX = 1, RDX = 2, R8 = 8, R9 = 9, R12 = 12, R13 = 13, TDR = 128, SEPT_TREE = 146, TD_EPOCH = 169,
                     OP_STATE = 172, KOT = 186, WBCACHE = 188;

// "TDX_OPERAND_BUSY"; the value in hex when it has no name.
std::string statusName(u64 status);
std::string operandName(u32 id);
// What stands in bits 31:0 of a status: an operand's name, "level1" of the two statuses that carry a level, or nothing.
std::string operandText(u64 status);
// Of a name with or without "TDX_".
bool statusFromName(std::string_view name, u64& status);
std::vector<std::string_view> statusNames();
std::vector<std::string_view> operandNames();
bool operandFromName(std::string_view name, u32& id);
} // namespace tdx

// ---- S-EPT entries
namespace sept {
inline constexpr u64 kLock = 1ull << 11;         // TDEL
inline constexpr u64 kHostPriority = 1ull << 52; // TDHP
inline constexpr u64 kDirtyExport = 1ull << 9, kExported = 1ull << 53, kBlockedW = 1ull << 54, kBlocked = 1ull << 55, kPending = 1ull << 56;
inline constexpr u64 kIpat = 1ull << 6, kLeaf = ept::kLarge, kMemoryType = 6ull << 3, kSuppressVe = ept::kSuppressVe;
inline constexpr u64 kFree = 0x80E0000000000000ull;
// The bits that make the state; a state is recognized by them alone.
inline constexpr u64 kStateMask = kPending | kBlocked | kBlockedW | kExported | kDirtyExport | kLeaf | kIpat;
inline constexpr u64 kMapped = 0x80000000000000F7ull, kBlockedLeaf = 0x80800000000000F0ull, kPendingLeaf = 0x81000000000000F0ull,
                     kPendingBlocked = 0x81800000000000F0ull, kTable = 0x8000000000000007ull, kTableBlocked = 0x8080000000000000ull;

SeptState stateOf(u64 entry);
constexpr bool isLeaf(u64 entry) { return (entry & kLeaf) != 0; }
bool isAnyBlocked(u64 entry);
constexpr bool isTable(SeptState state) { return state == SeptState::Table || state == SeptState::TableBlocked; } // blocked or not
// Bits 15:8 of RDX.
u8 archState(u64 entry);
// What the host is told about an entry in RCX.
u64 view(u64 entry);
} // namespace sept

// ---- PAMT: word 0 is lock 15:0, type 23:16, owner 63:24 (HPA of TDR >> 12); word 1 is BEPOCH. With dynamic PAMT the entry of 2M whose
// 4K entries exist has type Pamt, and the pages that hold them in place of owner and BEPOCH.
enum class PageType : u8 { Nda = 0, Rsvd = 1, Reg = 3, Tdr = 4, Tdcx = 5, Tdvpr = 6, Ept = 8, Pamt = 10 };
std::string_view name(PageType type);
namespace pamt {
constexpr PageType type(u64 word) { return static_cast<PageType>(word >> 16 & 0xff); }
constexpr Pfn owner(u64 word) { return {word >> 24}; }
constexpr bool isLocked(u64 word) { return (word & 0xffff) != 0; }
constexpr u64 make(u64 lockBits, PageType type, Pfn owner) {
    return (lockBits & 0xffff) | u64(static_cast<u8>(type)) << 16 | owner.v << 24;
}
} // namespace pamt

// ---- control structures
namespace tdr {
enum Word { Fatal = 1, NumTdcx, ChldCnt, Lifecycle, Hkid, PkgConfigured, Tdcx0 }; // Tdcx0…: pfns of the TDCS pages
enum Lifecycle { HkidAssigned, KeysConfigured, Blocked, Teardown };
std::string_view lifecycleName(u64 value);
} // namespace tdr
namespace tdcs { // words of the first TDCS page; the fourth page is the S-EPT root
enum Word {
    OpState,
    OpStateLock,
    TreeLock,
    EpochLock,
    TdEpoch,
    RefCount0,
    RefCount1,
    NumVcpus,
    NumAssocVcpus,
    Attributes,
    MaxVcpus,
    EptLevels,
    Gpaw,
    PendingVeDisable,
    Mrtd0,
    MrLength = Mrtd0 + 6,
    MrHash
};
enum State { Uninitialized, Initialized, Runnable };
std::string_view opStateName(u64 value);
inline constexpr unsigned kRootPage = 3;
inline constexpr unsigned kPages = 6;
} // namespace tdcs
namespace tdvps {
enum Word { State, VcpuEpoch, AssocLp, NumPages, Index, Pages0 };
enum VcpuState { Uninitialized = 0, Ready = 2, Active = 4, Disabled = 8 };
std::string_view stateName(u64 value);
inline constexpr unsigned kPages = 6;
} // namespace tdvps

} // namespace mirrorscope
