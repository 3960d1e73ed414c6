// SPDX-License-Identifier: GPL-3.0-or-later
#include "base/vocab.h"

namespace mirrorscope {

namespace {

constexpr std::array<SiteInfo, kSites> kSiteTable{{
    {Site::SpteRead, "spte.read", "tdp_iter_refresh_sptep", "an SPTE is read by a walk"},
    {Site::SpteCmpxchg, "spte.cmpxchg", "__tdp_mmu_set_spte_atomic", "an SPTE is exchanged atomically, mmu_lock held for reading"},
    {Site::SpteStore, "spte.store", "tdp_mmu_set_spte", "an SPTE is stored by its exclusive owner, mmu_lock held for writing"},
    {Site::SpteFreeze, "spte.freeze", "set_external_spte_present", "a mirror SPTE becomes FROZEN"},
    {Site::SpteSet, "spte.set", "set_external_spte_present", "a mirror SPTE gets its final value after the real table followed"},
    {Site::SpteRestore, "spte.restore", "set_external_spte_present", "a mirror SPTE gets its old value back after a failure"},
    {Site::LockAcquire, "lock.acquire", "read_lock / write_lock / mutex_lock", "mmu_lock or another kernel lock is taken"},
    {Site::LockRelease, "lock.release", "read_unlock / write_unlock / mutex_unlock", "mmu_lock or another kernel lock is released"},
    {Site::SeqRead, "seq.read", "kvm_mmu_faultin_pfn", "the fault's snapshot of mmu_invalidate_seq, or its check"},
    {Site::SeqBegin, "seq.begin", "kvm_mmu_invalidate_begin", "an invalidation begins"},
    {Site::SeqEnd, "seq.end", "kvm_mmu_invalidate_end", "an invalidation ends, mmu_invalidate_seq rises"},
    {Site::GmemGet, "gmem.get", "kvm_gmem_get_pfn", "a frame is looked up in or added to guest_memfd"},
    {Site::GmemRemove, "gmem.remove", "kvm_gmem_punch_hole", "a frame leaves guest_memfd"},
    {Site::AttrSet, "attr.set", "kvm_vm_set_mem_attributes", "memory attributes change"},
    {Site::AttrNext, "attr.next", "kvm_vm_set_mem_attributes", "the attribute of a further page of the same range is stored"},
    {Site::HostFault, "host.fault", "__kvm_faultin_pfn", "a page of the host mapping is looked up or populated"},
    {Site::UffdCopy, "uffd.copy", "mfill_atomic", "user space fills a page that a userfaultfd waits for"},
    {Site::HostUnmap, "host.unmap", "zap_page_range", "a page of the host mapping is dropped"},
    {Site::SeamcallEnter, "seamcall.enter", "seamcall", "a SEAMCALL enters the module and takes TDR and op_state"},
    {Site::SeamcallLeave, "seamcall.leave", "seamcall_ret", "a SEAMCALL releases its locks and returns its status"},
    {Site::SeptLock, "sept.lock", "sept_lock / PAMT lock", "the S-EPT tree, an entry of it or a PAMT entry is locked (tried once)"},
    {Site::SeptRead, "sept.read", "secure_ept_walk", "the secure EPT is walked"},
    {Site::SeptSet, "sept.set", "sept_set_leaf / sept_set_nonleaf", "an S-EPT entry changes"},
    {Site::PamtSet, "pamt.set", "pamt_set_metadata", "PAMT and counters change"},
    {Site::PamtRef, "pamt.ref", "tdx_pamt_get", "dynamic PAMT: how many pages of 2M of memory the module has is read or changed"},
    {Site::EpochAdvance, "epoch.advance", "tdh_mem_track", "TD_EPOCH rises"},
    {Site::EpochSample, "epoch.sample", "tdh_vp_enter", "VP.ENTER samples TD_EPOCH and counts itself in"},
    {Site::TdcallEnter, "tdcall.enter", "tdcall", "the guest calls the module"},
    {Site::TdcallLeave, "tdcall.leave", "tdcall", "the module returns to the guest"},
    {Site::EptWalk, "ept.walk", "hardware page walk", "the CPU reads an entry on the way of a walk, and remembers where it leads"},
    {Site::TlbFill, "tlb.fill", "hardware page walk",
     "the CPU reads the last entry of a walk and caches the translation, or meets a violation"},
    {Site::EptAd, "ept.ad", "hardware page walk", "the CPU sets the accessed or the dirty bit of an entry"},
    {Site::TlbHit, "tlb.hit", "hardware", "the CPU uses a cached translation"},
    {Site::TlbFlush, "tlb.flush", "INVEPT", "a vCPU's cached translations are dropped"},
    {Site::TlbRequest, "tlb.request", "kvm_make_all_cpus_request", "a request to a vCPU is set, such as KVM_REQ_TLB_FLUSH"},
    {Site::VcpuEnter, "vcpu.enter", "vcpu_enter_guest", "the requests are looked at for the last time and the vCPU enters"},
    {Site::VcpuExit, "vcpu.exit", "vcpu_enter_guest", "a vCPU leaves the guest"},
    {Site::KickSend, "kick.send", "kvm_make_all_cpus_request", "an IPI is sent to a vCPU in the guest"},
    {Site::KickWait, "kick.wait", "kvm_make_all_cpus_request", "every vCPU that got an IPI has left the guest, the sender goes on"},
    {Site::KickAck, "kick.ack", "ack_kick", "the IPI was served, the sender goes on"},
    {Site::RcuEnter, "rcu.enter", "rcu_read_lock", "an RCU read-side section begins"},
    {Site::RcuLeave, "rcu.leave", "rcu_read_unlock", "an RCU read-side section ends"},
    {Site::RcuQueue, "rcu.queue", "call_rcu", "a table page is queued to be freed after a grace period"},
    {Site::RcuFree, "rcu.free", "tdp_mmu_free_sp_rcu_callback", "its grace period is over, a table page is freed"},
    {Site::PageAlloc, "page.alloc", "alloc_page", "a frame is allocated"},
    {Site::PageFree, "page.free", "free_page", "a frame is freed"},
    {Site::RmpSet, "rmp.set", "rmpupdate", "an RMP entry changes"},
    {Site::VmState, "vm.state", "kvm_vm_ioctl / kvm_vm_dead", "the VM's own state changes: dead, bugged, finalized"},
    {Site::SlotSet, "slot.set", "kvm_swap_active_memslots", "a new set of memslots is active"},
    {Site::RootInvalidate, "root.invalidate", "kvm_tdp_mmu_invalidate_roots", "a root becomes invalid"},
    {Site::SrcuSync, "srcu.sync", "synchronize_srcu", "everybody who may have seen the old memslots has left"},
    {Site::CallEnter, "call.enter", "kvm_vm_ioctl / kvm_vcpu_ioctl",
     "a call into the kernel begins; an ioctl fails here if the VM is dead"},
    {Site::SlotRead, "slot.read", "kvm_vcpu_gfn_to_memslot", "the memslots, or their generation, are looked up"},
    {Site::SlotGeneration, "slot.generation", "kvm_swap_active_memslots", "the update of the memslots is over: their generation rises"},
    {Site::AttrRead, "attr.read", "kvm_mem_is_private", "a memory attribute is read"},
    {Site::GmemUnlock, "gmem.unlock", "folio_unlock", "a page of guest_memfd was prepared and is unlocked"},
    {Site::DirtySet, "dirty.set", "mark_page_dirty_in_slot", "a bit of the dirty log is set"},
    {Site::DirtyRingPush, "ring.push", "kvm_dirty_ring_push", "a page is put into the vCPU's dirty ring"},
    {Site::DirtyRingCollect, "ring.collect", "the dirty ring's mapping", "user space takes an entry of a dirty ring"},
    {Site::DirtyRingReset, "ring.reset", "kvm_dirty_ring_reset", "an entry that was collected leaves the dirty ring"},
    {Site::DirtyTake, "dirty.take", "kvm_get_dirty_log_protect", "64 bits of the dirty log are taken and cleared"},
    {Site::DirtyRead, "dirty.read", "kvm_get_dirty_log_protect", "64 bits of the dirty log are read and stay"},
    {Site::NotifierCount, "notifier.count", "kvm_mmu_notifier_invalidate_range_start",
     "mn_active_invalidate_count changes, which keeps the memslots as they are"},
    {Site::RootGet, "root.get", "tdp_mmu_next_root", "the list of roots is read and a root is referenced"},
    {Site::RootPut, "root.put", "kvm_tdp_mmu_put_root", "a reference to a root is given back"},
    {Site::RootList, "root.list", "kvm_tdp_mmu_alloc_root", "the list of roots changes"},
    {Site::VcpuMode, "vcpu.mode", "vcpu_enter_guest",
     "vcpu->mode changes: IN_GUEST_MODE before the last look at the requests, OUTSIDE_GUEST_MODE after an exit"},
    {Site::KickMode, "kick.mode", "kvm_vcpu_exiting_guest_mode", "a vCPU that is IN_GUEST_MODE becomes EXITING_GUEST_MODE"},
    {Site::VmRead, "vm.read", "tdx_vcpu_run", "a flag of the VM is read"},
    {Site::RequestTake, "request.take", "kvm_check_request", "a vCPU takes a request that was made to it"},
    {Site::StoreDrain, "store.drain", "store buffer", "a plain store leaves the store buffer of its CPU, and the others see it"},
    {Site::Fence, "fence", "smp_mb / LOCK / serializing instruction", "a CPU waits until its stores have left its buffer"},
    {Site::HostAccess, "host.access", "user space", "user space reads or writes a word of guest memory through its mapping"},
    {Site::TlbEvict, "tlb.evict", "CPU", "the CPU drops what it remembers of a page, for room"},
}};

constexpr std::array<RuleInfo, kRules> kRuleTable{{
    {Rule::Coherent, "coherent",
     "every reachable unfrozen mirror entry agrees with the secure EPT: none-free, table-table, leaf-mapped or pending"},
    {Rule::FrozenOwned, "frozen-owned", "a frozen entry of a reachable table belongs to exactly one actor inside an update"},
    {Rule::NoStaleTlb, "no-stale-tlb",
     "no TLB and no remembered table entry leads to a frame that was freed or given to another owner, or grants what was taken away"},
    {Rule::MapsThePage, "maps-the-page",
     "a leaf maps the page that slot, file and attribute give for it, but while an invalidation covers it"},
    {Rule::DirtyLogComplete, "dirty-log-complete", "a write that had ended when a slot's log was read is in it, or still pending"},
    {Rule::NoLostWrite, "no-lost-write", "a guest reads what was last written to that page through any mapping"},
    {Rule::SingleOwner, "single-owner", "a frame has one owner: the PAMT and the host agree"},
    {Rule::NoLeak, "no-leak", "at quiet every frame is reachable or free"},
    {Rule::ParentBeforeChild, "parent-before-child", "a private table page is linked in both trees before a leaf below it is"},
    {Rule::OneAlias, "one-alias", "a page is not reachable through its private and its shared alias at once"},
    {Rule::NoUseAfterFree, "no-use-after-free", "no walk reads a table page after its grace period"},
    {Rule::ModuleAgrees, "module-agrees", "KVM never meets a SEAMCALL status at which the kernel would bug the VM"},
    {Rule::KernelAsserts, "kernel-asserts", "no other KVM_BUG_ON, BUG or WARN of the modelled functions would fire"},
    {Rule::LockOrder, "lock-order", "locks are taken in the documented mode and order, and are free when the machine is quiet"},
    {Rule::Progress, "progress", "no actor retries for ever; no deadlock"},
    {Rule::Conforms, "conforms", "of a recorded kernel: each change that a line of its trace tells is one that such a kernel makes"},
}};

constexpr std::array<BreakInfo, kBreaks> kBreakTable{{
    {Break::NoFreeze, "no-freeze", "store the mirror entry without freezing it while the private table is updated"},
    {Break::NoRollback, "no-rollback", "leave the mirror entry as it was set when the private update fails"},
    {Break::SkipBlock, "skip-block", "zap a private page without TDH.MEM.RANGE.BLOCK"},
    {Break::SkipTrack, "skip-track", "zap a private page without TDH.MEM.TRACK and the kick after it"},
    {Break::SkipKick, "skip-kick", "no vCPU kick before a busy SEAMCALL is retried"},
    {Break::SkipTrackKick, "skip-track-kick", "TDH.MEM.TRACK without making the vCPUs leave"},
    {Break::SkipFlush, "skip-flush", "no remote TLB flush after a zap"},
    {Break::FreeWithoutRcu, "free-without-rcu", "free an unlinked table page at once, without a grace period"},
    {Break::IgnoreInvalidateSeq, "ignore-invalidate-seq", "a fault installs its entry without checking mmu_invalidate_seq"},
    {Break::LeafBeforeLink, "leaf-before-link", "set a private leaf before its table is linked"},
    {Break::HookBeforeChildren, "hook-before-children", "remove the real table's page before what it holds"},
    {Break::StayFrozen, "stay-frozen", "a failed private update leaves the mirror entry FROZEN"},
    {Break::IgnoreRootFilter, "ignore-root-filter", "a zap of shared memory also walks mirror roots"},
    {Break::KeepInvalidRoot, "keep-invalid-root", "a vCPU goes on with an invalidated root"},
    {Break::FreeBeforeRemove, "free-before-remove", "give a private page back before TDH.MEM.PAGE.REMOVE"},
    {Break::UnmapValidRootsOnly, "unmap-valid-roots-only", "d62007edf01f: notifier unmap walks valid roots only"},
    {Break::NextAfterRestart, "next-after-restart", "3a0f64de479c: the iterator advances after a restart"},
    {Break::NxRecoveryWithoutFlush, "nx-recovery-without-flush",
     "048f49809c52: the recovery of NX huge pages does not flush what it zapped"},
    {Break::FlushFromTheLastGfn, "flush-from-the-last-gfn", "574c3c55e969: the flush for a removed table begins at its last gfn"},
    {Break::ZapUnderReadLock, "zap-under-read-lock", "35be969d1ef2: at the VM's end its roots are zapped with mmu_lock held for reading"},
    {Break::ZapHalfOfTheRoot, "zap-half-of-the-root", "review of May 2024: the zap of a whole root ends before the shared half"},
    {Break::PreparedBeforeItIs, "prepared-before-it-is",
     "d04c77d23122: a page of guest_memfd counts as prepared though its preparation failed"},
    {Break::PopulateShared, "populate-shared", "e4ee54479273: a page of the image is filled in though its attribute says shared"},
    {Break::InvalidSlotIsNone, "invalid-slot-is-none",
     "e0c378684b65: a fault takes a slot that is about to go for none, and makes an MMIO entry"},
    {Break::SeqIsInt, "seq-is-int", "before ba6e3fe25543: a fault hands its snapshot of mmu_invalidate_seq on as an int"},
    {Break::ReloadKeepsObsoleteRoot, "reload-keeps-obsolete-root", "20a6cff3b283: who pre-faults goes on with the root that he has"},
    {Break::AttributesOfTheRangeOnly, "attributes-of-the-range-only",
     "9129633d568e: while attributes change, a huge page may be installed over the ends of the range"},
    {Break::ClearDirtyOfNothing, "clear-dirty-of-nothing", "D bits are cleared without a look whether the entry is present (before v5.17)"},
    {Break::NoSeqBarrier, "no-seq-barrier", "no smp_rmb() between mmu_invalidate_seq and what it guards: the snapshot is read last"},
    {Break::NoEntryBarrier, "no-entry-barrier",
     "no barrier between vcpu->mode = IN_GUEST_MODE and the last look at vcpu->requests; x86 needs store buffers for it (memory-model: "
     "tso)"},
    {Break::PamtWithoutLock, "pamt-without-lock",
     "dynamic PAMT with atomic counts and no pamt_lock at all; a range that is not free counts as somebody else's get"},
    {Break::PamtCountBeforeLock, "pamt-count-before-lock",
     "dynamic PAMT as posted from v2 to v5 (2025): pamt_lock over the SEAMCALLs, and a put that counts down before it has it"},
    {Break::PamtLockAtZero, "pamt-lock-at-zero",
     "dynamic PAMT with patch 06 of v6: pamt_lock only where a count leaves zero or comes to it; breaks nothing, and was not merged", true},
    {Break::SplitThoughBlockIsBusy, "split-though-block-is-busy",
     "with private-2M: a busy TDH.MEM.RANGE.BLOCK is taken for done, and the split goes on to TRACK and DEMOTE"},
    {Break::IgnoreAcceptLevel, "ignore-accept-level",
     "with private-2M: nobody looks at how large a page the guest accepts, so that what is mapped larger stays so"},
    {Break::NoEndAfterFailedSplit, "no-end-after-failed-split",
     "with private-2M, as posted: a conversion that has no memory for a split returns without the end of its invalidation"},
    {Break::HoleOfTheRangeOnly, "hole-of-the-range-only",
     "with private-2M, as posted: while a hole is punched, a large page may be mapped over its ends"},
    {Break::ConvertKeepsMapping, "convert-keeps-mapping", "in-place conversion: what becomes private stays in user space's mapping"},
    {Break::ConvertIgnoresReferences, "convert-ignores-references",
     "in-place conversion: a page that somebody has pinned becomes private all the same"},
}};

constexpr std::array<CounterInfo, kCounters> kCounterTable{{
    {Counter::TlbFlush, "tlb-flush", "flushes of a vCPU's TLB"},
    {Counter::Fault, "fault", "page faults that KVM handled"},
    {Counter::Exit, "exit", "exits of a vCPU from the guest"},
    {Counter::Retry, "retry", "faults that ended in RET_PF_RETRY"},
    {Counter::Zap, "zap", "leaves that were zapped"},
    {Counter::PrivateOp, "private-op", "calls of the backend that `private-ops: observe` registers"},
    {Counter::PfTaken, "pf_taken", "page faults of guests that KVM took"},
    {Counter::PfFixed, "pf_fixed", "page faults of guests that were fixed"},
    {Counter::PfEmulate, "pf_emulate", "page faults of guests that ended in emulation"},
    {Counter::PfSpurious, "pf_spurious", "page faults of guests that found nothing to do"},
    {Counter::PfFast, "pf_fast", "page faults that were fixed without mmu_lock"},
    {Counter::PfMmioSpteCreated, "pf_mmio_spte_created", "MMIO entries that faults have made"},
    {Counter::Leaf, "leaf", "leaf entries present now in KVM's trees"},
    {Counter::Table, "table", "table entries present now in KVM's trees"},
    {Counter::Frame, "frame", "frames in use now by the VM"},
    {Counter::Pages4k, "pages_4k", "4K leaves present now in KVM's trees"},
    {Counter::Pages2m, "pages_2m", "2M leaves present now in KVM's trees"},
    {Counter::Pages1g, "pages_1g", "1G leaves present now in KVM's trees"},
    {Counter::NxLpageSplits, "nx_lpage_splits", "tables that stand in for a huge page because of NX, which the recovery worker may zap"},
}};

constexpr std::array<std::string_view, 4> kVmTypes{"default", "sw-protected", "snp", "tdx"};
constexpr std::array<std::string_view, 6> kSpteStates{"none", "table", "leaf", "frozen", "mmio", "unknown"};
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
    {"pamt", "dynamic PAMT: one of two pages with the PAMT entries of 2M of memory, or in a vCPU's cache of such (pamt_cache)"},
}};

