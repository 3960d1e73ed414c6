// SPDX-License-Identifier: GPL-3.0-or-later
// KVM's side of a VM: the TDP MMU and what calls it. Function names are those of Linux v6.16; each stands in the file of its family, which
// the sections below name.
//
//   Kvm kvm(config, traits, sim, frames, regions);
//   kvm.kvm_mmu_load(0);
//   kvm.kvm_tdp_map_page(0, gpa, false);
//
// What a `break` or another kernel replaces is called through protocol() (kvm/protocol.h), so that this is the honest protocol of v6.16
// alone.
#pragma once

#include "kvm/asserts.h"
#include "kvm/attribute_map.h"
#include "kvm/census.h"
#include "kvm/dirty_ring.h"
#include "kvm/ops.h"
#include "kvm/structs.h"
#include "kvm/words.h"
#include "machine/injection.h"
#include "machine/tlb.h"
#include "sim/sim.h"

#include <memory>
#include <vector>

namespace mirrorscope {

struct Protocol;

class Kvm : public KvmWords {
public:
    Kvm(const MachineConfig& config, const VmTraits& traits, Sim& sim, Frames& frames, Regions& regions);
    ~Kvm();
    Kvm(const Kvm&) = delete;
    Kvm& operator=(const Kvm&) = delete;
    void layOutIndexes(Regions& indexes);
    void attach(Machine& machine);
    void setOps(ExternalOps* external, VcpuOps* vcpu, GmemOps* gmem = nullptr) {
        external_ = external;
        gmemOps_ = gmem;
        vcpuOps_ = vcpu;
    }

    const MachineConfig& config() const { return config_; }
    const VmTraits& traits() const { return traits_; }
    Sim& sim() { return sim_; }
    const Sim& sim() const { return sim_; }
    Machine& machine() { return *machine_; }
    const Machine& machine() const { return *machine_; }
    Frames& frames() { return frames_; }
    Tlb& tlb(unsigned vcpu) { return tlbs_[vcpu]; }
    const Tlb& tlb(unsigned vcpu) const { return tlbs_[vcpu]; }
    const SpteMasks& masks() const { return traits_.masks; }
    void watchedBy(Watch* watch) { watch_ = watch; }
    // Counts what calls are made from here on; lives as long as this does.
    void countedBy(Census& census);
    Census* census() const { return census_; }
    VcpuOps& vcpuOps() { return *vcpuOps_; }
    const VcpuOps& vcpuOps() const { return *vcpuOps_; }
    ExternalOps& external() { return *external_; }
    bool hasExternal() const { return external_ != nullptr; }
    const Protocol& protocol() const { return *protocol_; }

    // ---- an SPTE is read and written (access.cpp; tdp_iter.h)
    u64 kvm_tdp_mmu_read_spte(Place sptep);
    // On failure `old` becomes what was found.
    bool try_cmpxchg64(Site site, Place sptep, u64& old, u64 newSpte);
    u64 kvm_tdp_mmu_write_spte_atomic(Place sptep, u64 newSpte, Site site = Site::SpteStore);
    u64 kvm_tdp_mmu_write_spte(Place sptep, u64 oldSpte, u64 newSpte, Level level);
    u64 tdp_mmu_clear_spte_bits_atomic(Place sptep, u64 mask, Site site);
    u64 tdp_mmu_clear_spte_bits(Place sptep, u64 oldSpte, u64 mask, Level level);
    // __kvm_tdp_mmu_write_spte(): a plain store.
    void write_spte_once(Site site, Place sptep, u64 newSpte);
    bool kvm_tdp_mmu_spte_need_atomic_update(u64 oldSpte, Level level) const;

    // ---- roots (roots.cpp)
    bool kvm_has_mirrored_tdp() const { return config_.vm == VmType::Tdx; }
    int kvm_mmu_load(unsigned vcpu);
    // The same outside of KVM_RUN: an obsolete root is given back first.
    int kvm_mmu_reload(unsigned vcpu);
    bool has_root(unsigned vcpu) const { return machine_->get(vcpuWord(vcpu, VcpuWord::RootHpa)) != 0; }
    bool is_obsolete_root(unsigned vcpu) const;
    void kvm_mmu_free_obsolete_roots(unsigned vcpu);
    // The vCPU enters or leaves SMM: its root is of the other address space from now on.
    void kvm_smm_changed(unsigned vcpu, bool entering);
    bool inSmmMode(unsigned vcpu) const { return machine_->get(vcpuWord(vcpu, VcpuWord::Smm)) != 0; }
    void kvm_tdp_mmu_alloc_root(unsigned vcpu, bool mirror);
    // The vCPUs are gone: their roots and their page caches are given back.
    void kvm_mmu_destroy();
    Pfn tdp_mmu_get_root_for_fault(const KvmPageFault& fault);
    unsigned kvm_gfn_range_filter_to_root_types(unsigned filter) const;
    u64 kvm_gfn_root_bits(Pfn root) const;
    bool tdp_mmu_root_match(Pfn root, unsigned types);
    // The first listed root after `previous` (0: of the list) that matches; it is referenced, `previous` no longer is. 0 at the end.
    Pfn tdp_mmu_next_root(Pfn previous, unsigned types);
    // False when the last reference is gone already.
    bool kvm_tdp_mmu_get_root(Pfn root);
    void kvm_tdp_mmu_put_root(Pfn root);

    // ---- page caches (caches.cpp)
    int mmu_topup_memory_caches(unsigned vcpu);
    // Of one cache: its count, behind which its pages stand. 0, or -ENOMEM with fewer than `min`.
    int topUpCache(Place count, u64 min, u64 capacity, FrameKind kind, u64 info);
    Pfn kvm_mmu_memory_cache_alloc(unsigned vcpu, VcpuWord cache, FrameKind kind, u64 info);

