// SPDX-License-Identifier: GPL-3.0-or-later
#include "trace/event.h"

#include "base/hash.h"
#include "kvm/types.h"

#include <fmt/format.h>

#include <functional>

namespace mirrorscope {

namespace {
// In the systems kvmmmu and kvm. On NPT npf_interception() prints kvm_page_fault.
constexpr std::array<TraceKindInfo, kTraceKinds> kKindTable{{
    {TraceKind::SpteChanged, "kvm_tdp_mmu_spte_changed", "handle_changed_spte", Site::SpteStore,
     "an entry of a table changed, as handle_changed_spte() saw it"},
    {TraceKind::GetPage, "kvm_mmu_get_page", "tdp_mmu_init_sp", Site::PageAlloc, "a page for a table was made; which one is not told"},
    {TraceKind::PrepareZapPage, "kvm_mmu_prepare_zap_page", "handle_removed_pt", Site::RcuQueue,
     "a table is taken apart, the entries that it had follow"},
    {TraceKind::SyncPage, "kvm_mmu_sync_page", "kvm_sync_page", Site::VmRead,
     "a shadow page is brought in step with the guest's; never one of the TDP MMU"},
    {TraceKind::UnsyncPage, "kvm_mmu_unsync_page", "kvm_unsync_page", Site::VmRead,
     "a shadow page is let out of step; never one of the TDP MMU"},
    {TraceKind::SetSpte, "kvm_mmu_set_spte", "tdp_mmu_map_handle_target_level", Site::SpteSet,
     "a fault has mapped a page; the address of the entry tells which table it is in"},
    {TraceKind::SpteRequested, "kvm_mmu_spte_requested", "kvm_tdp_mmu_map", Site::GmemGet, "a fault has its page and begins to map it"},
    {TraceKind::FastPageFault, "fast_page_fault", "fast_page_fault", Site::SpteCmpxchg,
     "a fault was tried without mmu_lock, by one exchange"},
    {TraceKind::MarkMmio, "mark_mmio_spte", "tdp_mmu_map_handle_target_level", Site::VmRead, "an entry says that its address is emulated"},
    {TraceKind::HandleMmio, "handle_mmio_page_fault", "handle_mmio_page_fault", Site::VmRead, "an access met such an entry"},
    {TraceKind::CheckMmio, "check_mmio_spte", "handle_mmio_page_fault", Site::VmRead, "is such an entry of the present memslots?"},
    {TraceKind::ZapAllFast, "kvm_mmu_zap_all_fast", "kvm_mmu_zap_all_fast", Site::RootInvalidate,
     "all roots become invalid, and are taken apart later"},
    {TraceKind::SplitHugePage, "kvm_mmu_split_huge_page", "tdp_mmu_split_huge_page", Site::SpteStore,
     "a huge page was split, or could not be"},
    {TraceKind::PageFault, "kvm_page_fault", "handle_ept_violation", Site::CallEnter,
     "the CPU could not translate an address of the guest"},
    {TraceKind::Entry, "kvm_entry", "vcpu_enter_guest", Site::VcpuEnter, "a vCPU enters the guest"},
    {TraceKind::Exit, "kvm_exit", "vcpu_enter_guest", Site::VcpuExit, "a vCPU has left the guest"},
    {TraceKind::UnmapHva, "kvm_unmap_hva_range", "kvm_mmu_notifier_invalidate_range_start", Site::SeqBegin,
     "an MMU notifier: the host takes a range of its addresses away"},
    {TraceKind::AgeHva, "kvm_age_hva", "kvm_mmu_notifier_clear_flush_young", Site::NotifierCount,
     "an MMU notifier: was the range used? It counts as unused from here on"},
    {TraceKind::TestAgeHva, "kvm_test_age_hva", "kvm_mmu_notifier_test_young", Site::NotifierCount, "an MMU notifier: was the page used?"},
    {TraceKind::UserspaceExit, "kvm_userspace_exit", "kvm_vcpu_ioctl", Site::VmRead, "KVM_RUN returns to user space"},
    {TraceKind::Hypercall, "kvm_hypercall", "kvm_emulate_hypercall", Site::VmRead, "the guest has asked KVM for something"},
    {TraceKind::RmpFault, "kvm_rmp_fault", "sev_handle_rmp_fault", Site::CallEnter, "the RMP has refused an access of the guest"},
    {TraceKind::MemoryRegion, "kvm_set_memory_region", "kvm_set_memory_region", Site::SlotSet,
     "a probe: user space makes, moves or deletes a memslot"},
    {TraceKind::Seamcall, "seamcall", "tdh_*", Site::SeamcallEnter, "a probe: a function that makes a SEAMCALL is called"},
    {TraceKind::SeamcallStatus, "seamcall_status", "tdh_*", Site::SeamcallLeave, "a probe: what the SEAMCALL answered"},
}};
static_assert(inOrder(kKindTable));
constexpr std::string_view kStatusProbe = "_status";
} // namespace

const TraceKindInfo& info(TraceKind kind) { return kKindTable[static_cast<unsigned>(kind)]; }

std::optional<TraceKind> traceKindFromName(std::string_view name) {
    static const auto kByName = [] {
        std::unordered_map<std::string_view, TraceKind> map;
        for (const TraceKindInfo& kind : kKindTable)
            map.emplace(kind.name, kind.id);
        return map;
    }();
    const auto found = kByName.find(name);
    if (found != kByName.end())
        return found->second;
    if (!name.starts_with("tdh_") || !traceLeafFromName(name))
        return std::nullopt;
    return name.ends_with(kStatusProbe) ? TraceKind::SeamcallStatus : TraceKind::Seamcall;
}

std::optional<Leaf> traceLeafFromName(std::string_view name) {
    if (name.ends_with(kStatusProbe))
        name.remove_suffix(kStatusProbe.size());
    for (const LeafInfo& leaf : leafTable())
        if (!leaf.guest && leaf.function == name)
            return leaf.leaf;
    return std::nullopt;
}

u32 TraceNames::task(std::string_view comm, u32 pid) {
    const u64 hash = mix(std::hash<std::string_view>{}(comm), pid);
    if (const auto known = tasksByHash_.find(hash); known != tasksByHash_.end())
        return known->second;
    if (tasks_.size() >= kMost)
        return 0;
    tasks_.push_back({std::string(comm), pid});
    const u32 n = static_cast<u32>(tasks_.size() - 1);
    tasksByHash_.emplace(hash, n);
    return n;
}

u32 TraceNames::string(std::string_view text) {
    const auto [at, isNew] = stringsByText_.try_emplace(std::string(text), static_cast<u32>(strings_.size()));
    if (isNew) {
        if (strings_.size() >= kMost) {
            stringsByText_.erase(at);
            return 0;
        }
        strings_.emplace_back(text);
    }
    return at->second;
}

const std::string& TraceNames::stringOf(u64 n) const {
    static const std::string kNone = "?";
    return n < strings_.size() ? strings_[n] : kNone;
}

namespace {
std::string pageText(const TraceEvent& e) {
    // Which of x, w, u: bits 0 to 2 of the access.
    constexpr std::array<std::string_view, 8> kAccess{"---", "--x", "w--", "w-x", "-u-", "-ux", "wu-", "wux"};
    return fmt::format("sp gen {} gfn {:x} l{} {}-byte q{}{} {}{} {}nxe {}ad root 0 sync", e.c, e.gfn, e.level, 8, 0,
                       (e.a & role::kDirect) != 0 ? " direct" : "", kAccess[e.a >> 8 & 7], (e.a & role::kInvalid) != 0 ? " invalid" : "",
                       (e.a >> 12 & 1) != 0 ? "" : "!", (e.a & role::kAdDisabled) != 0 ? "!" : "");
}

std::string rightsOf(u64 spte) {
    // As EPT has them; the kernel prints R as r and u alike.
    return fmt::format("({}{}{}{})", "r", (spte & 2) != 0 ? 'w' : '-', (spte >> 63 != 0 ? (spte & 4) != 0 : true) ? 'x' : '-',
                       (spte >> 63 != 0 ? (spte & 1) != 0 : (spte & 4) != 0) ? 'u' : '-');
}
} // namespace

std::string fieldsText(const TraceEvent& e, const TraceNames& names) {
    const auto vcpu = [&] { return e.vcpu == 0xffff ? std::string() : fmt::format("vcpu {} ", e.vcpu); };
    switch (e.kind) {
    case TraceKind::SpteChanged:
        return fmt::format("as id {} gfn {:x} level {} old_spte {:x} new_spte {:x}", e.asId, e.gfn, e.level, e.a, e.b);
    case TraceKind::GetPage: return pageText(e) + ((e.flags & TraceEvent::kNew) != 0 ? " new" : " existing");
    case TraceKind::PrepareZapPage:
    case TraceKind::SyncPage:
    case TraceKind::UnsyncPage: return pageText(e);
    case TraceKind::SetSpte: return fmt::format("gfn {:x} spte {:x} {} level {} at {:x}", e.gfn, e.a, rightsOf(e.a), e.level, e.b);
    case TraceKind::SpteRequested: return fmt::format("gfn {:x} pfn {:x} level {}", e.gfn, e.a, e.level);
    case TraceKind::FastPageFault:
        return fmt::format("{}gva {:x} old {:#x} new {:x} spurious {} fixed {}", vcpu(), e.c, e.a, e.b,
                           (e.flags & TraceEvent::kSpurious) != 0 ? 1 : 0, (e.flags & TraceEvent::kFixed) != 0 ? 1 : 0);
    case TraceKind::MarkMmio: return fmt::format("gfn {:x} access {:x} gen {:x}", e.gfn, e.a, e.b);
    case TraceKind::HandleMmio: return fmt::format("addr:{:x} gfn {:x} access {:x}", e.a, e.gfn, e.b);
    case TraceKind::CheckMmio: return fmt::format("spte {:x} kvm_gen {:x}", e.a, e.b);
    case TraceKind::ZapAllFast: return fmt::format("kvm-mmu-valid-gen {} used_pages {:x}", e.a, e.b);
    case TraceKind::SplitHugePage: return fmt::format("gfn {:x} spte {:x} level {} errno {}", e.gfn, e.a, e.level, static_cast<int>(e.b));
    case TraceKind::PageFault: return fmt::format("{}address {:#018x} error_code {:#x}", vcpu(), e.c, e.a);
    case TraceKind::Entry: return fmt::format("{}rip {:#x}", vcpu(), e.a);
    case TraceKind::Exit: return fmt::format("{}reason {} info1 {:#x} info2 {:#x}", vcpu(), names.stringOf(e.a), e.b, e.c);
    case TraceKind::UnmapHva: return fmt::format("mmu notifier unmap range: {:#018x} -- {:#018x}", e.a, e.b);
    case TraceKind::AgeHva: return fmt::format("mmu notifier age hva: {:#018x} -- {:#018x}", e.a, e.b);
    case TraceKind::TestAgeHva: return fmt::format("mmu notifier test age hva: {:#018x}", e.a);
    case TraceKind::UserspaceExit: return fmt::format("reason {} ({})", names.stringOf(e.a), static_cast<int>(e.b));
    case TraceKind::Hypercall: return fmt::format("nr {:#x} a0 {:#x} a1 {:#x}", e.a, e.b, e.c);
    case TraceKind::RmpFault:
        return fmt::format("{}gpa {:016x} pfn {:#x} error_code {:#x} rmp_level {} psmash_ret {}", vcpu(), e.gfn << 12, e.b, e.a, e.level,
                           static_cast<int>(e.c));
    case TraceKind::MemoryRegion:
        return fmt::format("(kvm_set_memory_region) kvm={:#x} slot={} gpa={:#x} size={:#x} hva={:#x}", e.a, e.vcpu, e.gfn << 12, e.c, e.b);
    case TraceKind::Seamcall: {
        const LeafInfo& leaf = mirrorscope::info(static_cast<Leaf>(e.a));
        std::string text = fmt::format("({})", leaf.function) + (e.c != 0 ? fmt::format(" td={:#x}", e.c) : "");
        if (leaf.rcx == Operand::GpaLevel)
            text += fmt::format(" gpa={:#x} level={}", e.gfn << 12, e.level);
        return text + (e.b != 0 ? fmt::format(" page={:#x}", e.b) : "");
    }
    case TraceKind::SeamcallStatus: return fmt::format("({}) status={:#x}", mirrorscope::info(static_cast<Leaf>(e.a)).function, e.b);
    case TraceKind::Count_: break;
    }
    return {};
}

std::string nameOf(const TraceEvent& e) {
    if (e.kind != TraceKind::Seamcall && e.kind != TraceKind::SeamcallStatus)
        return std::string(info(e.kind).name);
    const std::string function(mirrorscope::info(static_cast<Leaf>(e.a)).function);
    return e.kind == TraceKind::Seamcall ? function : function + std::string(kStatusProbe);
}

std::string lineText(const TraceEvent& e, const TraceNames& names) {
    return fmt::format("{:>23} [{:03}] {:5}.{:06}: {}: {}", names.taskOf(e.task).text(), e.cpu, e.time / 1'000'000'000,
                       e.time / 1000 % 1'000'000, nameOf(e), fieldsText(e, names));
}

} // namespace mirrorscope
