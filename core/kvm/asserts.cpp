// SPDX-License-Identifier: GPL-3.0-or-later
#include "kvm/asserts.h"

#include <array>

namespace mirrorscope {

namespace {
using Kind = AssertInfo::Kind;
constexpr std::string_view kTdp = "mmu/tdp_mmu.c", kMmu = "mmu/mmu.c", kSpte = "mmu/spte.c", kMain = "kvm_main.c", kTdx = "vmx/tdx.c",
                           kGmem = "guest_memfd.c", kSev = "svm/sev.c";

constexpr std::array<AssertInfo, kAsserts> kTable{{
    {Assert::UninitPages, Kind::MmuWarn, kTdp, "kvm_mmu_uninit_tdp_mmu", "kvm->arch.tdp_mmu_pages is not 0",
     "a table page is neither linked nor freed when the VM ends", ""},
    {Assert::UninitRoots, Kind::Warn, kTdp, "kvm_mmu_uninit_tdp_mmu", "kvm->arch.tdp_mmu_roots is not empty",
     "somebody still holds a root when the VM ends", ""},
    {Assert::PutValidRoot, Kind::KvmBug, kTdp, "kvm_tdp_mmu_put_root", "the last reference of a root that is valid",
     "the TDP MMU itself holds one until the root is invalidated: a reference was put twice", ""},
    {Assert::RootTypes, Kind::Warn, kTdp, "tdp_mmu_root_match", "types has neither DIRECT nor MIRROR", "a walk that matches no root",
     "every caller here names a kind of root"},
    {Assert::ListedRootDead, Kind::Warn, kTdp, "kvm_tdp_mmu_alloc_root", "a usable root of the list has no reference",
     "the last reference of a root can only be put once it is invalid", ""},
    {Assert::RemoveExternal, Kind::KvmBug, kTdp, "remove_external_spte", "the hook failed",
     "mmu_lock is held for writing, so that nobody can be in the way",
     "the hook fails only where it has bugged the VM itself, and KVM_BUG_ON() tells of a VM that is bugged once"},
    {Assert::RemovedShared, Kind::KvmBug, kTdp, "handle_removed_pt", "a mirror's table is removed with mmu_lock held for reading",
     "its pages can only be removed exclusively", ""},
    {Assert::FreeExternal, Kind::Warn, kTdp, "handle_removed_pt", "free_external_spt() failed",
     "the module may still use the page: it is leaked on purpose", ""},
    {Assert::ExternalLevel, Kind::Warn, kTdp, "get_external_spt", "the child's level is not one below", "the wrong table is linked",
     "a child takes its level from the entry that it is linked to, in the same call"},
    {Assert::ExternalGfn, Kind::Warn, kTdp, "get_external_spt", "the child's gfn is not the entry's", "the wrong table is linked",
     "a child takes its gfn from the entry that it is linked to, in the same call"},
    {Assert::PresentToPresent, Kind::KvmBug, kTdp, "set_external_spte_present", "the old SPTE was present",
     "an entry of a mirror is only made present once, never changed", ""},
    {Assert::NoExternal, Kind::KvmBug, kTdp, "set_external_spte_present", "the child has no external_spt",
     "who allocated the table did not know that it belongs to a mirror", ""},
    {Assert::ChangedLevel, Kind::Warn, kTdp, "handle_changed_spte", "level is not 1 … 5", "", "the iterator has no other levels"},
    {Assert::ChangedGfn, Kind::Warn, kTdp, "handle_changed_spte", "gfn is not aligned to the level", "",
     "the iterator rounds, and zap_sp() takes the gfn of a table"},
    {Assert::LeafPfnChanged, Kind::Bug, kTdp, "handle_changed_spte", "a present leaf becomes one of another pfn",
     "an MMU notifier was missed, or did not keep a fault away", ""},
    {Assert::NonpresentChanged, Kind::Warn, kTdp, "handle_changed_spte", "non-present to another non-present value",
     "neither is MMIO and the new one is not FROZEN", ""},
    {Assert::TablePfnChanged, Kind::Warn, kTdp, "handle_changed_spte", "an entry of one table becomes one of another",
     "table pages do not migrate", ""},
    {Assert::MmuNotHostWritable, Kind::Warn, "mmu/spte.h", "check_spte_writable_invariants", "MMU-writable, not host-writable", "",
     "make_spte() sets both or neither, and nothing sets one alone"},
    {Assert::WritableNotMmu, Kind::Warn, "mmu/spte.h", "check_spte_writable_invariants", "writable, not MMU-writable", "",
     "W is set by make_spte() with MMU-writable and by a fast page fault that asks for it; what clears MMU-writable clears W"},
    {Assert::AtomicFrozen, Kind::Warn, kTdp, "__tdp_mmu_set_spte_atomic", "the iterator has yielded, or the old SPTE is FROZEN",
     "the caller must look for FROZEN first", ""},
    {Assert::AtomicMirrorZap, Kind::KvmBug, kTdp, "__tdp_mmu_set_spte_atomic", "a mirror's entry is zapped atomically",
     "the private table cannot follow while others may fault", ""},
    {Assert::SetFrozen, Kind::Warn, kTdp, "tdp_mmu_set_spte", "the old or the new SPTE is FROZEN",
     "with mmu_lock held for writing nobody can be in the middle of an update", ""},
    {Assert::SetMirrorPresent, Kind::KvmBug, kTdp, "tdp_mmu_set_spte", "a mirror's entry becomes present",
     "the private table would not follow", ""},
    {Assert::SetYielded, Kind::Warn, kTdp, "tdp_mmu_iter_set_spte", "the iterator has yielded", "it stands where it stood before",
     "each walker goes on with the next entry after it has yielded"},
    {Assert::ReschedYielded, Kind::MmuWarn, kTdp, "tdp_mmu_iter_cond_resched", "the iterator has yielded already", "",
     "each walker goes on with the next entry after it has yielded"},
    {Assert::ReschedPast, Kind::Warn, kTdp, "tdp_mmu_iter_cond_resched", "iter->gfn is beyond next_last_level_gfn", "",
     "next_last_level_gfn follows each step to the side"},
    {Assert::ZapRootUnreferenced, Kind::Warn, kTdp, "tdp_mmu_zap_root", "the root has no reference",
     "a notifier could not find it while the lock is dropped", ""},
    {Assert::ZapSpOfRoot, Kind::Warn, kTdp, "kvm_tdp_mmu_zap_sp", "the page is a root", "", "only the recovery of NX pages calls it"},
    {Assert::ZapSpAbsent, Kind::Warn, kTdp, "kvm_tdp_mmu_zap_sp", "the parent's entry is not present",
     "a page that was unlinked is still on the list of those to recover", ""},
    {Assert::ZapValidRoot, Kind::KvmBug, kTdp, "kvm_tdp_mmu_zap_invalidated_roots", "a root that is scheduled to be zapped is valid", "",
     "both are set in one place, and invalid is never cleared"},
    {Assert::InvalidateInvalid, Kind::Warn, kTdp, "kvm_tdp_mmu_invalidate_roots", "types has INVALID", "", ""},
    {Assert::MapLevel, Kind::Warn, kTdp, "tdp_mmu_map_handle_target_level", "the table's level is not the goal", "",
     "kvm_tdp_mmu_map() compares the iterator's level, which is the table's"},
    {Assert::SpuriousPfn, Kind::Warn, kTdp, "tdp_mmu_map_handle_target_level", "a spurious fault finds another pfn in the leaf",
     "the leaf maps a page that is not the gfn's any more", ""},
    {Assert::ReplacedNeedsFlush, Kind::Warn, kTdp, "tdp_mmu_map_handle_target_level", "the new SPTE lost MMU-writable",
     "a fault takes away what others may have cached", ""},
    {Assert::SplitMirror, Kind::KvmBug, kTdp, "kvm_tdp_mmu_map", "a huge page of a mirror is to be split", "", ""},
    {Assert::MapPastGoal, Kind::Warn, kTdp, "kvm_tdp_mmu_map", "the walk ends at the goal without having mapped", "",
     "the goal leaves the loop by mapping"},
    {Assert::AgeInvalid, Kind::Warn, kTdp, "__kvm_tdp_mmu_age_gfn_range", "types has INVALID", "", "a filter never has it"},
    {Assert::WrprotLevel, Kind::Bug, kTdp, "wrprot_gfn_range", "min_level is above 1G", "", ""},
    {Assert::ClearDirtyWrprot, Kind::MmuWarn, kTdp, "clear_dirty_gfn_range", "D is cleared where W should be", "",
     "no entry here has the A/D type that needs write protection (nested guests have it)"},
    {Assert::ClearDirtyMaskWrprot, Kind::MmuWarn, kTdp, "clear_dirty_pt_masked", "D is cleared where W should be", "",
     "no entry here has the A/D type that needs write protection (nested guests have it)"},
    {Assert::RecoverLogged, Kind::Warn, kTdp, "recover_huge_pages_range", "the slot is dirty-logged", "", ""},
    {Assert::WriteProtectLevel, Kind::Bug, kTdp, "write_protect_gfn", "min_level is above 1G", "", ""},

    {Assert::IterRoot, Kind::Warn, "mmu/tdp_iter.c", "tdp_iter_start", "no root, or one of no level", "a walk of a page that is no table",
     ""},
    {Assert::VePossible, Kind::MmuWarn, "mmu/tdp_iter.h", "kvm_tdp_mmu_write_spte", "the new SPTE would give a #VE",
     "bit 63 is lost: the guest gets a #VE instead of an exit", "every value that is stored this way has bit 63"},

    {Assert::MmioGeneration, Kind::Warn, kSpte, "generation_mmio_spte_mask", "more bits than an MMIO SPTE has", "",
     "the caller takes 19 bits"},
    {Assert::SpteReserved, Kind::Warn, kSpte, "make_spte", "reserved bits are set", "the pfn is none of this host",
     "guest memory comes from the frames of this machine"},
    {Assert::HugeWritableLogged, Kind::Warn, kSpte, "make_spte", "a huge writable leaf in a slot that is dirty-logged",
     "one bit of the log would stand for many pages", "kvm_mmu_hugepage_adjust() looks at the same copy of the slot"},
    {Assert::SmallOfNothing, Kind::KvmBug, kSpte, "make_small_spte", "the SPTE to split is no huge leaf", "",
     "who splits looks at the same value first"},
    {Assert::HugeOfNothing, Kind::KvmBug, kSpte, "make_huge_spte", "the SPTE to grow is not present, or the level is 4K", "",
     "who collapses looks for a present leaf below an entry above 4K"},
    {Assert::SavedBits, Kind::Warn, kSpte, "mark_spte_for_access_track", "rights were saved already", "",
     "restore_acc_track_spte() clears them, and a tracked entry is left alone"},
    {Assert::SpteAbsent, Kind::MmuWarn, "mmu/spte.h", "spte_ad_enabled", "the SPTE is not present", "", "callers look first"},

    {Assert::HugeMisaligned, Kind::Bug, kMmu, "kvm_mmu_hugepage_adjust", "gfn and pfn differ within the huge page",
     "the host's page does not lie in memory as the guest's does", ""},
    {Assert::FaultAlias, Kind::KvmBug, kMmu, "kvm_mmu_faultin_pfn", "the gfn keeps the shared bit", "",
     "kvm_mmu_do_page_fault() strips it"},
    {Assert::FaultNoSlot, Kind::Warn, kMmu, "kvm_mmu_faultin_pfn", "a page was found without a slot", "", "no slot is handled before"},
    {Assert::PrefaultUnfixed, Kind::Warn, kMmu, "kvm_tdp_map_page", "a result that is none of a mapped page", "",
     "the model's faults have no others"},
    {Assert::FaultNoRoot, Kind::Warn, kMmu, "kvm_mmu_page_fault", "the vCPU has no root", "it cannot have been inside", ""},
    {Assert::StaleNoRoot, Kind::Bug, kMmu, "is_page_fault_stale", "root_to_sp() of a root that is not there",
     "no assertion, but an access to what is no struct page: v6.16 ignores that kvm_mmu_reload() failed", ""},
    {Assert::FaultReservedPrivate, Kind::Warn, kMmu, "kvm_mmu_page_fault", "a reserved-bit fault of a private access", "",
     "on SNP such an exit is reflected into the guest as #VC; a TD's MMIO entries give #VE"},
    {Assert::FaultInvalid, Kind::KvmBug, kMmu, "kvm_mmu_page_fault", "the fault handler ends with RET_PF_INVALID", "",
     "only fast_page_fault() says so, to its caller"},
    {Assert::FaultContinue, Kind::Warn, kMmu, "kvm_mmu_page_fault", "the fault handler ends with RET_PF_CONTINUE", "",
     "kvm_tdp_mmu_page_fault() goes on instead"},
    {Assert::NxNotDisallowed, Kind::Warn, kMmu, "kvm_recover_nx_huge_pages", "a page of the list is not nx_huge_page_disallowed", "",
     "both are cleared under one lock"},
    {Assert::NxNotDirect, Kind::Warn, kMmu, "kvm_recover_nx_huge_pages", "a page of the list is not direct", "", "all pages are"},
    {Assert::NxNoSlot, Kind::Warn, kMmu, "kvm_recover_nx_huge_pages", "a page of the list lies in no slot",
     "its slot has gone and the page with it", ""},
    {Assert::NxStays, Kind::Warn, kMmu, "kvm_recover_nx_huge_pages", "a page was recovered and is still nx_huge_page_disallowed",
     "it could not be zapped", ""},
    {Assert::AttributesNoPrivate, Kind::Warn, kMmu, "kvm_arch_pre_set_memory_attributes", "the VM has no private memory", "",
     "KVM_SET_MEMORY_ATTRIBUTES is refused there"},
    {Assert::AttributesRange, Kind::Warn, kMmu, "kvm_arch_pre_set_memory_attributes", "the range is empty", "", "it is a part of a slot"},

    {Assert::GmemOffset, Kind::Warn, kGmem, "kvm_gmem_prepare_folio", "the slot's offset is not aligned to the folio", "",
     "folios of guest_memfd have order 0 in v6.16"},
    {Assert::GmemOrder, Kind::Warn, kGmem, "kvm_gmem_populate", "the folio is larger than what is left", "",
     "folios of guest_memfd have order 0 in v6.16"},

    {Assert::CacheEmpty, Kind::Bug, kMain, "kvm_mmu_memory_cache_alloc", "the cache is empty",
     "a fault takes more pages than were topped up", ""},
    {Assert::RangeEmpty, Kind::Warn, kMain, "kvm_handle_hva_range", "the range is empty", "", "callers refuse it"},
    {Assert::RangeAddOutside, Kind::Warn, kMain, "kvm_mmu_invalidate_range_add", "no invalidation is in progress", "",
     "each range is added after a begin in the same call"},
    {Assert::InvalidateNegative, Kind::KvmBug, kMain, "kvm_mmu_invalidate_end", "mmu_invalidate_in_progress is negative",
     "an end without its begin: slots changed between the two", ""},
    {Assert::InvalidateNoRange, Kind::Warn, kMain, "kvm_mmu_invalidate_end", "no range was added since the begin",
     "an end without its begin: slots changed between the two", ""},
    {Assert::NotifierUnbalanced, Kind::Warn, kMain, "kvm_mmu_notifier_invalidate_range_end", "mn_active_invalidate_count is 0", "",
     "begin and end are one call here"},
    {Assert::DestroyInvalidating, Kind::Warn, kMain, "kvm_destroy_vm", "an invalidation is in progress when the VM ends", "", ""},
    {Assert::SlotsInUpdate, Kind::Warn, kMain, "kvm_swap_active_memslots", "an update is in progress already", "",
     "slots_lock is held over both changes of the generation"},
    {Assert::SlotPages, Kind::Warn, kMain, "kvm_set_memory_region", "fewer pages are counted than the slot has", "",
     "the count follows from the slots"},
    {Assert::AttributeStore, Kind::KvmBug, kMain, "kvm_vm_set_mem_attributes", "xa_store() failed", "", "what it needs is reserved before"},
    {Assert::RetryNoRange, Kind::Warn, "kvm_host.h", "mmu_invalidate_retry_gfn", "an invalidation is in progress without a range", "",
     "mmu_lock is held: begin and range_add are under it for writing"},
    {Assert::PreFaultEio, Kind::Warn, kMain, "kvm_vcpu_pre_fault_memory", "a page answers 0 or -EIO",
     "the VM died while it was pre-faulted", ""},

    {Assert::ReclaimFailed, Kind::Warn, kTdx, "tdx_reclaim_page", "TDH.PHYMEM.PAGE.RECLAIM failed",
     "the page stays the module's: it is leaked", ""},
    {Assert::CacheWbFailed, Kind::Warn, kTdx, "smp_func_do_phymem_cache_wb", "TDH.PHYMEM.CACHE.WB failed",
     "TDH.MNG.KEY.FREEID will fail, too", ""},
    {Assert::SharedBit, Kind::KvmBug, kTdx, "tdx_load_mmu_pgd", "the shared bit is not the VM's", "", "there is one bit for both"},
    {Assert::PremapPreFault, Kind::KvmBug, kTdx, "tdx_mem_page_record_premap_cnt", "pre_fault_allowed",
     "only KVM_TDX_INIT_MEM_REGION may map before the TD is finalized", ""},
    {Assert::SetLevel, Kind::KvmBug, kTdx, "tdx_sept_set_private_spte", "level is not 4K", "private huge pages are not supported", ""},
    {Assert::DropLevel, Kind::KvmBug, kTdx, "tdx_sept_drop_private_spte", "level is not 4K", "private huge pages are not supported",
     "no leaf of a mirror is larger (SetLevel keeps it out), and a table has no leaf bit"},
    {Assert::DropNoHkid, Kind::KvmBug, kTdx, "tdx_sept_drop_private_spte", "the HKID was released", "",
     "tdx_sept_remove_private_spte() asks first"},
    {Assert::ZapLevel, Kind::Warn, kTdx, "tdx_sept_zap_private_spte", "level is not 4K", "private huge pages are not supported",
     "no leaf of a mirror is larger (SetLevel keeps it out), and a table has no leaf bit"},
    {Assert::PremapNone, Kind::KvmBug, kTdx, "tdx_is_sept_zap_err_due_to_premap", "an entry was never added and nr_premapped is 0",
     "the mirror and the count of what is mapped but not added disagree", ""},
    {Assert::FreeWithHkid, Kind::KvmBug, kTdx, "tdx_sept_free_private_spt", "the HKID is still assigned",
     "tables of a live TD are never taken out", ""},
    {Assert::RemoveNoHkid, Kind::KvmBug, kTdx, "tdx_sept_remove_private_spte", "the HKID was released",
     "private memory is to be zapped while the TD lives", ""},
    {Assert::FetchShared, Kind::KvmBug, kTdx, "tdx_handle_ept_violation", "an instruction fetch from shared memory",
     "a TD cannot execute there", ""},
    {Assert::PageAddNotMapped, Kind::KvmBug, kTdx, "tdx_gmem_post_populate", "the GPA is not mapped in the mirror",
     "with CONFIG_KVM_PROVE_MMU", "that option is off, as it is by default"},
    {Assert::PageAddNoPremap, Kind::KvmBug, kTdx, "tdx_gmem_post_populate", "nr_premapped is 0 after TDH.MEM.PAGE.ADD",
     "the count of what is mapped but not added is wrong", ""},

    {Assert::PsmashFailed, Kind::Warn, kSev, "sev_gmem_invalidate", "PSMASH failed", "the RMP still has a large entry for a freed page",
     "the RMP was asked for the size before, and its only refusal is another size"},
    {Assert::RmpUpdateFailed, Kind::Warn, kSev, "sev_gmem_invalidate", "RMPUPDATE failed", "a freed page still belongs to the guest",
     "after PSMASH nothing is left that RMPUPDATE could refuse"},
}};

constexpr bool inOrder() {
    for (unsigned i = 0; i < kAsserts; ++i)
        if (static_cast<unsigned>(kTable[i].id) != i)
            return false;
    return true;
}
static_assert(inOrder(), "each row stands at its number");
} // namespace

const AssertInfo& info(Assert id) { return kTable[static_cast<unsigned>(id)]; }
std::span<const AssertInfo> asserts() { return kTable; }

std::string_view name(AssertInfo::Kind kind) {
    constexpr std::array<std::string_view, 4> names{"WARN_ON", "KVM_MMU_WARN_ON", "KVM_BUG_ON", "BUG"};
    return names[static_cast<unsigned>(kind)];
}

std::string conditionText(const AssertInfo& row) {
    return std::string(row.condition) + (row.meaning.empty() ? "" : "; ") + std::string(row.meaning);
}

} // namespace mirrorscope