    // ---- iterator (iter.cpp)
    void tdp_iter_start(TdpIter& iter, Pfn root, Level minLevel, Gfn gfn) {
        tdp_iter_start(iter, root, minLevel, gfn, kvm_gfn_root_bits(root));
    }
    // `gfnBits`: 0 walks the raw table, both halves of it.
    void tdp_iter_start(TdpIter& iter, Pfn root, Level minLevel, Gfn gfn, u64 gfnBits);
    void tdp_iter_next(TdpIter& iter);
    void tdp_iter_restart(TdpIter& iter);
    // The next entry in pre-order, of an iterator that stands where it last read.
    void tdp_iter_step(TdpIter& iter);
    // Drops mmu_lock if it must; the caller goes on with the next entry, what it owed a flush for is flushed.
    bool tdp_mmu_iter_cond_resched(TdpIter& iter, bool flush, bool shared);
    bool tdp_mmu_iter_need_resched(const TdpIter& iter) const;

    // ---- fault (fault.cpp, faultin.cpp)
    int kvm_mmu_page_fault(unsigned vcpu, u64 addr, Access access, bool isPrivate, bool present, KvmRun& run);
    // handle_mmio_page_fault(): is it an MMIO entry, made for the memslots as they are now?
    bool isCurrentMmio(u64 spte) const;
    int kvm_mmu_do_page_fault(unsigned vcpu, u64 addr, Access access, bool isPrivate, bool present, bool prefetch, KvmRun& run,
                              Level* level = nullptr);
    int kvm_tdp_mmu_page_fault(KvmPageFault& fault);
    int kvm_mmu_faultin_pfn(KvmPageFault& fault);
    Gfn kvm_mmu_max_gfn();
    u64 snapshot_invalidate_seq();
    bool is_page_fault_stale(const KvmPageFault& fault);
    int kvm_tdp_map_page(unsigned vcpu, u64 addr, bool isPrivate, Level* level = nullptr);
    // kvm_tdp_map_page() is about to repeat a fault that ended RET_PF_RETRY; a negative errno ends it instead.
    int may_repeat_map_page(unsigned, u64) { return 0; }
    // KVM_PRE_FAULT_MEMORY, gpa and size in bytes; ok with the bytes mapped if at least one page was.
    Outcome kvm_vcpu_pre_fault_memory(unsigned vcpu, u64 gpa, u64 size, bool sharedBit);
    int fast_page_fault(KvmPageFault& fault); // fast_fault.cpp
    bool is_access_allowed(const KvmPageFault& fault, u64 spte) const;

    // ---- map.cpp
    int kvm_tdp_mmu_map(KvmPageFault& fault);
    int tdp_mmu_link_sp(TdpIter& iter, Pfn sp, bool shared);
    void tdp_mmu_init_child_sp(Pfn child, const TdpIter& iter);
    void tdp_mmu_free_sp(Pfn spt);

    // ---- set_spte.cpp
    int tdp_mmu_set_spte_atomic(TdpIter& iter, u64 newSpte);
    u64 tdp_mmu_set_spte(Place sptep, u64 oldSpte, u64 newSpte, Gfn gfn, Level level);
    void tdp_mmu_iter_set_spte(TdpIter& iter, u64 newSpte);
    int set_external_spte_present(Place sptep, Gfn gfn, u64 oldSpte, u64 newSpte, Level level);
    bool freeze_spte(Place sptep, u64 oldSpte, u64 newSpte);
    void restore_spte(Place sptep, u64 oldSpte, u64 newSpte);
    void handle_removed_pt(Pfn child, bool shared);
    void tdp_mmu_unlink_sp(Pfn child);
    void remove_children(Pfn child, bool shared);
    bool check_changed_spte(Gfn gfn, u64 oldSpte, u64 newSpte, Level level);
    bool unlinks_table(u64 oldSpte, u64 newSpte, Level level);
    void kvm_update_page_stats(u64 oldSpte, u64 newSpte, Level level);
    void free_removed_pt(Pfn child);
    // Must a change of that entry also reach the private table? v6.16: is_mirror_sptep().
    bool carriesOver(Pfn table, Gfn gfn) const;

    // ---- zap (zap.cpp)
    bool tdp_mmu_zap_leafs(Pfn root, const GfnRange& range, bool flush);
    bool kvm_tdp_mmu_zap_leafs(const GfnRange& range, bool flush);
    void kvm_tdp_mmu_zap_all();
    void kvm_zap_gfn_range(const GfnRange& range);
    bool kvm_tdp_mmu_unmap_gfn_range(const GfnRange& range, unsigned filter);
    // The roots from which a range is unmapped; both kinds without a filter of one.
    unsigned unmap_root_types(unsigned filter) const;
    void tdp_mmu_zap_root(Pfn root, bool shared);
    void tdp_mmu_zap_root_at(Pfn root, bool shared, Level zapLevel); // __tdp_mmu_zap_root()
    bool kvm_tdp_mmu_zap_sp(Pfn sp);
    void kvm_mmu_uninit_tdp_mmu();

    // ---- roots that become invalid (invalidate.cpp)
    void kvm_tdp_mmu_invalidate_roots(unsigned types);
    void kvm_tdp_mmu_zap_invalidated_roots(bool shared);
    void kvm_mmu_zap_all_fast();

