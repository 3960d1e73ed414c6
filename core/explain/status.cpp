// SPDX-License-Identifier: GPL-3.0-or-later
// Completion statuses of the TDX module (TDX module 1.5 ABI, "Function Completion Status Codes").
#include "explain/explain.h"

#include "base/text.h"
#include "tdx/matrix/matrix.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>

namespace mirrorscope {

namespace {
struct Meaning {
    u32 high;
    std::string_view name; // empty: tdx::statusName() knows it
    std::string_view text;
};
constexpr Meaning kMeanings[] = {
    {0x00000000, "TDX_SUCCESS", "the call did what it was asked for"},
    {0x40000001, "TDX_NON_RECOVERABLE_VCPU", "the vCPU cannot be entered any more; the TD goes on"},
    {0x60000002, "TDX_NON_RECOVERABLE_TD", "the TD is dead: no vCPU of it can be entered any more"},
    {0x80000003, "TDX_INTERRUPTED_RESUMABLE",
     "an interrupt was pending; the call has noted how far it came and goes on when it is repeated"},
    {tdx::INTERRUPTED_RESTARTABLE, "", "an interrupt was pending; the call begins anew when it is repeated"},
    {0x60000005, "TDX_NON_RECOVERABLE_TD_NON_ACCESSIBLE", "the TD is dead and its memory cannot be read any more"},
    {0xE0000007, "TDX_NON_RECOVERABLE_TD_WRONG_APIC_MODE", "the host's APIC is in a mode in which the TD cannot run"},
    {tdx::OPERAND_INVALID, "",
     "the operand's value can never be right: reserved bits, an alignment, a level, or a state of the call's operand"},
    {tdx::OPERAND_ADDR_RANGE_ERROR, "", "the physical address is in no memory that the module was given (no TDMR)"},
    {tdx::OPERAND_BUSY, "", "somebody holds a lock of the operand; the module does not wait, whoever called tries again"},
    {tdx::PREVIOUS_TLB_EPOCH_BUSY, "",
     "TDH.MEM.TRACK would begin a new epoch while a vCPU still runs in the one before the present: "
     "not all vCPUs were made to leave after the last TRACK"},
    {0x80000202, "TDX_SYS_BUSY", "a call for the whole module is under way"},
    {0x80000203, "TDX_RND_NO_ENTROPY", "RDRAND gave nothing; try again"},
    {0x80000204, "TDX_OPERAND_BUSY_HOST_PRIORITY", "the guest's call found an entry for which the host waits"},
    {0x90000205, "TDX_HOST_PRIORITY_BUSY_TIMEOUT", "the guest found the host's entry busy for too long and exits"},
    {tdx::PAGE_METADATA_INCORRECT, "",
     "what the PAMT says of the page is not what the call needs: it belongs to somebody else, has another size, or is not free. RCX, RDX "
     "and R8 tell its type, its owner and its size"},
    {0x00000301, "TDX_PAGE_ALREADY_FREE", "the page is the host's already"},
    {tdx::TD_ASSOCIATED_PAGES_EXIST, "", "the TD still has pages: its TDR cannot be given back before them"},
    {0xC0000505, "TDX_SYS_NOT_READY", "the module is not initialized yet"},
    {0xC0000506, "TDX_SYS_SHUTDOWN", "the module was shut down"},
    {0xC0000508, "TDX_SYS_STATE_INCORRECT", "the module is in another state of its initialization"},
    {tdx::TD_FATAL, "", "the TD met a fatal error, and nothing but its teardown is left"},
    {tdx::TD_NON_DEBUG, "", "only a debug TD lets the host do this"},
    {tdx::TDCS_NOT_ALLOCATED, "", "the TD has not got all its control pages (TDH.MNG.ADDCX)"},
    {tdx::LIFECYCLE_STATE_INCORRECT, "",
     "the TD's life cycle is another one: its key is not configured yet, or it is blocked or in teardown"},
    {tdx::OP_STATE_INCORRECT, "", "the TD is in another state: it is not initialized, not finalized, or is finalized already"},
    {tdx::NO_VCPUS, "", "no vCPU was created"},
    {tdx::TDCX_NUM_INCORRECT, "", "the vCPU, or the TD, has not got all its control pages"},
    {tdx::VCPU_STATE_INCORRECT, "", "the vCPU is not initialized, runs, or was disabled"},
    {tdx::VCPU_ASSOCIATED, "", "the vCPU is associated with another physical CPU: TDH.VP.FLUSH has to come first, there"},
    {tdx::VCPU_NOT_ASSOCIATED, "", "the vCPU is associated with no physical CPU: there is nothing to flush"},
    {tdx::TD_KEYS_NOT_CONFIGURED, "", "the TD's private key is not configured on each package"},
    {tdx::KEY_CONFIGURED, "", "the key was configured already"},
    {tdx::WBCACHE_NOT_COMPLETE, "", "TDH.PHYMEM.CACHE.WB was interrupted"},
    {tdx::HKID_NOT_FREE, "", "the key id is in use"},
    {tdx::FLUSHVP_NOT_DONE, "", "a vCPU is still associated with a physical CPU: TDH.VP.FLUSH has to come first"},
    {0xC0000920, "TDX_INCONSISTENT_MSR", "an MSR differs between CPUs; the low half is its number"},
    {0xC0000921, "TDX_INCORRECT_MSR_VALUE", "an MSR has not the value that the module needs; the low half is its number"},
    {tdx::EPT_WALK_FAILED, "",
     "the walk of the secure EPT did not reach the level: a table above is missing or blocked, or a large page is in the way. RCX and RDX "
     "tell the entry at which it ended, and its level and state"},
    {tdx::EPT_ENTRY_NOT_PRESENT, "", "the entry is there and translates nothing"},
    {tdx::GPA_RANGE_NOT_BLOCKED, "",
     "the entry has to be blocked first (TDH.MEM.RANGE.BLOCK), so that no new translation of it can be cached"},
    {tdx::GPA_RANGE_ALREADY_BLOCKED, "", "the entry is blocked already"},
    {tdx::TLB_TRACKING_NOT_DONE, "",
     "the entry is blocked, but a vCPU may still have its translation: TDH.MEM.TRACK, and an exit of each vCPU that ran, must come between "
     "the block and this call"},
    {tdx::EPT_INVALID_PROMOTE_CONDITIONS, "", "the 512 small pages are not all mapped alike, or do not lie side by side"},
    {tdx::PAGE_ALREADY_ACCEPTED, "",
     "the guest accepts a page that it has accepted before: harmless, and a sign of two that accept at once"},
    {tdx::PAGE_SIZE_MISMATCH, "", "the guest accepts at a level at which the page is not mapped; it tries a smaller one"},
    {0xC0000B0C, "TDX_GPA_RANGE_BLOCKED", "the entry is blocked"},
    {tdx::EPT_ENTRY_STATE_INCORRECT, "",
     "the entry is in a state that the call does not take. RCX and RDX tell the entry, and its level and state"},
    {tdx::EPT_PAGE_NOT_FREE, "", "a table page still holds entries"},
};
constexpr std::pair<unsigned, std::string_view> kClasses[] = {
    {0, "general"},        {1, "invalid operand"},     {2, "resource busy"},
    {3, "page metadata"},  {4, "dependent resources"}, {5, "the module's state"},
    {6, "the TD's state"}, {7, "the vCPU's state"},    {8, "key management"},
    {9, "the platform"},   {10, "physical memory"},    {11, "the guest's memory"},
    {12, "metadata"},      {13, "service TDs"},
};

// Who calls the leaf in v6.16 (arch/x86/kvm/vmx/tdx.c).
constexpr std::pair<std::string_view, std::string_view> kCallers[] = {
    {"TDH.VP.ENTER", "tdx_vcpu_run()"},
    {"TDH.MNG.ADDCX", "__tdx_td_init()"},
    {"TDH.MEM.PAGE.ADD", "tdx_gmem_post_populate()"},
    {"TDH.MEM.SEPT.ADD", "tdx_sept_link_private_spt()"},
    {"TDH.VP.ADDCX", "tdx_td_vcpu_init()"},
    {"TDH.MEM.PAGE.AUG", "tdx_mem_page_aug()"},
    {"TDH.MEM.RANGE.BLOCK", "tdx_sept_zap_private_spte()"},
    {"TDH.MNG.KEY.CONFIG", "__tdx_td_init()"},
    {"TDH.MNG.CREATE", "__tdx_td_init()"},
    {"TDH.VP.CREATE", "tdx_td_vcpu_init()"},
    {"TDH.MR.EXTEND", "tdx_gmem_post_populate()"},
    {"TDH.MR.FINALIZE", "tdx_td_finalize()"},
    {"TDH.VP.FLUSH", "tdx_flush_vp()"},
    {"TDH.MNG.VPFLUSHDONE", "tdx_mmu_release_hkid()"},
    {"TDH.MNG.KEY.FREEID", "tdx_mmu_release_hkid()"},
    {"TDH.MNG.INIT", "__tdx_td_init()"},
    {"TDH.VP.INIT", "tdx_td_vcpu_init()"},
    {"TDH.PHYMEM.PAGE.RECLAIM", "tdx_reclaim_page()"},
    {"TDH.MEM.PAGE.REMOVE", "tdx_sept_drop_private_spte()"},
    {"TDH.MEM.TRACK", "tdx_track()"},
    {"TDH.PHYMEM.CACHE.WB", "smp_func_do_phymem_cache_wb()"},
    {"TDH.PHYMEM.PAGE.WBINVD", "tdx_sept_drop_private_spte()"},
};

// A scenario that gets this answer, computed: each case of the matrix until one gives it.
std::string scenarioFor(u64 status, std::string_view leaf) {
    const std::optional<Leaf> wanted = leafFromName(leaf);
    SeptMatrix matrix;
    for (const LeafInfo& row : leafTable()) {
        if ((wanted && row.leaf != *wanted) || row.rcx != Operand::GpaLevel)
            continue;
        for (const unsigned opState : {unsigned{tdcs::Runnable}, unsigned{tdcs::Initialized}})
            for (unsigned level = row.minLevel; level <= std::min<unsigned>(row.maxLevel, 2); ++level)
                for (const bool tracked : {true, false})
                    for (unsigned state = 0; state < static_cast<unsigned>(SeptState::Count_); ++state) {
                        if (static_cast<SeptState>(state) == SeptState::Other)
                            continue;
                        const MatrixCell cell = matrix.call({.leaf = row.leaf,
                                                             .level = levelOf(level + 1),
                                                             .opState = opState,
                                                             .tracked = tracked,
                                                             .state = static_cast<SeptState>(state)});
                        if (!cell.possible || cell.exits || tdx::highOf(cell.status) != tdx::highOf(status) || cell.status == tdx::kSuccess)
                            continue;
                        if (auto text = scenarioOf(cell))
                            return *text;
                    }
    }
    return "";
}
} // namespace

std::optional<Explanation> explainStatus(u64 status, std::string_view leaf) {
    const u32 high = tdx::highOf(status);
    const auto* row = std::find_if(std::begin(kMeanings), std::end(kMeanings), [&](const Meaning& m) { return m.high == high; });
    const std::string known = tdx::statusName(status);
    if (row == std::end(kMeanings) && !known.starts_with("TDX_"))
        return std::nullopt;
    Explanation e;
    e.kind = "status";
    e.name = row != std::end(kMeanings) && !row->name.empty() ? std::string(row->name) : known;
    const unsigned number = high >> 8 & 0xff;
    const auto* of = std::find_if(std::begin(kClasses), std::end(kClasses), [&](const auto& c) { return c.first == number; });
    e.text = row != std::end(kMeanings) ? std::string(row->text) + "." : "";
    if (!e.text.empty())
        e.text[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(e.text[0])));
    if (high != 0)
        e.text += fmt::format(" Class {}: {}; {}{}.", number, of == std::end(kClasses) ? "?" : of->second,
                              (status >> 63) == 0       ? "no error"
                              : (status >> 62 & 1) != 0 ? "repeating the call cannot help"
                                                        : "the call may be repeated",
                              (status >> 61 & 1) != 0 ? ", fatal" : "");
    const auto low = static_cast<u32>(status);
    if (number == 9)
        e.text += fmt::format(" The MSR is {:#x}.", low);
    else if (const std::string operand = tdx::operandText(status); high != 0 && !operand.empty())
        e.text += fmt::format(" It is about {}.", operand);
    if (!leaf.empty()) {
        if (const auto known_leaf = leafFromName(leaf)) {
            const LeafInfo& what = info(*known_leaf);
            e.text += fmt::format(" {} is to {}; it takes: {}.", leaf, what.help, what.locks);
            e.functions.push_back(std::string(what.function) + "()");
        }
        const auto* caller = std::find_if(std::begin(kCallers), std::end(kCallers), [&](const auto& c) { return c.first == leaf; });
        if (caller != std::end(kCallers))
            e.functions.push_back(std::string(caller->second));
    }
    if (high == tdx::OPERAND_BUSY)
        e.scenarioFile = "races/12-busy-sept-and-kick.yaml";
    else if (high == tdx::PREVIOUS_TLB_EPOCH_BUSY || high == tdx::TLB_TRACKING_NOT_DONE)
        e.scenarioFile = "broken/skip-track-kick.yaml";
    if (high != 0 && e.scenarioFile.empty())
        e.scenario = scenarioFor(status, leaf);
    return e;
}

} // namespace mirrorscope
