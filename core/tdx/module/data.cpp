// SPDX-License-Identifier: GPL-3.0-or-later
#include "tdx/module/data.h"

#include "base/text.h"

#include <array>
#include <utility>

namespace mirrorscope {

namespace tdx {
namespace {
constexpr std::pair<u32, std::string_view> kStatuses[] = {
    {0x00000000, "SUCCESS"},
    {0x40000001, "NON_RECOVERABLE_VCPU"},
    {0x60000002, "NON_RECOVERABLE_TD"},
    {0x80000003, "INTERRUPTED_RESUMABLE"},
    {INTERRUPTED_RESTARTABLE, "INTERRUPTED_RESTARTABLE"},
    {OPERAND_INVALID, "OPERAND_INVALID"},
    {OPERAND_ADDR_RANGE_ERROR, "OPERAND_ADDR_RANGE_ERROR"},
    {OPERAND_BUSY, "OPERAND_BUSY"},
    {PREVIOUS_TLB_EPOCH_BUSY, "PREVIOUS_TLB_EPOCH_BUSY"},
    {0x80000202, "SYS_BUSY"},
    {0x80000203, "RND_NO_ENTROPY"},
    {0x90000205, "HOST_PRIORITY_BUSY_TIMEOUT"},
    {PAGE_METADATA_INCORRECT, "PAGE_METADATA_INCORRECT"},
    {HPA_RANGE_NOT_FREE, "HPA_RANGE_NOT_FREE"},
    {PAGE_NOT_FREE, "PAGE_NOT_FREE"},
    {MISSING_PAMT_PAGE_PAIR, "MISSING_PAMT_PAGE_PAIR"},
    {NO_PAMT_PAGE_PAIR, "NO_PAMT_PAGE_PAIR"},
    {PAMT_PAGE_NOT_EMPTY, "PAMT_PAGE_NOT_EMPTY"},
    {TD_ASSOCIATED_PAGES_EXIST, "TD_ASSOCIATED_PAGES_EXIST"},
    {0xC0000505, "SYS_NOT_READY"},
    {0xC0000506, "SYS_SHUTDOWN"},
    {TD_FATAL, "TD_FATAL"},
    {TD_NON_DEBUG, "TD_NON_DEBUG"},
    {TDCS_NOT_ALLOCATED, "TDCS_NOT_ALLOCATED"},
    {LIFECYCLE_STATE_INCORRECT, "LIFECYCLE_STATE_INCORRECT"},
    {OP_STATE_INCORRECT, "OP_STATE_INCORRECT"},
    {NO_VCPUS, "NO_VCPUS"},
    {TDCX_NUM_INCORRECT, "TDCX_NUM_INCORRECT"},
    {VCPU_STATE_INCORRECT, "VCPU_STATE_INCORRECT"},
    {VCPU_ASSOCIATED, "VCPU_ASSOCIATED"},
    {VCPU_NOT_ASSOCIATED, "VCPU_NOT_ASSOCIATED"},
    {MAX_VCPUS_EXCEEDED, "MAX_VCPUS_EXCEEDED"},
    {0x80000800, "KEY_GENERATION_FAILED"},
    {TD_KEYS_NOT_CONFIGURED, "TD_KEYS_NOT_CONFIGURED"},
    {KEY_CONFIGURED, "KEY_CONFIGURED"},
    {WBCACHE_NOT_COMPLETE, "WBCACHE_NOT_COMPLETE"},
    {HKID_NOT_FREE, "HKID_NOT_FREE"},
    {NO_HKID_READY_TO_WBCACHE, "NO_HKID_READY_TO_WBCACHE"},
    {WBCACHE_RESUME_ERROR, "WBCACHE_RESUME_ERROR"},
    {FLUSHVP_NOT_DONE, "FLUSHVP_NOT_DONE"},
    {EPT_WALK_FAILED, "EPT_WALK_FAILED"},
    {EPT_ENTRY_NOT_PRESENT, "EPT_ENTRY_NOT_PRESENT"},
    {GPA_RANGE_NOT_BLOCKED, "GPA_RANGE_NOT_BLOCKED"},
    {GPA_RANGE_ALREADY_BLOCKED, "GPA_RANGE_ALREADY_BLOCKED"},
    {TLB_TRACKING_NOT_DONE, "TLB_TRACKING_NOT_DONE"},
    {EPT_INVALID_PROMOTE_CONDITIONS, "EPT_INVALID_PROMOTE_CONDITIONS"},
    {PAGE_ALREADY_ACCEPTED, "PAGE_ALREADY_ACCEPTED"},
    {PAGE_SIZE_MISMATCH, "PAGE_SIZE_MISMATCH"},
    {EPT_ENTRY_STATE_INCORRECT, "EPT_ENTRY_STATE_INCORRECT"},
    {EPT_PAGE_NOT_FREE, "EPT_PAGE_NOT_FREE"},
};
constexpr std::pair<u32, std::string_view> kOperands[] = {
    {0, "RAX"},
    {1, "RCX"},
    {2, "RDX"},
    {3, "RBX"},
    {5, "RBP"},
    {6, "RSI"},
    {7, "RDI"},
    {8, "R8"},
    {9, "R9"},
    {10, "R10"},
    {11, "R11"},
    {12, "R12"},
    {13, "R13"},
    {14, "R14"},
    {15, "R15"},
    {64, "ATTRIBUTES"},
    {65, "XFAM"},
    {66, "EXEC_CONTROLS"},
    {67, "EPTP_CONTROLS"},
    {68, "MAX_VCPUS"},
    {69, "CPUID_CONFIG"},
    {70, "TSC_FREQUENCY"},
    {71, "NUM_L2_VMS"},
    {72, "ARCH_CAPABILITIES"},
    {95, "PAGE"},
    {96, "TDMR_INFO_PA"},
    {128, "TDR"},
    {129, "TDCX"},
    {176, "METADATA_FIELD"},
    {130, "TDVPR"},
    {132, "REG_PAGE"},
    {144, "TDCS"},
    {145, "TDVPS"},
    {146, "SEPT_TREE"},
    {147, "SEPT_ENTRY"},
    {168, "RTMR"},
    {169, "TD_EPOCH"},
    {172, "OP_STATE"},
    {184, "SYS"},
    {185, "TDMR"},
    {186, "KOT"},
    {187, "KET"},
    {188, "WBCACHE"},
};
} // namespace

std::string statusName(u64 status) {
    for (const auto& [code, text] : kStatuses)
        if (code == highOf(status))
            return "TDX_" + std::string(text);
    return hex16(status);
}

std::string operandName(u32 id) {
    for (const auto& [code, text] : kOperands)
        if (code == id)
            return std::string(text);
    return std::to_string(id);
}

std::string operandText(u64 status) {
    const u32 high = highOf(status);
    const auto low = static_cast<u32>(status);
    if (high == PAGE_ALREADY_ACCEPTED || high == PAGE_SIZE_MISMATCH)
        return "level" + std::to_string(low);
    if (high == PAMT_PAGE_NOT_EMPTY)
        return "page" + std::to_string(low);
    // 0 is RAX, but most statuses with 0 there name no operand.
    return low == 0 && high != OPERAND_INVALID && high != OPERAND_BUSY ? "" : operandName(low);
}

std::vector<std::string_view> operandNames() {
    std::vector<std::string_view> names;
    for (const auto& [code, text] : kOperands)
        names.push_back(text);
    return names;
}

bool statusFromName(std::string_view name, u64& status) {
    if (name.starts_with("TDX_"))
        name.remove_prefix(4);
    for (const auto& [code, text] : kStatuses)
        if (text == name) {
            status = u64{code} << 32;
            return true;
        }
    return false;
}

std::vector<std::string_view> statusNames() {
    std::vector<std::string_view> names;
    for (const auto& [code, text] : kStatuses)
        names.push_back(text);
    return names;
}

bool operandFromName(std::string_view name, u32& id) {
    for (const auto& [code, text] : kOperands)
        if (text == name) {
            id = code;
            return true;
        }
    return false;
}
} // namespace tdx

namespace sept {

SeptState stateOf(u64 entry) {
    if ((entry & kStateMask) == (kFree & kStateMask))
        return SeptState::Free;
    switch (entry & kStateMask) {
    case 0: return SeptState::Table;
    case kBlocked: return SeptState::TableBlocked;
    case kLeaf | kIpat: return SeptState::Mapped;
    case kLeaf | kIpat | kBlocked: return SeptState::Blocked;
    case kLeaf | kIpat | kPending: return SeptState::Pending;
    case kLeaf | kIpat | kPending | kBlocked: return SeptState::PendingBlocked;
    }
    return SeptState::Other;
}

bool isAnyBlocked(u64 entry) {
    const SeptState state = stateOf(entry);
    return state == SeptState::TableBlocked || state == SeptState::Blocked || state == SeptState::PendingBlocked;
}

u8 archState(u64 entry) {
    switch (stateOf(entry)) {
    case SeptState::Free: return 0x00;
    case SeptState::Table: return 0x84;
    case SeptState::TableBlocked: return 0x81;
    case SeptState::Mapped: return 0x04;
    case SeptState::Blocked: return 0x01;
    case SeptState::Pending: return 0x02;
    case SeptState::PendingBlocked: return 0x03;
    case SeptState::Other:
    case SeptState::Count_: break;
    }
    return 0xff;
}

u64 view(u64 entry) {
    if (stateOf(entry) == SeptState::Free)
        return kSuppressVe;
    if (isLeaf(entry))
        return entry & (ept::kRwx | 7ull << 3 | kIpat | kLeaf | ept::kPfnMask | kSuppressVe);
    return entry & (ept::kRwx | kLeaf);
}

} // namespace sept

std::string_view name(PageType type) {
    switch (type) {
    case PageType::Nda: return "PT_NDA";
    case PageType::Rsvd: return "PT_RSVD";
    case PageType::Reg: return "PT_REG";
    case PageType::Tdr: return "PT_TDR";
    case PageType::Tdcx: return "PT_TDCX";
    case PageType::Tdvpr: return "PT_TDVPR";
    case PageType::Ept: return "PT_EPT";
    case PageType::Pamt: return "PT_PAMT";
    }
    return "?";
}

std::string_view tdr::lifecycleName(u64 value) {
    constexpr std::array<std::string_view, 4> names{"HKID_ASSIGNED", "KEYS_CONFIGURED", "BLOCKED", "TEARDOWN"};
    return value < names.size() ? names[value] : "?";
}

std::string_view tdcs::opStateName(u64 value) {
    constexpr std::array<std::string_view, 3> names{"UNINITIALIZED", "INITIALIZED", "RUNNABLE"};
    return value < names.size() ? names[value] : "?";
}

std::string_view tdvps::stateName(u64 value) {
    switch (value) {
    case Uninitialized: return "UNINITIALIZED";
    case Ready: return "READY";
    case Active: return "ACTIVE";
    case Disabled: return "DISABLED";
    }
    return "?";
}

} // namespace mirrorscope