    // ---- huge pages (huge.cpp, collapse.cpp, nx.cpp)
    Level kvm_mmu_max_mapping_level(const Memslot& slot, Gfn gfn, Level max, bool isPrivate) const;
    void kvm_mmu_hugepage_adjust(KvmPageFault& fault);
    int tdp_mmu_split_huge_page(TdpIter& iter, Pfn child, bool shared);
    void kvm_tdp_mmu_try_split_huge_pages(const GfnRange& range, Level target, bool shared);
    void kvm_mmu_slot_try_split_huge_pages(const GfnRange& range, Level target);
    bool kvm_tdp_mmu_recover_huge_pages(int slotIndex);
    void kvm_mmu_recover_huge_pages(int slotIndex);
    u64 kvm_recover_nx_huge_pages(const GfnRange& range);
    u64 recover_nx_huge_pages_exclusively(const GfnRange& range);
    void unaccount_nx_huge_page(Pfn sp);
    void flush_after_nx_recovery(bool flush);
    void vcpu_srcu_read_unlock_mb();
    void disallowed_hugepage_adjust(KvmPageFault& fault, u64 spte, Level level);
    // Private pages of 2M (private_2m.cpp): how large a mapping of guest_memfd's page may be; whether the guest has accepted a part of the
    // huge page by itself, so that none is mapped there any more.
    Level gmem_max_mapping_level(const Memslot& slot, Gfn gfn) const;
    bool hugepage_test_guest_inhibit(Gfn gfn, Level level) const;
    void hugepage_set_guest_inhibit(Gfn gfn, Level level);
    // Huge leaves that cross an end of the range are split, so that what is zapped afterwards ends there. 0, or -ENOMEM; `filter`: of
    // private or of shared memory.
    int kvm_split_cross_boundary_leafs(const GfnRange& range, unsigned filter, bool shared);
    // Folios that cross an end of what is truncated are none any more.
    void split_folios_across(const GmemRange& range);
    // May the block from `start` on be a folio of 2M? And after a conversion: what may be is, what may not is none any more.
    bool mayBeHugeFolio(const Memslot& slot, Gfn start) const;
    void restructure_folios(const GmemRange& range);
    void setHugeFolio(Place first, bool huge); // the 512 words from there on, in one action
    // A large host page or a single one: the host's page around a gfn, and its size.
    std::pair<GfnRange, Level> hostBlock(const Memslot& slot, Gfn gfn) const;

    // ---- dirty logging (dirty_log.cpp, pml.cpp)
    static bool cpuDirtyLog(const MachineConfig& config, const VmTraits& traits) {
        return traits.cpuDirtyLog && config.pml && config.adBits;
    }
    bool cpuDirtyLog() const { return cpuDirtyLog(config_, traits_); }
    bool kvm_tdp_mmu_wrprot_slot(const GfnRange& range, Level minLevel);
    void kvm_tdp_mmu_clear_dirty_slot(const GfnRange& range);
    // Does the D bit of the entry say that somebody wrote?
    bool may_have_dirty_bit(u64 spte, Level level);
    void kvm_tdp_mmu_clear_dirty_pt_masked(Gfn gfn, u64 mask, bool wrprot);
    bool kvm_tdp_mmu_write_protect_gfn(Gfn gfn, Level minLevel);
    // `vcpu`: who is running (kvm_get_running_vcpu()).
    void mark_page_dirty_in_slot(unsigned vcpu, const Memslot& slot, Gfn gfn);
    // The word of the slot's dirty bitmap with that page's bit.
    Place dirtyWord(const Memslot& slot, Gfn gfn) const;
    // Kept for the rules beside each such word: pages that a guest has written and no log has told; of these, what had been written when
    // the log that is being read was asked for; what that log has told.
    enum class LogNote : u8 { Written, Due, Told, Count_ };
    Place logNote(Place dirtyWord, LogNote note) const {
        return logNotes_ + (u64{dirtyWord.v - dirty_.v} * static_cast<unsigned>(LogNote::Count_) + static_cast<unsigned>(note));
    }
    Place pmlEntry(unsigned vcpu, u64 i) const { return pml_ + (vcpu * kPmlEntries + i); }
    // `asked`: the page whose 64 the result tells in Field::Bitmap; its value is how many pages are dirty.
    Outcome kvm_get_dirty_log_protect(u32 id, std::optional<Gfn> asked);
    // `mask`: which of each 64 pages.
    Outcome kvm_clear_dirty_log_protect(u32 id, u64 firstPage, u64 pages, u64 mask);

    // ---- the dirty ring in place of the bitmaps (dirty_ring.cpp)
    // kvm_dirty_ring_get_rsvd_entries()
    static u64 dirtyRingReserved(bool cpuLog) { return DirtyRing::kReserved + (cpuLog ? kPmlEntries : 0); }
    bool kvm_use_dirty_bitmap() const { return rings_.empty(); }
    void kvm_dirty_ring_push(unsigned vcpu, const Memslot& slot, Gfn gfn);
    bool kvm_dirty_ring_check_request(unsigned vcpu);
    // KVM_RESET_DIRTY_RINGS; its value is how many entries left the rings.
    Outcome kvm_vm_ioctl_reset_dirty_pages();
    // What user space takes from a vCPU's ring; `bitmap` gets those of the 64 pages around `asked`.
    u64 collectDirtyRing(unsigned vcpu, std::optional<Gfn> asked, u64& bitmap);
    bool inDirtyRing(const Memslot& slot, Gfn gfn) const;

    // ---- aging (age.cpp); the answer is whether a page was young
    bool kvm_tdp_mmu_age_gfn_range(const GfnRange& range, unsigned filter);
    bool kvm_tdp_mmu_test_age_gfn(const GfnRange& range, unsigned filter);

