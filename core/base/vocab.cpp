// SPDX-License-Identifier: GPL-3.0-or-later
#include "base/vocab.h"

namespace mirrorscope {

namespace {

constexpr std::array<SiteInfo, kSites> kSiteTable{{
    {"spte.read", "tdp_iter_refresh_sptep", "an SPTE is read by a walk"},
    {"spte.cmpxchg", "__tdp_mmu_set_spte_atomic", "an SPTE is exchanged atomically, mmu_lock held for reading"},
    {"spte.store", "tdp_mmu_set_spte", "an SPTE is stored by its exclusive owner, mmu_lock held for writing"},
    {"spte.freeze", "set_external_spte_present", "a mirror SPTE becomes FROZEN"},
    {"spte.set", "set_external_spte_present", "a mirror SPTE gets its final value after the real table followed"},
    {"spte.restore", "set_external_spte_present", "a mirror SPTE gets its old value back after a failure"},
    {"lock.acquire", "read_lock / write_lock / mutex_lock", "mmu_lock or another kernel lock is taken"},
    {"lock.release", "read_unlock / write_unlock / mutex_unlock", "mmu_lock or another kernel lock is released"},
    {"seq.read", "kvm_mmu_faultin_pfn", "the fault's snapshot of mmu_invalidate_seq, or its check"},
    {"seq.begin", "kvm_mmu_invalidate_begin", "an invalidation begins"},
    {"seq.end", "kvm_mmu_invalidate_end", "an invalidation ends, mmu_invalidate_seq rises"},
    {"gmem.get", "kvm_gmem_get_pfn", "a frame is looked up in or added to guest_memfd"},
    {"gmem.remove", "kvm_gmem_punch_hole", "a frame leaves guest_memfd"},
    {"attr.set", "kvm_vm_set_mem_attributes", "memory attributes change"},
    {"host.fault", "__kvm_faultin_pfn", "a page of the host mapping is looked up or populated"},
    {"host.unmap", "zap_page_range", "a page of the host mapping is dropped"},
    {"seamcall.enter", "seamcall", "a SEAMCALL enters the module and takes TDR and op_state"},
    {"seamcall.leave", "seamcall_ret", "a SEAMCALL releases its locks and returns its status"},
    {"sept.lock", "sept_lock / PAMT lock", "the S-EPT tree, an entry of it or a PAMT entry is locked (tried once)"},
    {"sept.read", "secure_ept_walk", "the secure EPT is walked"},
    {"sept.set", "sept_set_leaf / sept_set_nonleaf", "an S-EPT entry changes"},
    {"pamt.set", "pamt_set_metadata", "PAMT and counters change"},
    {"epoch.advance", "tdh_mem_track", "TD_EPOCH rises"},
    {"epoch.sample", "tdh_vp_enter", "VP.ENTER samples TD_EPOCH and counts itself in"},
    {"tdcall.enter", "tdcall", "the guest calls the module"},
    {"tdcall.leave", "tdcall", "the module returns to the guest"},
    {"tlb.fill", "hardware page walk", "the CPU walks the real tables and caches the translation"},
    {"tlb.hit", "hardware", "the CPU uses a cached translation"},
    {"tlb.flush", "INVEPT", "a vCPU's cached translations are dropped"},
    {"tlb.request", "kvm_make_all_cpus_request", "KVM_REQ_TLB_FLUSH is set for a vCPU"},
    {"vcpu.enter", "vcpu_enter_guest", "a vCPU goes IN_GUEST_MODE"},
    {"vcpu.exit", "vcpu_enter_guest", "a vCPU leaves the guest"},
    {"kick.send", "kvm_make_all_cpus_request", "an IPI is sent to a vCPU in the guest"},
    {"kick.wait", "kvm_make_all_cpus_request", "every vCPU that got an IPI has left the guest, the sender goes on"},
    {"kick.ack", "ack_kick", "the IPI was served, the sender goes on"},
    {"rcu.enter", "rcu_read_lock", "an RCU read-side section begins"},
    {"rcu.leave", "rcu_read_unlock", "an RCU read-side section ends"},
    {"rcu.queue", "call_rcu", "a table page is queued to be freed after a grace period"},
    {"rcu.free", "tdp_mmu_free_sp_rcu_callback", "its grace period is over, a table page is freed"},
    {"page.alloc", "alloc_page", "a frame is allocated"},
    {"page.free", "free_page", "a frame is freed"},
    {"rmp.set", "rmpupdate", "an RMP entry changes"},
    {"vm.state", "kvm_vm_ioctl / kvm_vm_dead", "the VM's own state changes: dead, bugged, finalized"},
    {"slot.set", "kvm_swap_active_memslots", "a new set of memslots is active"},
    {"root.invalidate", "kvm_tdp_mmu_invalidate_roots", "a root becomes invalid"},
    {"srcu.sync", "synchronize_srcu", "everybody who may have seen the old memslots has left"},
    {"call.enter", "kvm_vm_ioctl / kvm_vcpu_ioctl", "a call into the kernel begins; an ioctl fails here if the VM is dead"},
}};

constexpr std::array<RuleInfo, kRules> kRuleTable{{
    {"coherent", "every reachable unfrozen mirror entry agrees with the secure EPT: none-free, table-table, leaf-mapped or pending"},
    {"frozen-owned", "a frozen entry of a reachable table belongs to exactly one actor inside an update"},
    {"no-stale-tlb", "no TLB translates to a frame that was freed or given to another owner"},
    {"no-lost-write", "a guest reads what was last written to that page through any mapping"},
    {"single-owner", "a frame has one owner: the PAMT and the host agree"},
    {"no-leak", "at quiet every frame is reachable or free"},
    {"parent-before-child", "a private table page is linked in both trees before a leaf below it is"},
    {"one-alias", "a page is not reachable through its private and its shared alias at once"},
    {"no-use-after-free", "no walk reads a table page after its grace period"},
    {"module-agrees", "KVM never meets a SEAMCALL status at which the kernel would bug the VM"},
    {"lock-order", "locks are taken in the documented mode and order, and are free when the machine is quiet"},
    {"progress", "no actor retries for ever; no deadlock"},
}};

constexpr std::array<BreakInfo, kBreaks> kBreakTable{{
    {"no-freeze", "store the mirror entry without freezing it while the private table is updated"},
    {"no-rollback", "leave the mirror entry as it was set when the private update fails"},
    {"skip-block", "zap a private page without TDH.MEM.RANGE.BLOCK"},
    {"skip-track", "zap a private page without TDH.MEM.TRACK and the kick after it"},
    {"skip-kick", "no vCPU kick before a busy SEAMCALL is retried"},
    {"skip-track-kick", "TDH.MEM.TRACK without making the vCPUs leave"},
    {"skip-flush", "no remote TLB flush after a zap"},
    {"free-without-rcu", "free an unlinked table page at once, without a grace period"},
    {"ignore-invalidate-seq", "a fault installs its entry without checking mmu_invalidate_seq"},
    {"leaf-before-link", "set a private leaf before its table is linked"},
    {"hook-before-children", "remove the real table's page before what it holds"},
    {"stay-frozen", "a failed private update leaves the mirror entry FROZEN"},
    {"ignore-root-filter", "a zap of shared memory also walks mirror roots"},
    {"keep-invalid-root", "a vCPU goes on with an invalidated root"},
    {"free-before-remove", "give a private page back before TDH.MEM.PAGE.REMOVE"},
    {"unmap-valid-roots-only", "d62007edf01f: notifier unmap walks valid roots only"},
    {"next-after-restart", "3a0f64de479c: the iterator advances after a restart"},
}};

constexpr std::array<CounterInfo, kCounters> kCounterTable{{
    {"tlb-flush", "flushes of a vCPU's TLB"},
    {"fault", "page faults that KVM handled"},
    {"exit", "exits of a vCPU from the guest"},
    {"retry", "faults that ended in RET_PF_RETRY"},
    {"zap", "leaves that were zapped"},
    {"private-op", "calls of the backend that `private-ops: observe` registers"},
    {"leaf", "leaf entries present now in KVM's trees"},
    {"table", "table entries present now in KVM's trees"},
    {"frame", "frames in use now by the VM"},
}};

constexpr std::array<std::string_view, 5> kSpteStates{"none", "table", "leaf", "frozen", "mmio"};
constexpr std::array<std::string_view, 8> kSeptStates{"free",    "table",   "table-blocked",   "mapped",
                                                      "pending", "blocked", "pending-blocked", "other"};

struct FrameKindInfo {
    std::string_view name;
    std::string_view help;
};
constexpr std::array<FrameKindInfo, static_cast<unsigned>(FrameKind::Count_)> kFrameKinds{{
    {"free", "free"},
    {"reserved", "never handed out"},
    {"cache", "in a vCPU's page cache (mmu_shadow_page_cache, mmu_external_spt_cache)"},
    {"table", "a page table of KVM (spt)"},
    {"external-table", "a page given to the TDX module for the secure EPT (external_spt)"},
    {"host-page", "shared memory, mapped by user space"},
    {"gmem", "private memory in guest_memfd"},
    {"tdx-control", "TDR, TDCS or TDVPS"},
    {"raw", "given to the module by a raw seamcall step"},
}};

template <std::size_t N, class Table>
constexpr std::array<std::string_view, N> namesOf(const Table& table) {
    std::array<std::string_view, N> names{};
    for (std::size_t i = 0; i < N; ++i)
        names[i] = table[i].name;
    return names;
}
constexpr auto kSiteNames = namesOf<kSites>(kSiteTable);
constexpr auto kRuleNames = namesOf<kRules>(kRuleTable);
constexpr auto kBreakNames = namesOf<kBreaks>(kBreakTable);

template <class Enum, std::size_t N>
std::optional<Enum> find(const std::array<std::string_view, N>& names, std::string_view name) {
    for (std::size_t i = 0; i < N; ++i)
        if (names[i] == name)
            return static_cast<Enum>(i);
    return std::nullopt;
}

} // namespace

const SiteInfo& info(Site site) { return kSiteTable[static_cast<unsigned>(site)]; }
std::optional<Site> siteFromName(std::string_view name) { return find<Site>(kSiteNames, name); }
std::span<const std::string_view> siteNames() { return kSiteNames; }

const RuleInfo& info(Rule rule) { return kRuleTable[static_cast<unsigned>(rule)]; }
std::optional<Rule> ruleFromName(std::string_view name) { return find<Rule>(kRuleNames, name); }
std::span<const std::string_view> ruleNames() { return kRuleNames; }

const BreakInfo& info(Break value) { return kBreakTable[static_cast<unsigned>(value)]; }
std::optional<Break> breakFromName(std::string_view name) { return find<Break>(kBreakNames, name); }
std::span<const std::string_view> breakNames() { return kBreakNames; }

const CounterInfo& info(Counter counter) { return kCounterTable[static_cast<unsigned>(counter)]; }

std::string_view name(SpteState state) { return kSpteStates[static_cast<unsigned>(state)]; }
std::string_view name(SeptState state) { return kSeptStates[static_cast<unsigned>(state)]; }
std::optional<SpteState> spteStateFromName(std::string_view name) { return find<SpteState>(kSpteStates, name); }
std::optional<SeptState> septStateFromName(std::string_view name) { return find<SeptState>(kSeptStates, name); }
std::span<const std::string_view> spteStateNames() { return kSpteStates; }
std::span<const std::string_view> septStateNames() { return std::span(kSeptStates).first(7); }

std::string_view name(VmType type) {
    constexpr std::array<std::string_view, 4> names{"default", "sw-protected", "snp", "tdx"};
    return names[static_cast<unsigned>(type)];
}

std::string_view name(FrameKind kind) { return kFrameKinds[static_cast<unsigned>(kind)].name; }
std::string_view help(FrameKind kind) { return kFrameKinds[static_cast<unsigned>(kind)].help; }

} // namespace mirrorscope