template <std::size_t N, class Table>
constexpr std::array<std::string_view, N> namesOf(const Table& table) {
    std::array<std::string_view, N> names{};
    for (std::size_t i = 0; i < N; ++i)
        names[i] = table[i].name;
    return names;
}
constexpr auto kSiteNames = namesOf<kSites>(kSiteTable);
template <class Table>
constexpr bool inOrder(const Table& table) {
    for (std::size_t i = 0; i < table.size(); ++i)
        if (static_cast<std::size_t>(table[i].id) != i)
            return false;
    return true;
}
static_assert(inOrder(kSiteTable) && inOrder(kRuleTable) && inOrder(kBreakTable) && inOrder(kCounterTable),
              "each row stands at its number");

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
std::optional<SpteState> spteStateFromName(std::string_view name) {
    const auto found = find<SpteState>(kSpteStates, name);
    return found == SpteState::Unknown ? std::nullopt : found;
}
std::optional<SeptState> septStateFromName(std::string_view name) { return find<SeptState>(kSeptStates, name); }
std::span<const std::string_view> spteStateNames() { return std::span(kSpteStates).first(5); }
std::span<const std::string_view> septStateNames() { return std::span(kSeptStates).first(7); }

std::string_view name(VmType type) { return kVmTypes[static_cast<unsigned>(type)]; }
std::span<const std::string_view> vmTypeNames() { return kVmTypes; }

std::string_view name(FrameKind kind) { return kFrameKinds[static_cast<unsigned>(kind)].name; }
std::string_view help(FrameKind kind) { return kFrameKinds[static_cast<unsigned>(kind)].help; }

} // namespace mirrorscope