    // ---- memslots (slots.cpp); 0 or a negative errno
    int kvm_set_memory_region(const SlotConfig& config);
    // A slot with guest_memfd can only be deleted; 6.16 asks the new flags alone, and lets the old ones go.
    bool is_immutable(const Memslot&, const SlotConfig& config) const { return config.guestMemfd; }
    int deleteMemoryRegion(u32 id);
    int setDirtyLogging(u32 id, bool on);
    int slotById(u32 id) const;
    u64 addressSpaces() const; // kvm_arch_nr_memslot_as_ids()
    bool isSlotId(u32 id) const { return id >> 16 < addressSpaces() && (id & 0xffff) < kUserMemSlots; }
    unsigned slotCount() const;
    int slotOf(Gfn gfn) const;
    Memslot slot(int index) const;
    Memslot peekSlot(int index) const; // no actor's observation
    int peekSlotOf(Gfn gfn) const;

    // ---- attributes (attributes.cpp)
    bool kvm_mem_is_private(Gfn gfn) const;
    bool peekPrivate(Gfn gfn) const;
    // Of the 64 pages from a multiple of 64: a bit for each that is private.
    u64 peekPrivateBits(Gfn first) const;
    // Which kinds of pages there are in a range. Every page counts; long stretches that nobody has converted cost nothing.
    struct PageKinds {
        bool isPrivate = false, shared = false;
    };
    PageKinds peekKinds(const GfnRange& range) const;
    int kvm_vm_set_mem_attributes(const GfnRange& range, bool makePrivate);
    // Whether an end is owed; 0 in `error`, or why the attributes stay.
    bool kvm_pre_set_memory_attributes(const GfnRange& range, bool makePrivate, int& error);
    // It could not split what crosses its ends (private_2m.cpp).
    void end_of_failed_conversion(bool begun) { endInvalidation(begun); }
    // What is invalidated beyond `part`, which changes.
    void kvm_arch_pre_set_memory_attributes(const Memslot& slot, const GfnRange& part);

    // ---- in-place conversion (gmem_convert.cpp). KVM_MEMSLOT_GMEM_ONLY: what is shared comes from the file, too
    bool gmemHasAll(const Memslot& slot) const { return slot.guestMemfd && config_.has(Feature::InPlaceConversion); }
    // 0 or a negative errno: -EAGAIN where somebody holds the page at `held`.
    int setMemoryAttributes(const GfnRange& range, bool makePrivate, std::optional<Gfn>& held);
    // KVM_SET_MEMORY_ATTRIBUTES2 on a file: its pages `first` up to `end`, by the numbers of the array of all files' pages.
    int kvm_gmem_set_attributes(u64 first, u64 end, bool makePrivate, u64& held);
    int kvm_gmem_convert(u64 first, u64 end, bool makePrivate, u64& held);
    bool kvm_gmem_is_private(u64 page) const;
    bool gmemAllAre(bool isPrivate, u64 first, u64 end) const;
    void unmap_mapping_pages(u64 first, u64 end);
    std::optional<u64> referencedPage(u64 first, u64 end);
    int kvm_gmem_fault_user_mapping(const Memslot& slot, Gfn gfn);
    std::optional<Pfn> gmemUserPage(const Memslot& slot, Gfn gfn);
    // Through user space's mapping, for a device. 0, or -EFAULT where a page is private or there is none.
    int pin_user_pages(const GfnRange& range);
    void unpin_user_pages(const GfnRange& range);
    // Does user space have the page mapped, or pinned? With in-place conversion only.
    bool peekHeldByUser(Gfn gfn) const;

    // ---- invalidation by the host's memory management (invalidation.cpp, notifier.cpp)
    void kvm_mmu_invalidate_begin();
    void kvm_mmu_invalidate_range_add(const GfnRange& range);
    void kvm_mmu_invalidate_end();
    // With mmu_lock held.
    bool mmu_invalidate_retry_gfn(u64 seq, Gfn gfn);
    bool mmu_invalidate_retry_gfn_unsafe(u64 seq, Gfn gfn);
    bool kvm_unmap_gfn_range(const GfnRange& range, unsigned filter);
    // MADV_DONTNEED, a page moved, write-protected.
    void discard(const GfnRange& range);
    int migrate(const GfnRange& range);
    void protect(const GfnRange& range);
    bool kvm_mmu_notifier_clear_young(const GfnRange& range);

