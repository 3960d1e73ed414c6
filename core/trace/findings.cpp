// SPDX-License-Identifier: GPL-3.0-or-later
#include "trace/findings.h"

namespace mirrorscope {

namespace {
constexpr std::array<std::string_view, 6> kKernelNames{"6.12", "6.16", "fixed", "6.19", "7.2", "next"};

constexpr std::array<TraceRuleInfo, kTraceRules> kRuleTable{{
    {TraceRule::Discontinuity, "discontinuity",
     "the old value is what the entry held, but for what the CPU and the fast path do without a line", "handle_changed_spte()"},
    {TraceRule::NoChange, "no-change", "a line tells of a change", "handle_changed_spte()", true},
    {TraceRule::Frame, "frame", "a present leaf never becomes one of another frame", "handle_changed_spte()"},
    {TraceRule::Frozen, "frozen", "an entry that is frozen is left alone, and only those of a table that goes are frozen by a line",
     "__tdp_mmu_set_spte_atomic()"},
    {TraceRule::Place, "place", "levels are 1 to 5, gfns and frames are aligned to them, and no leaf is larger than 1G",
     "handle_changed_spte()", true},
    {TraceRule::Table, "table", "a table never becomes another one, and no page is a table twice, or a table and the guest's",
     "tdp_mmu_link_sp()"},
    {TraceRule::ChildPage, "child-page", "a table that is linked is the page that the same task has made for that place, one level below",
     "tdp_mmu_init_child_sp()"},
    {TraceRule::Value, "value",
     "what is not present is the non-present value, MMIO, or frozen; what is present has the bits that KVM gives it", "make_spte()", true},
    {TraceRule::Writable, "writable", "writable only where KVM may write, and that only where the host may",
     "check_spte_writable_invariants()", true},
    {TraceRule::Mmio, "mmio", "an MMIO entry names its own gfn", "make_mmio_spte()", true},
    {TraceRule::Removed, "removed", "of a table that goes each page and each table is told, in order, by the task that unlinks it",
     "handle_removed_pt()"},
    {TraceRule::RemovalOrder, "removal-order", "what a table held is told behind the line that unlinks it (before it from 7.2 on)",
     "handle_removed_pt()"},
    {TraceRule::InvalidRoot, "invalid-root", "nothing is mapped in a root that is invalid", "is_page_fault_stale()"},
    {TraceRule::EntryAddress, "entry-address", "the address of an entry is where the gfn puts it in its table",
     "tdp_mmu_map_handle_target_level()"},
    {TraceRule::ModuleAgrees, "module-agrees",
     "no SEAMCALL is answered with a status at which KVM bugs the VM (told by probes, `record --seamcalls`)",
     "tdx_sept_remove_private_spte()", true},
    {TraceRule::PrivateFollows, "private-follows", "the private table follows each change of the mirror before the task makes the next one",
     "set_external_spte_present()"},
    {TraceRule::Notifier, "notifier",
     "what a notifier was to unmap is unmapped when its task goes on (where a probe told the memslots, `record --memslots`)",
     "kvm_mmu_notifier_invalidate_range_start()"},
}};
static_assert(inOrder(kRuleTable));
} // namespace

const TraceRuleInfo& info(TraceRule rule) { return kRuleTable[static_cast<unsigned>(rule)]; }

std::span<const std::string_view> traceKernelNames() { return kKernelNames; }

std::string_view name(TraceKernel kernel) {
    return kernel == TraceKernel::Any ? std::string_view() : kKernelNames[static_cast<std::size_t>(kernel) - 1];
}

std::optional<TraceKernel> traceKernelFromName(std::string_view name) {
    for (std::size_t i = 0; i < kKernelNames.size(); ++i)
        if (kKernelNames[i] == name)
            return static_cast<TraceKernel>(i + 1);
    return std::nullopt;
}

} // namespace mirrorscope