    // ---- guest_memfd and the host's mapping (gmem.cpp, host_memory.cpp)
    int kvm_gmem_get_pfn(const Memslot& slot, Gfn gfn, Pfn& pfn);
    int __kvm_gmem_get_pfn(const Memslot& slot, Gfn gfn, Pfn& pfn);
    int kvm_gmem_punch_hole(const GmemRange& range);
    // For the pages of a VM's first content, up to the end of the slot: `post(slot, gfn)` fills one in, with the file held still. How many
    // are done, and 0, or why there are no more.
    template <class Post>
    int kvm_gmem_populate(Gfn start, u64 pages, u64& done, Post&& post);
    int may_populate(const Memslot& slot, Gfn gfn);
    // The page of guest_memfd there, made if there is none, and not prepared; nothing when memory is full.
    std::optional<Pfn> gmemFolio(const Memslot& slot, Gfn gfn);
    void markPrepared(const Memslot& slot, Gfn gfn) { machine_->setBits(gmemPlace(slot, gfn), kUptodate); }
    bool kvm_gmem_invalidate_begin(const GmemRange& range);
    // The same in three, with private-2M: the invalidation begins, leaves across its ends are split (0, or -ENOMEM), the rest is zapped.
    bool kvm_gmem_invalidate_before_split(const GmemRange& range, bool wholeFolios);
    bool kvm_gmem_invalidate_for_hole(const GmemRange& range);
    int kvm_gmem_split_private(const GmemRange& range);
    void kvm_gmem_zap(const GmemRange& range, unsigned filter);
    unsigned kvm_gmem_get_all_gfns_filter() const;
    void kvm_gmem_invalidate_end(bool found);
    void truncate_inode_pages_range(const GmemRange& range);
    // Files with a name (gmem_file.cpp). Each is `file`, an index of MachineConfig::gmemFiles; 0 or a negative errno, kEBADF where
    // it is not open.
    int kvm_gmem_create(unsigned file, u64 size, u64 flags);
    int kvm_gmem_bind(unsigned file, u64 offset, u64 pages);
    int kvm_gmem_fallocate(unsigned file, bool keepSize, bool punch, u64 offset, u64 size);
    int kvm_gmem_release(unsigned file);
    bool gmemIsOpen(unsigned file) const;
    // kvm_gmem_get_file(): is the slot bound to a file that is open?
    bool kvm_gmem_get_file(const Memslot& slot) const;
    Place gmemPlace(const Memslot& slot, Gfn gfn) const { return gmem_ + (slot.gmem + gfn.v - slot.base.v); }
    // The frame that guest_memfd has there; 0 for none.
    Pfn gmemPage(const Memslot& slot, Gfn gfn) const { return {machine_->get(gmemPlace(slot, gfn)) & kHostPfn}; }
    Pfn peekGmemPage(const Memslot& slot, Gfn gfn) const { return {machine_->peek(gmemPlace(slot, gfn)) & kHostPfn}; }
    Place hostPlace(const Memslot& slot, Gfn gfn) const { return host_ + (slot.host + gfn.v - slot.base.v); }
    int hostFaultin(const Memslot& slot, KvmPageFault& fault);
    // What user space does through its mapping of a slot: it reads, or writes `value` to, the aligned word around `gpa`; SIGSEGV where
    // nothing is mapped or the mapping forbids it, SIGBUS where a page cannot be had.
    Outcome hostAccess(u64 gpa, bool write, u64 value);
    enum class VmaProt : u8 { ReadWrite, Read, None };
    bool peekVmaChanged() const { return machine_->peek(vmaChanged()) != 0; }
    VmaProt vmaProt(const Memslot& slot, Gfn gfn) const { return static_cast<VmaProt>(vmaBits(slot, gfn) & 3); }
    // Does a userfaultfd hear of pages that are missing there?
    bool vmaWatched(const Memslot& slot, Gfn gfn) const { return (vmaBits(slot, gfn) & kVmaWatched) != 0; }
    void mprotect(const GfnRange& range, VmaProt prot);
    // UFFDIO_REGISTER for missing pages; UFFDIO_COPY: pages with `value` as their first word, who waited for them goes on. 0 or a negative
    // errno.
    int userfaultfd_register(const GfnRange& range);
    int userfaultfd_copy(const GfnRange& range, u64 value);
    // `inject`: the host's next faults, of that page or (nothing) of any, fail with kEFAULT or kEHWPOISON.
    bool hostFaultWaits() const { return hostFaults_.waits(*machine_); }
    void injectHostFault(int error, std::optional<Gfn> gfn, u64 times, u64 after);
    void freeGuestMemory(); // the gmem files are closed and the host mapping is gone

    // ---- vCPUs (vcpu.cpp, requests.cpp, guest.cpp, hypercall.cpp)
    Outcome runGuest(unsigned vcpu, const GuestOp& op);
    // The CPU has no room for what it remembers of a page.
    void evict(unsigned vcpu, Gfn gfn, Alias alias);
    // The guest leaves to user space by a hypercall or a halt.
    Outcome leaveGuest(unsigned vcpu, KvmExit reason);
    // The guest's wish to convert memory, answered by user space.
    struct MapGpaAnswer {
        u64 refuseAfter; // user space refuses what comes after so many exits
        u64 eventAfter;  // after so many exits an event waits for the vCPU
    };
    Outcome mapGpa(unsigned vcpu, u64 gpa, u64 size, bool makePrivate, const MapGpaAnswer& answer);
    // The end of the inner part of vcpu_enter_guest(): the vCPU is OUTSIDE_GUEST_MODE and IPIs are served.
    void vcpu_exit_guest(unsigned vcpu);
    void kvm_flush_remote_tlbs();
    void kvm_flush_remote_tlbs_gfn(Gfn gfn, Level level);
    // Sets the request, 0 for none, makes every vCPU that is inside leave, and waits until it has (KVM_REQUEST_WAIT).
    void kvm_make_all_cpus_request(u64 request);
    // What kvm_vcpu_kick() does: it does not wait.
    void kvm_vcpu_kick(unsigned vcpu);
    // Is it pending? It is no longer.
    bool kvm_check_request(unsigned vcpu, u64 request);
    bool inGuest(unsigned vcpu) const { return machine_->peek(vcpuWord(vcpu, VcpuWord::Mode)) != kOutsideGuestMode; }
    // A cached translation counts only while a guest access could use it without a flush that is already pending.
    bool tlbUsable(unsigned vcpu) const;

    // ---- life cycle, assertions (kvm.cpp)
    bool vmDead() const { return machine_->get(vm(VmWord::Dead)) != 0; }
    void kvm_vm_dead();
    // A KVM_BUG_ON that a SEAMCALL's status fires.
    void kvm_bug(unsigned leaf, u64 status);
    bool KVM_BUG_ON(bool condition, Assert which);
    bool WARN_ON_ONCE(bool condition, Assert which);
    void lockdep_assert_held(LockId lock);
    void lockdep_assert_held_write(LockId lock);

    Place vm(VmWord word) const { return vm_ + static_cast<unsigned>(word); }
    Place vcpuWord(unsigned vcpu, VcpuWord word) const {
        return vcpu_ + vcpu * static_cast<unsigned>(VcpuWord::Count_) + static_cast<unsigned>(word);
    }
    // What the entry that the actor has frozen is to become; only where a trace tells of it before it is done.
    Place intended(ActorId actor) const { return intended_ + actor; }
    Place actorWord(unsigned actor, ActorWord word) const {
        return actor_ + actor * static_cast<unsigned>(ActorWord::Count_) + static_cast<unsigned>(word);
    }
    Place assertWord(Assert which) const { return asserts_ + static_cast<unsigned>(which); }
    // How often any of them fired.
    u64 peekFired() const;

    // ---- for those who look
    MmuPage peekPage(Pfn spt) const;
    // The first gfn that an entry of that page translates. The shared half of a TD's direct root stands at indexes that carry the shared
    // bit; a gfn never does. (A page may have been made for a gfn that the root does not reach; its entries translate others.)
    Gfn gfnOfEntry(const MmuPage& page, unsigned index) const {
        const u64 reach = (1ull << (9 * config_.levels)) - 1;
        return inSmm({(page.gfn.v + index * pagesPer(page.level())) & reach & ~config_.directBits()}, role::isSmm(page.role));
    }
    u64 peekRootCount(Pfn root) const { return machine_->peek(sp(root, kRootCount)); }
    std::vector<Pfn> roots() const; // as listed, the newest first
    // The first of them that is wanted, or 0.
    template <class F>
    Pfn findRoot(F&& wanted) const {
        Pfn root{machine_->peek(vm(VmWord::RootsHead))};
        while (root.v != 0 && !wanted(root))
            root = {machine_->peek(sp(root, kNextRoot))};
        return root;
    }
    u64 peekVm(VmWord word) const { return machine_->peek(vm(word)); }
    // kvm->stat.pages_4k, pages_2m, pages_1g; nx_lpage_splits: the pages that the recovery worker has before it.
    u64 pagesOf(Level level) const { return machine_->peek(pageStatistic(level)); }
    u64 leafCount() const { return pagesOf(Level::k4K) + pagesOf(Level::k2M) + pagesOf(Level::k1G); }
    Place pageStatistic(Level level) const { return pageStats_ + (number(level) - 1); }
    u64 tableCount() const { return machine_->peek(pageStats_ + 3); }
    u64 nxLpageSplits() const;
    // Whose page is named by that word of guest_memfd or of the host's mapping? Nothing for any other word.
    std::optional<Gfn> gfnOfPageWord(Place place) const;
    // The gfns that a memslot has left with the change of one of its words by `delta` (old ^ new); nothing for any other change.
    std::optional<GfnRange> leftBySlot(Place place, u64 delta) const;
    // The first of the 64 pages whose attributes are in that word; nothing for any other word.
    std::optional<Gfn> firstOfAttributes(Place place) const { return attributes_.firstOf(place); }
    // The page of guest_memfd whose own attribute, or whose pin, is in that word; nothing for any other word.
    std::optional<Gfn> gfnOfGmemState(Place place) const;
    // Is the table page linked from a live root without a gap? `frozenAbove` tells when the gap is a frozen entry.
    bool reachable(Pfn spt, bool* frozenAbove = nullptr) const;
    // The mirror page whose external_spt is this frame; 0 when it is no external_spt.
    Pfn mirrorOfExternal(Pfn external) const {
        return {frames_.peekKind(external) == FrameKind::ExternalTable ? frames_.peekInfo(external) : 0};
    }
    // Is the frame named by some guest memory record (guest_memfd, host mapping)?
    bool guestMemoryNames(Pfn pfn) const;
    // Where a page of guest memory belongs; nothing for any other frame.
    std::optional<Gfn> gfnOfGuestMemory(Pfn pfn) const;
    bool cachedByVcpu(Pfn pfn) const;
    // Adds the frames that may have lost what kept them when that word (a record of KVM's or an entry of a table) changed by `delta`
    // (old ^ new): what reachable(), mirrorOfExternal(), guestMemoryNames() and cachedByVcpu() say of any other frame is as before.
    void letGo(Place place, u64 delta, std::vector<Pfn>& frames) const;
    // Two words for each page of a slot and each kind of memory: the number of the word + 1 that a guest wrote last, and its value. Kept
    // for the rules; it ends with the page, its conversion or its acceptance, and nothing in KVM reads it.
    std::optional<Place> lastWrite(Gfn gfn, Alias alias) const;
    void forgetWrites(const GfnRange& range, Alias alias);

    // ---- pieces that the backends need
    void put_page(Pfn pfn);
    // The same as a part of the caller's micro-step; one more if the page goes and the RMP must know.
    void dropReference(Pfn pfn);
    std::optional<Pfn> alloc_page(FrameKind kind, u64 info);
    void free_page(Pfn pfn);
    // Frames for the pages whose words of guest_memfd, or of the host's mapping, begin with `first`: side by side where the level is above
    // 4K.
    std::optional<Pfn> allocGuestPages(FrameKind kind, Place first, Level level);

    static constexpr u64 kHostPfn = (1ull << 40) - 1, kHostProtected = 1ull << 62;           // a word of the host's mapping
    static constexpr u64 kUptodate = 1ull << 61, kFolioLocked = 1ull << 60;                  // a word of guest_memfd
    static constexpr u64 kHugeFolio = 1ull << 59;                                            // of it: its page is of a folio of 2M
    static constexpr u64 kHostMapped = 1ull << 58;                                           // of it: user space has the page mapped
    static constexpr u64 kScheduledRootToZap = 1, kNxHugePageDisallowed = 2, kNxTracked = 4; // kFlags
    enum SpWord { kRole, kGfn, kPtep, kExternal, kRootCount, kFlags, kNextRoot, kNextNx, kSpWords };
    Place sp(Pfn spt, SpWord word) const { return sp_ + spt.v * kSpWords + word; }
    u64 spGet(Pfn spt, SpWord word) const { return machine_->get(sp(spt, word)); }
    void spSet(Pfn spt, SpWord word, u64 value) { machine_->set(sp(spt, word), value); }
    bool isMirrorRoot(Pfn root) const { return role::isMirror(spGet(root, kRole)); }
    bool is_mirror_sptep(Place sptep) const { return role::isMirror(spGet(frameOf(sptep), kRole)); }

    // Each root that matches, held by a reference; `f` may drop mmu_lock (for_each_tdp_mmu_root_yield_safe() and its like).
    template <class F>
    void forEachRootYieldSafe(unsigned types, F&& f);
    // Only those of the address space of `range`.
    template <class F>
    void forEachRootYieldSafe(unsigned types, const GfnRange& range, F&& f);
    // The same without a reference: with mmu_lock held for writing (__for_each_tdp_mmu_root()), or in an RCU read-side section.
    template <class F>
    void forEachRoot(unsigned types, F&& f);
    template <class F>
    void forEachRoot(unsigned types, Gfn in, F&& f);
    bool rootHas(Pfn root, Gfn gfn) const { return role::isSmm(machine_->peek(sp(root, kRole))) == isSmm(gfn); } // as_id never changes
    template <class F>
    void forEachSlotPart(const GfnRange& range, F&& f) const;
    // The parts of slots through which the host's pages behind that range are seen: those of the range, and of whoever is in front of the
    // same pages.
    template <class F>
    void forEachMappedPart(const GfnRange& range, F&& f) const;
    // The parts of that range, without those whose host pages were met already.
    template <class F>
    void forEachHostPart(const GfnRange& range, F&& f) const;
    static std::pair<u64, u64> hostPagesOf(const Memslot& s, const GfnRange& range);
    void listRoot(Pfn root);
    void unlistRoot(Pfn root);

private:
    static constexpr unsigned kSlotWords = 7;
    static constexpr u64 kPagesPerVmaWord = 16, kVmaWatched = 4; // of the four bits of a page
    unsigned maxRoots() const { return 2 * config_.vcpus + sim_.actors() + 3; }

    // roots.cpp
    void kvm_mmu_free_root(unsigned vcpu, VcpuWord which);
    // iter.cpp
    void iterRefresh(TdpIter& iter);
    bool tdp_iter_step_down(TdpIter& iter);
    bool tdp_iter_step_side(TdpIter& iter);
    bool tdp_iter_step_up(TdpIter& iter);
    // faultin.cpp
    int kvm_mmu_faultin_pfn_gmem(KvmPageFault& fault); // v6.16: kvm_mmu_faultin_pfn_private()
    int kvm_handle_noslot_fault(KvmPageFault& fault);
    void kvm_mmu_prepare_memory_fault_exit(KvmPageFault& fault);
    void kvm_mmu_finish_page_fault(KvmPageFault& fault);
    bool page_fault_can_be_fast(const KvmPageFault& fault);
    // map.cpp
    int tdp_mmu_map_handle_target_level(KvmPageFault& fault, TdpIter& iter);
    Pfn tdp_mmu_alloc_sp(unsigned vcpu);
    void releaseTable(Pfn spt);
    u64 make_spte_for(const KvmPageFault& fault, const TdpIter& iter);
    void check_spte_writable_invariants(u64 spte); // set_spte.cpp
    // huge.cpp, nx.cpp
    bool hugepageMixed(Gfn gfn, Level level) const;
    void setHugepageMixed(Gfn gfn, Level level, bool mixed);
    void kvm_arch_post_set_memory_attributes(const GfnRange& range);
    bool lpageDisallowed(const Memslot& slot, Gfn gfn, Level level) const;
    Level host_pfn_mapping_level(const Memslot& slot, Gfn gfn) const;
    int tdp_mmu_split_huge_pages_root(Pfn root, const GfnRange& range, Level target, bool shared, bool onlyAcross = false);
    std::optional<Pfn> tdp_mmu_alloc_sp_for_split(bool mirror);
    int tdp_mmu_make_huge_spte(const TdpIter& parent, u64& huge);
    bool recover_huge_pages_range(Pfn root, const Memslot& slot);
    void track_possible_nx_huge_page(Pfn sp);
    void untrack_possible_nx_huge_page(Pfn sp);
    // dirty_log.cpp, pml.cpp
    bool wrprot_gfn_range(Pfn root, const GfnRange& range, Level minLevel);
    void clear_dirty_gfn_range(Pfn root, const GfnRange& range);
    void clear_dirty_pt_masked(Pfn root, Gfn gfn, u64 mask, bool wrprot);
    bool write_protect_gfn(Pfn root, Gfn gfn, Level minLevel);
    bool logByCpu(unsigned vcpu, Gfn gfn);
    void vmx_flush_pml_buffer(unsigned vcpu);
    void kvm_arch_sync_dirty_log();
    u64 kvm_dirty_ring_reset(unsigned vcpu);
    void kvm_reset_dirty_gfn(u32 id, u64 offset, u64 mask);
    template <class F>
    void forEachLoggedSlot(F&& f) const;
    void kvm_mmu_update_cpu_dirty_logging(bool enable);
    void vmx_update_cpu_dirty_logging(unsigned vcpu);
    void kvm_arch_mmu_enable_log_dirty_pt_masked(const Memslot& slot, Gfn gfn, u64 mask);
    bool initiallyAllDirty() const { return config_.manualDirtyLog == ManualDirtyLog::InitiallySet; }
    u64 readDirtyPages(const Memslot& memslot, u64 asked, u64& bitmap);
    u64 takeDirtyPages(const Memslot& memslot, u64 first, u64 end, u64 wanted, u64 asked, u64& bitmap);
    // age.cpp
    bool ageRange(const GfnRange& range, unsigned filter, bool testOnly);
    void kvm_tdp_mmu_age_spte(TdpIter& iter);
    // slots.cpp
    enum class SlotChange : u8 { Create, Delete, Move, FlagsOnly }; // enum kvm_mr_change
    void attachSlots();
    void putSlot(int index, const SlotConfig& config);
    template <bool kObserved>
    Memslot readSlot(int index) const;
    template <bool kObserved>
    int findSlot(Gfn gfn) const;
    std::optional<Gfn> gfnOfPage(u64 Memslot::*first, u64 page) const;
    Place slotFlags(int index) const;
    u64 gmemFilePages(unsigned file) const;
    void setSlotFlag(int index, u64 flag, bool on);
    template <class F>
    void kvm_swap_active_memslots(F&& publish);
    void kvm_arch_memslots_updated(u64 generation);
    void kvm_invalidate_memslot(int index);
    void kvm_arch_flush_shadow_memslot(int index);
    void kvm_mmu_zap_memslot(int index);
    bool overlaps(const SlotConfig& config, int except) const;
    int check_memory_region_flags(const SlotConfig& config) const;
    int setMemoryRegion(const SlotConfig& config);
    int kvm_arch_prepare_memory_region(SlotChange change, const SlotConfig& config) const;
    void freshDirtyBitmap(const Memslot& slot, bool allDirty);
    int kvm_set_memslot(SlotChange change, int index, const SlotConfig& config);
    void kvm_commit_memory_region(SlotChange change, int index, const Memslot& old);
    // invalidation.cpp, notifier.cpp, gmem.cpp
    void flushAndUnlock(bool flush, bool locked);
    template <class F>
    void forEachGmemPart(const GmemRange& range, F&& f) const;
    template <class Parts, class F>
    bool invalidateParts(Parts&& parts, F&& unmap);
    bool invalidateGmem(const GmemRange& range, unsigned filter);
    void endInvalidation(bool begun);
    template <class F>
    void invalidateAround(const GfnRange& range, F&& between);
    bool kvm_mmu_notifier_invalidate_range_start(const GfnRange& range);
    void kvm_mmu_notifier_invalidate_range_end(const GfnRange& range);
    GfnRange wholeHostPages(const GfnRange& range) const;
    bool isOneHostPage(const Memslot& slot, Gfn start, Level level) const;
    Place vmaChanged() const { return vma_ + (hostPages_ / kPagesPerVmaWord + 1); } // has there been an mprotect()?
    u64 vmaBits(const Memslot& slot, Gfn gfn) const;
    void setVma(const GfnRange& range, u64 mask, u64 bits);
    int hostFault(const Memslot& slot, Gfn gfn, bool write, u64& word);
    std::optional<int> injectedHostFault(Gfn gfn);
    u64 folioWord(const Memslot& slot, Gfn gfn);
    std::optional<Pfn> allocGmemBlock(const Memslot& slot, Gfn gfn);
    int kvm_gmem_allocate(unsigned file, u64 first, u64 end);
    // Where the last write to that page of a slot is noted, see lastWrite().
    Place writeRecord(const Memslot& slot, Gfn gfn, Alias alias) const;
    void noteWrite(Place record, u64 number, u64 value);
    void dropPages(Place first, u64 pages, Site site, u64 together = 1);
    void forgetInhibit(const GfnRange& range);
    void unpinPage(u64 page);
    // vcpu.cpp, guest.cpp, hypercall.cpp
    Outcome runGuestInside(unsigned vcpu, const GuestOp& op);
    EnterResult vcpu_enter_guest(unsigned vcpu);
    // KVM_RUN up to the guest's first instruction, however often it must try.
    std::optional<Outcome> enterGuest(unsigned vcpu);
    void leaveKvmRun(unsigned vcpu);
    void exitForCall(unsigned vcpu);
    enum class Accessed : u8 { Done, Again, Stopped, LogFull };
    Accessed access(unsigned vcpu, const GuestOp& op, u64 gpa, u64 value, Outcome& outcome, EptWalk& walk);
    Accessed fillTlb(unsigned vcpu, const GuestOp& op, Gfn gfn, EptWalk& walk);
    Accessed endWalk(unsigned vcpu, const GuestOp& op, Gfn gfn, EptWalk& walk);
    bool findsAgain(EptWalk& walk, u64 bits);
    u64 kvm_vcpu_exiting_guest_mode(unsigned vcpu);
    void sendIpi(unsigned vcpu);
    void leaveGuestMode(unsigned vcpu);

    MachineConfig config_;
    VmTraits traits_;
    Sim& sim_;
    Frames& frames_;
    Machine* machine_ = nullptr;
    std::unique_ptr<Protocol> protocol_;
    AttributeMap attributes_;
    std::vector<Tlb> tlbs_;
    std::vector<DirtyRing> rings_; // of each vCPU; none where the log is a bitmap
    ExternalOps* external_ = nullptr;
    VcpuOps* vcpuOps_ = nullptr;
    GmemOps* gmemOps_ = nullptr;
    Watch* watch_ = nullptr;
    Census* census_ = nullptr;
    std::unique_ptr<ExternalOps> counted_; // external_, told to census_ as well

    Injection hostFaults_; // the errno, and above it the gfn + 1
    Place vm_, vcpu_, actor_, asserts_, sp_, slots_, gmem_, gmemAttribute_, gmemPinned_, gmemFiles_, host_, vma_, pageStats_, intended_,
        dirty_, logNotes_, pml_, lastWrite_;
    std::vector<u64> gmemBase_;   // of each named file, in the array of pages
    std::vector<u64> memoryBase_; // of each named mapping
    u64 maxSlots_ = 0;
    u64 slotPages_ = 0; // of all slots that there ever are
    u64 hostPages_ = 0; // and the named mappings
    u64 gmemPages_ = 0;
};

} // namespace mirrorscope

#include "kvm/for_each.h"
