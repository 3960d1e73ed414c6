// SPDX-License-Identifier: GPL-3.0-or-later
// KVM's side of a VM: the TDP MMU and what calls it. Function names are those of Linux v6.16; each stands in the file
// of its family (roots, fault, map, zap, memory, vcpu).
//
// `kvm/` knows no TDX. What a backend must do is in ExternalOps (tables that only somebody else may touch) and VcpuOps
// (how a vCPU enters, leaves and translates).
#pragma once

#include "kvm/spte.h"
#include "machine/tlb.h"
#include "sim/sim.h"

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <vector>

namespace mirrorscope {

// Negative errnos as the kernel returns them.
enum Errno : int {
    kEINTR = 4,
    kEIO = 5,
    kENOENT = 2,
    kE2BIG = 7,
    kEAGAIN = 11,
    kENOMEM = 12,
    kEFAULT = 14,
    kEBUSY = 16,
    kEEXIST = 17,
    kEINVAL = 22,
    kEOPNOTSUPP = 95
};
std::string_view errnoName(int error);

// enum in arch/x86/kvm/mmu/mmu_internal.h
enum RetPf : int { RET_PF_CONTINUE, RET_PF_RETRY, RET_PF_EMULATE, RET_PF_WRITE_PROTECTED, RET_PF_INVALID, RET_PF_FIXED, RET_PF_SPURIOUS };
std::string_view retPfName(int value);

enum class KvmExit : u8 { None, MemoryFault, Mmio, Hypercall, Hlt, InternalError };
std::string_view name(KvmExit exit);

enum RootTypes : unsigned { KVM_INVALID_ROOTS = 1, KVM_DIRECT_ROOTS = 2, KVM_MIRROR_ROOTS = 4, KVM_VALID_ROOTS = 6, KVM_ALL_ROOTS = 7 };
enum RangeFilter : unsigned { KVM_FILTER_SHARED = 1, KVM_FILTER_PRIVATE = 2 };

// union kvm_mmu_page_role, the bits that matter for TDP.
namespace role {
inline constexpr u64 kDirect = 1 << 7, kInvalid = 1 << 11, kAdDisabled = 1 << 16, kMirror = 1 << 19;
inline constexpr u64 kBase = kDirect | 7 << 8 | 1 << 12 | 1 << 13; // direct, ACC_ALL, efer_nx, cr0_wp
constexpr Level level(u64 word) { return levelOf(word & 15); }
constexpr bool isMirror(u64 word) { return (word & kMirror) != 0; }
constexpr bool isInvalid(u64 word) { return (word & kInvalid) != 0; }
} // namespace role

// The operations on a table that KVM itself may not touch (kvm_x86_ops, v6.16 signatures). 0 or a negative errno.
class ExternalOps {
public:
    virtual ~ExternalOps() = default;
    virtual int link_external_spt(Gfn gfn, Level level, Pfn spt) = 0;
    virtual int set_external_spte(Gfn gfn, Level level, Pfn pfn) = 0;
    virtual int free_external_spt(Gfn gfn, Level level, Pfn spt) = 0;
    virtual int remove_external_spte(Gfn gfn, Level level, Pfn pfn) = 0;
};

// What the guest does in one script step on a vCPU.
struct GuestOp {
    enum class Kind : u8 { Read, Write, Exec, Accept };
    Kind kind = Kind::Read;
    u64 gpa = 0;
    Alias alias = Alias::Private;
    Level level = Level::k4K; // of accept
    u64 count = 1;
    u64 stride = 4096;
    bool random = false;
    u64 seed = 0;
    u64 value = 0;

    u64 address(u64 i) const;
    // As the CPU sees it; an accept reads.
    Access access() const { return kind == Kind::Write ? Access::Write : kind == Kind::Exec ? Access::Exec : Access::Read; }
};

// How a step ended: `expect: {result: …}` asks for it.
struct Outcome {
    enum class Kind : u8 { Ok, Errno, Exit, RetPf, Ve, Status, Vc, Rmp };
    Kind kind = Kind::Ok;
    u64 code = 0;  // errno, KvmExit, RET_PF_, the module's 64-bit completion status, or what an RMP instruction answered
    u64 value = 0; // the word that a read found
};

struct EnterResult {
    enum class Kind : u8 { Entered, Again, Failed };
    Kind kind = Kind::Entered;
    int error = 0;
};

struct HandledExit {
    int result = 1; // 1 resume the guest, 0 to user space, negative errno
    KvmExit reason = KvmExit::None;
    bool guestVe = false; // the guest got a #VE, or a #VC, instead
};

struct KvmPageFault;

// How vCPUs of this kind of VM enter, leave and translate.
class VcpuOps {
public:
    virtual ~VcpuOps() = default;
    // Called IN_GUEST_MODE; Again means that the vCPU never got in.
    virtual EnterResult vcpu_run(unsigned vcpu) = 0;
    // The guest is left; part of the micro-step vcpu.exit.
    virtual void left(unsigned vcpu) = 0;
    // The root and depth that the CPU walks for this alias.
    virtual Pfn hardwareRoot(unsigned vcpu, Alias alias) const = 0;
    // A violation was met while executing `op` at `gpa`; the vCPU is still inside.
    virtual HandledExit handle_violation(unsigned vcpu, const GuestOp& op, u64 gpa, const EptWalk& walk) = 0;
    // The TDCALL or PVALIDATE of an accept; the vCPU is inside. `exits` when it must leave with a violation, whose walk is then `walk`.
    virtual Outcome accept(unsigned vcpu, const GuestOp& op, u64 gpa, bool& exits, EptWalk& walk) = 0;
    // What the CPU checks of a translation beside the tables; changes the walk's outcome when it forbids the access.
    virtual void checkOwner(Gfn, Alias, Access, EptWalk&) const {}
    // What a guest finds where memory holds `word`.
    virtual u64 decrypted(Alias, Pfn, u64 word) const { return word; }
    // kvm_x86_flush_tlb_current(): what KVM itself can flush.
    virtual void flushCurrent(unsigned vcpu) = 0;
    // Could the vCPU use this cached translation now, or would entering flush it first?
    virtual bool flushPending(unsigned vcpu) const = 0;
};

// Somebody who wants to know what was read, which leaves no change behind: the rules.
class ReadWatch {
public:
    virtual ~ReadWatch() = default;
    // A word of guest memory, found by a guest; `record` is where its last write is noted (see Kvm::lastWrite()), if anywhere.
    virtual void guestRead(unsigned vcpu, Gfn gfn, Alias alias, u64 word, u64 value, std::optional<Place> record) = 0;
    // An entry of a page table, by KVM or by the CPU.
    virtual void tableRead(Place entry) = 0;
};

// What is done to a page of guest_memfd before it is used for the first time and before it is freed (kvm_arch_gmem_prepare(),
// kvm_arch_gmem_invalidate()).
class GmemOps {
public:
    virtual ~GmemOps() = default;
    virtual int gmem_prepare(Pfn pfn, Gfn gfn) = 0; // 0 or a negative errno
    virtual void gmem_invalidate(Pfn pfn) = 0;
};

struct Memslot {
    bool used = false;
    u32 id = 0;
    Gfn base;
    u64 pages = 0;
    u64 offset = 0; // of its pages in the per-slot arrays
    bool guestMemfd = false;
    bool readonly = false;
    bool dirtyLog = false;
    bool invalid = false; // KVM_MEMSLOT_INVALID: it is about to go
    Level backing = Level::k4K;
    bool contains(Gfn gfn) const { return used && gfn >= base && gfn.v < base.v + pages; }
};

struct KvmPageFault {
    unsigned vcpu = 0;
    u64 addr = 0; // keeps the shared bit
    Gfn gfn;
    bool exec = false;
    bool write = false;
    bool present = false;
    bool prefetch = false;
    bool isPrivate = false;
    Level maxLevel = Level::k1G;
    Level reqLevel = Level::k4K;
    Level goalLevel = Level::k4K;
    bool hugePageDisallowed = false;
    int slot = -1;
    Memslot memslot; // as it was when the fault looked it up; the kernel's stays as it was until the SRCU readers have left
    u64 mmuSeq = 0;
    Pfn pfn;
    bool mapWritable = false;
    KvmExit exit = KvmExit::None;
};

// Walks one table tree (tdp_iter.h). A plain value: it lives on the actor's stack.
struct TdpIter {
    Gfn nextLastLevelGfn;
    std::array<Pfn, 6> ptPath{};
    Place sptep;
    Gfn gfn;
    u64 gfnBits = 0;
    Level rootLevel = Level::k4K;
    Level minLevel = Level::k4K;
    Level level = Level::k4K;
    u64 oldSpte = 0;
    bool valid = false;
    bool yielded = false;   // mmu_lock was dropped: the walk begins anew at the goal
    Gfn yieldedGfn;         // the goal when it last began
    bool isPrivate = false; // told by whoever walks; only dispatch by iterator asks
};

// A page of KVM's tables as the views and rules see it (struct kvm_mmu_page).
struct MmuPage {
    u64 role = 0;
    Gfn gfn;
    std::optional<Place> ptep; // the parent SPTE; none for a root
    Pfn externalSpt;           // 0: none
    u64 rootCount = 0;
    bool isMirror() const { return role::isMirror(role); }
    Level level() const { return role::level(role); }
};

class Kvm {
public:
    static constexpr unsigned kMaxRoots = 16;
    static constexpr unsigned kMaxSlots = 64;
    static constexpr unsigned kCachePages = 5; // PT64_ROOT_MAX_LEVEL: what a fault can need

    Kvm(const MachineConfig& config, Sim& sim, Frames& frames, Regions& regions);
    void layOutIndexes(Regions& indexes);
    void attach(Machine& machine);
    void setOps(ExternalOps* external, VcpuOps* vcpu, GmemOps* gmem = nullptr) {
        external_ = external;
        gmemOps_ = gmem;
        vcpuOps_ = vcpu;
    }

    const MachineConfig& config() const { return config_; }
    Sim& sim() { return sim_; }
    Machine& machine() { return *machine_; }
    const Machine& machine() const { return *machine_; }
    Frames& frames() { return frames_; }
    Tlb& tlb(unsigned vcpu) { return tlbs_[vcpu]; }
    const Tlb& tlb(unsigned vcpu) const { return tlbs_[vcpu]; }
    const SpteMasks& masks() const { return masks_; }
    void watchReads(ReadWatch* watch) { watch_ = watch; }
    VcpuOps& vcpuOps() { return *vcpuOps_; }
    const VcpuOps& vcpuOps() const { return *vcpuOps_; }

    // ---- roots (roots.cpp)
    bool kvm_has_mirrored_tdp() const { return config_.vm == VmType::Tdx; }
    int kvm_mmu_load(unsigned vcpu);
    // The same outside of KVM_RUN: an obsolete root is given back first.
    int kvm_mmu_reload(unsigned vcpu);
    // is_obsolete_sp() of the vCPU's direct root.
    bool rootIsObsolete(unsigned vcpu) const;
    int mmu_topup_memory_caches(unsigned vcpu);
    Pfn kvm_tdp_mmu_alloc_root(unsigned vcpu, bool mirror);
    // The vCPUs are gone: their roots and their page caches are given back.
    void kvm_mmu_destroy();
    Pfn tdp_mmu_get_root_for_fault(const KvmPageFault& fault);
    unsigned kvm_gfn_range_filter_to_root_types(unsigned filter) const;
    u64 kvm_gfn_root_bits(Pfn root) const;

    // ---- iterator (iter.cpp)
    void tdp_iter_start(TdpIter& iter, Pfn root, Level minLevel, Gfn gfn) {
        tdp_iter_start(iter, root, minLevel, gfn, kvm_gfn_root_bits(root));
    }
    // `gfnBits`: 0 walks the raw table, both halves of it.
    void tdp_iter_start(TdpIter& iter, Pfn root, Level minLevel, Gfn gfn, u64 gfnBits);
    void tdp_iter_next(TdpIter& iter);

    // ---- fault (fault.cpp)
    int kvm_mmu_page_fault(unsigned vcpu, u64 addr, Access access, bool isPrivate, bool present, KvmExit& exit);
    // handle_mmio_page_fault(): is it an MMIO entry, made for the memslots as they are now?
    bool isCurrentMmio(u64 spte) const;
    int kvm_mmu_do_page_fault(unsigned vcpu, u64 addr, Access access, bool isPrivate, bool present, bool prefetch, KvmExit& exit,
                              Level* level = nullptr);
    int kvm_tdp_map_page(unsigned vcpu, u64 addr, bool isPrivate, Level* level = nullptr);
    // KVM_PRE_FAULT_MEMORY, gpa and size in bytes; ok with the bytes mapped if at least one page was.
    Outcome kvm_vcpu_pre_fault_memory(unsigned vcpu, u64 gpa, u64 size, bool sharedBit);

    // ---- set_spte.cpp
    // `fault`: the fault on whose behalf, none for workers. `iterPrivate`: what the walk was told (see dispatch/).
    int tdp_mmu_set_spte_atomic(TdpIter& iter, u64 newSpte, const KvmPageFault* fault = nullptr);
    u64 tdp_mmu_set_spte(Place sptep, u64 oldSpte, u64 newSpte, Gfn gfn, Level level, bool iterPrivate);

    // ---- roots that become invalid (invalidate.cpp)
    void kvm_tdp_mmu_invalidate_roots(unsigned types);
    void kvm_tdp_mmu_zap_invalidated_roots(bool shared);
    void kvm_mmu_zap_all_fast();

    // ---- huge pages (huge.cpp)
    Level kvm_mmu_max_mapping_level(const Memslot& slot, Gfn gfn, Level max, bool isPrivate) const;
    int kvm_tdp_mmu_try_split_huge_pages(const GfnRange& range, Level target, bool shared);
    int kvm_mmu_slot_try_split_huge_pages(const GfnRange& range, Level target);
    bool kvm_tdp_mmu_recover_huge_pages(int slotIndex);
    void kvm_mmu_recover_huge_pages(int slotIndex);
    u64 kvm_recover_nx_huge_pages(const GfnRange& range);
    bool kvm_tdp_mmu_zap_sp(Pfn sp);
    // A large host page or a single one: the host's page around a gfn, and its size.
    std::pair<GfnRange, Level> hostBlock(const Memslot& slot, Gfn gfn) const;

    // ---- dirty logging (dirty_log.cpp)
    bool cpuDirtyLog() const;
    bool kvm_tdp_mmu_wrprot_slot(const GfnRange& range, Level minLevel);
    void kvm_tdp_mmu_clear_dirty_slot(const GfnRange& range);
    void kvm_tdp_mmu_clear_dirty_pt_masked(Gfn gfn, u64 mask, bool wrprot);
    bool kvm_tdp_mmu_write_protect_gfn(Gfn gfn, Level minLevel);
    void mark_page_dirty_in_slot(int slotIndex, Gfn gfn);
    Outcome kvm_get_dirty_log_protect(u32 id);
    Outcome kvm_clear_dirty_log_protect(u32 id, u64 firstPage, u64 pages);

    // ---- aging (age.cpp); the answer is whether a page was young
    bool kvm_tdp_mmu_age_gfn_range(const GfnRange& range, unsigned filter);
    bool kvm_tdp_mmu_test_age_gfn(const GfnRange& range, unsigned filter);

    // ---- memslots (slots.cpp); 0 or a negative errno
    int kvm_set_memory_region(const SlotConfig& config);
    int deleteMemoryRegion(u32 id);
    int setDirtyLogging(u32 id, bool on);
    int slotById(u32 id) const;
    unsigned slotCount() const;

    // ---- zap (zap.cpp)
    bool kvm_tdp_mmu_zap_leafs(const GfnRange& range, bool flush);
    void kvm_tdp_mmu_zap_all();
    void kvm_zap_gfn_range(const GfnRange& range);
    bool kvm_tdp_mmu_unmap_gfn_range(const GfnRange& range, unsigned filter);
    void kvm_mmu_uninit_tdp_mmu();

    // ---- memory: slots, attributes, guest_memfd, host mapping, invalidation (memory.cpp)
    int slotOf(Gfn gfn) const;
    Memslot slot(int index) const;
    Memslot peekSlot(int index) const; // no actor's observation
    bool kvm_mem_is_private(Gfn gfn) const;
    bool peekPrivate(Gfn gfn) const;
    // Of the 64 pages from a multiple of 64: a bit for each that is private.
    u64 peekPrivateBits(Gfn first) const;
    int kvm_vm_set_mem_attributes(const GfnRange& range, bool makePrivate);
    int kvm_gmem_punch_hole(const GfnRange& range);
    int kvm_gmem_get_pfn(const Memslot& slot, Gfn gfn, Pfn& pfn);
    // The MMU notifiers: MADV_DONTNEED, a page moved, write-protected (notifier.cpp).
    void discard(const GfnRange& range);
    int migrate(const GfnRange& range);
    void protect(const GfnRange& range);
    // kvm_mmu_notifier_clear_young()
    bool age(const GfnRange& range);
    void kvm_mmu_invalidate_begin();
    void kvm_mmu_invalidate_range_add(const GfnRange& range);
    void kvm_mmu_invalidate_end();
    bool mmu_invalidate_retry_gfn(u64 seq, Gfn gfn, bool locked);
    Place gmemPlace(const Memslot& slot, Gfn gfn) const { return gmem_ + (slot.offset + gfn.v - slot.base.v); }
    // The frame that guest_memfd has there; 0 for none.
    Pfn gmemPage(const Memslot& slot, Gfn gfn) const { return {machine_->get(gmemPlace(slot, gfn)) & kHostPfn}; }
    Pfn peekGmemPage(const Memslot& slot, Gfn gfn) const { return {machine_->peek(gmemPlace(slot, gfn)) & kHostPfn}; }
    Place hostPlace(const Memslot& slot, Gfn gfn) const { return host_ + (slot.offset + gfn.v - slot.base.v); }
    // Two words for each page of a slot and each kind of memory: the number of the word + 1 that a guest wrote last, and its value. Kept
    // for the rules; it ends with the page, its conversion or its acceptance, and nothing in KVM reads it.
    std::optional<Place> lastWrite(Gfn gfn, Alias alias) const;
    void forgetWrites(const GfnRange& range, Alias alias);
    void freeGuestMemory(); // the gmem files are closed and the host mapping is gone

    // ---- vCPUs (vcpu.cpp)
    Outcome runGuest(unsigned vcpu, const GuestOp& op);
    // The guest leaves to user space by a hypercall or a halt (hypercall.cpp).
    Outcome leaveGuest(unsigned vcpu, KvmExit reason);
    // TDG.VP.VMCALL<MapGPA>, answered by user space.
    Outcome mapGpa(unsigned vcpu, u64 gpa, u64 size, bool makePrivate);
    // The end of the inner part of vcpu_enter_guest(): the vCPU is OUTSIDE_GUEST_MODE and IPIs are served.
    void vcpu_exit_guest(unsigned vcpu);
    void kvm_flush_remote_tlbs();
    // KVM_REQ_OUTSIDE_GUEST_MODE with WAIT: every vCPU that is inside has left when this returns.
    void kick_all_outside_guest_mode();
    bool inGuest(unsigned vcpu) const { return machine_->peek(vcpuWord(vcpu, VcpuWord::Mode)) == 1; }
    // A cached translation counts only while a guest access could use it without a flush that is already pending.
    bool tlbUsable(unsigned vcpu, Alias alias) const;

    // ---- life cycle
    bool vmDead() const { return machine_->get(vm(VmWord::Dead)) != 0; }
    void kvm_vm_dead();
    // KVM_BUG_ON: the VM is dead. `leaf` and `status` say which SEAMCALL answered what, if one did. With kBugOfHost it is the BUG()
    // of handle_changed_spte(), at which the host stops, and `status` is the GFN whose present leaf got another page.
    static constexpr unsigned kBugOfHost = 0xfe;
    void kvm_bug(unsigned leaf, u64 status);

    enum class VmWord : u8 {
        InvalidateInProgress,
        InvalidateStart,
        InvalidateEnd,
        InvalidateSeq,
        Dead,
        Bugged,
        BugLeaf,
        BugStatus,
        SlotsGeneration,
        RootCount,
        TdState,
        Hkid,
        NrPremapped,
        WaitForSeptZap,
        PreFaultAllowed,
        PremapGfn,
        PageAddSource, // `kernel: fixed`: what tdx_mem_page_add() measures and copies
        Tdr,
        Destroyed,
        SlotCount,
        PagesUsed,
        Count_
    };
    enum class VcpuWord : u8 {
        Mode,
        Requests,
        Ipi,
        RootHpa,
        MirrorRootHpa,
        ShadowCache,
        ExternalCache = ShadowCache + 6,
        Tdvpr = ExternalCache + 6,
        PmlCount,
        Running,   // the guest runs: between the mode and this an entry may still flush. Kept for the rules.
        FlushOwed, // it has another root and will flush before it enters. Kept for the rules.
        TlbEpoch,  // of a TD, when this vCPU's TLB was last flushed by the module. Kept for the rules.
        Count_
    };
    enum class ActorWord : u8 { Freezing, Clearing, ClearingLevel, Count_ };
    static constexpr u64 kSlotsUpdateInProgress = 1ull << 63; // KVM_MEMSLOT_GEN_UPDATE_IN_PROGRESS, of SlotsGeneration
    static constexpr u64 kReqTlbFlush = 1, kReqFreeObsoleteRoots = 2;
    static constexpr u64 kPmlEntries = 512;

    Place vm(VmWord word) const { return vm_ + static_cast<unsigned>(word); }
    Place vcpuWord(unsigned vcpu, VcpuWord word) const {
        return vcpu_ + vcpu * static_cast<unsigned>(VcpuWord::Count_) + static_cast<unsigned>(word);
    }
    // What an actor is in the middle of; kept for the rules, nothing in KVM reads it.
    Place actorWord(unsigned actor, ActorWord word) const {
        return actor_ + actor * static_cast<unsigned>(ActorWord::Count_) + static_cast<unsigned>(word);
    }

    // ---- for those who look
    MmuPage peekPage(Pfn spt) const;
    std::vector<Pfn> roots() const;
    bool ownsRootList(Place place) const { return place >= roots_ && place.v < roots_.v + kMaxRoots; }
    u64 peekVm(VmWord word) const { return machine_->peek(vm(word)); }
    u64 leafCount() const { return machine_->peek(pageStats_); }
    u64 tableCount() const { return machine_->peek(pageStats_ + 1); }
    bool ownsPageRecord(Place place) const { return place >= sp_ && place.v < sp_.v + frames_.count() * kSpWords; }
    bool ownsAttribute(Place place) const { return place >= attributes_ && place.v < attributes_.v + attributeWords_; }
    GfnRange attributeRange(Place place) const { return {{u64(place.v - attributes_.v) * 64}, {u64(place.v - attributes_.v) * 64 + 64}}; }
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

    // ---- pieces that the backend needs
    Pfn takeFromCache(unsigned vcpu, VcpuWord cache, FrameKind kind, u64 info);
    void put_page(Pfn pfn);
    // The same as a part of the caller's micro-step; one more if the page goes and the RMP must know.
    void dropReference(Pfn pfn);
    std::optional<Pfn> alloc_page(FrameKind kind, u64 info);
    void free_page(Pfn pfn);

private:
    friend class TdxBackend;
    static constexpr u64 kHostPfn = (1ull << 40) - 1, kHostProtected = 1ull << 62; // a word of the host's mapping
    static constexpr u64 kUptodate = 1ull << 61;                                   // a word of guest_memfd: the page was prepared
    static constexpr u64 kNxHugePageDisallowed = 1, kScheduledRootToZap = 2;       // kFlags
    static constexpr unsigned kSlotWords = 5;
    static constexpr unsigned kSpWords = 6;
    enum SpWord { kRole, kGfn, kPtep, kExternal, kRootCount, kFlags };
    Place sp(Pfn spt, SpWord word) const { return sp_ + spt.v * kSpWords + word; }
    u64 spGet(Pfn spt, SpWord word) const { return machine_->get(sp(spt, word)); }
    void spSet(Pfn spt, SpWord word, u64 value) { machine_->set(sp(spt, word), value); }
    bool isMirrorRoot(Pfn root) const { return role::isMirror(spGet(root, kRole)); }
    bool is_mirror_sptep(Place sptep) const { return role::isMirror(spGet(frameOf(sptep), kRole)); }

    u64 read_spte(Place sptep);
    void iterRefresh(TdpIter& iter);
    void tdp_iter_restart(TdpIter& iter);
    // Drops mmu_lock if it must; the caller goes on with the next entry, what it owed a flush for is flushed.
    bool tdp_mmu_iter_cond_resched(TdpIter& iter, bool flush, bool shared);
    bool tdp_mmu_iter_need_resched(const TdpIter& iter) const;
    bool tdp_iter_step_down(TdpIter& iter);
    bool tdp_iter_step_side(TdpIter& iter);
    bool tdp_iter_step_up(TdpIter& iter);

    // Each root that matches, while it is held; `f` may drop mmu_lock.
    template <class F>
    void forEachRoot(unsigned types, F&& f);
    // The same without a reference, and those that nobody holds any more, too (for_each_tdp_mmu_root_rcu() and its like).
    template <class F>
    void forEachListedRoot(unsigned types, F&& f);

    bool page_fault_can_be_fast(const KvmPageFault& fault);
    bool is_access_allowed(const KvmPageFault& fault, u64 spte) const;
    int fast_page_fault(KvmPageFault& fault);
    void kvm_mmu_hugepage_adjust(KvmPageFault& fault);
    bool hugepageMixed(Gfn gfn, Level level) const;
    void setHugepageMixed(Gfn gfn, Level level, bool mixed);
    u64 mixedWords(Level level) const;
    void updateMixed(const GfnRange& range);
    bool lpageDisallowed(const Memslot& slot, Gfn gfn, Level level) const;
    Level hostMappingLevel(const Memslot& slot, Gfn gfn) const;
    int tdp_mmu_split_huge_page(TdpIter& iter, Pfn child, bool shared, const KvmPageFault* fault = nullptr);
    int tdp_mmu_split_huge_pages_root(Pfn root, const GfnRange& range, Level target, bool shared);
    std::optional<u64> tdp_mmu_make_huge_spte(const TdpIter& parent);
    bool ageRange(const GfnRange& range, unsigned filter, bool testOnly);
    Place dirtyWord(const Memslot& slot, Gfn gfn) const;
    void logByCpu(unsigned vcpu, Gfn gfn);
    void flushPml(unsigned vcpu);
    void enableLogDirtyPtMasked(Gfn gfn, u64 mask);
    u64 takeDirtyPages(const Memslot& memslot, u64 first, u64 end);
    void kvm_mmu_free_obsolete_roots(unsigned vcpu);
    void attachSlots();
    void putSlot(int index, const SlotConfig& config);
    template <bool kObserved>
    Memslot readSlot(int index) const;
    void setSlotFlag(int index, u64 flag, bool on);
    void swapActiveMemslots();
    void kvm_invalidate_memslot(int index);
    void kvm_mmu_zap_memslot(int index);
    bool overlaps(const SlotConfig& config, int except) const;
    int setDirtyLogging(int index, bool on);
    template <class F>
    void invalidateAround(const GfnRange& range, F&& between);
    template <class Wanted, class F>
    bool invalidateParts(const GfnRange& range, Wanted&& wanted, F&& unmap);
    void dropPages(Place first, u64 pages, Site site, u64 together = 1);
    template <class F>
    void forEachSlotPart(const GfnRange& range, F&& f) const;
    int kvm_tdp_mmu_page_fault(KvmPageFault& fault);
    int kvm_mmu_faultin_pfn(KvmPageFault& fault);
    int kvm_handle_noslot_fault(KvmPageFault& fault);
    bool is_page_fault_stale(const KvmPageFault& fault);
    int hostFaultin(const Memslot& slot, KvmPageFault& fault);
    std::optional<Pfn> allocHostPages(Place first, Level level);
    void prepareMemoryFault(KvmPageFault& fault);

    int kvm_tdp_mmu_map(KvmPageFault& fault);
    int tdp_mmu_map_handle_target_level(KvmPageFault& fault, TdpIter& iter);
    int tdp_mmu_link_sp(TdpIter& iter, Pfn sp, bool shared, const KvmPageFault* fault = nullptr);
    Pfn tdp_mmu_alloc_sp(unsigned vcpu);
    void tdp_mmu_init_child_sp(Pfn child, const TdpIter& iter);
    void tdp_mmu_free_sp(Pfn spt);
    void releaseTable(Pfn spt);

    int set_external_spte_present(Place sptep, Gfn gfn, u64 oldSpte, u64 newSpte, Level level);
    // Whence a change comes, as far as a dispatch policy may look at it.
    struct Origin {
        const KvmPageFault* fault = nullptr;
        bool iterPrivate = false;
    };
    bool carriesOver(Pfn table, Gfn gfn, const Origin& origin) const;
    void handle_changed_spte(Gfn gfn, u64 oldSpte, u64 newSpte, Level level, bool shared, const Origin& origin);
    void handle_removed_pt(Pfn child, bool shared, const Origin& origin);
    void remove_external_spte(Gfn gfn, u64 oldSpte, Level level);
    void accountPages(u64 oldSpte, u64 newSpte, Level level);

    bool tdp_mmu_root_match(Pfn root, unsigned types) const;
    // False when the last reference is gone already (refcount_inc_not_zero()).
    bool tdp_mmu_get_root(Pfn root);
    void kvm_tdp_mmu_put_root(Pfn root);
    bool tdp_mmu_zap_leafs(Pfn root, const GfnRange& range, bool flush, bool isPrivate);
    void tdp_mmu_zap_root(Pfn root, bool shared);
    bool kvm_unmap_gfn_range(const GfnRange& range, unsigned filter);

    Outcome runGuestInside(unsigned vcpu, const GuestOp& op);
    EnterResult vcpu_enter_guest(unsigned vcpu);
    // Enters, however often it takes; 0 or a positive errno.
    int enterGuest(unsigned vcpu, u64 token);
    void leaveKvmRun(unsigned vcpu);
    void exitForCall(unsigned vcpu);
    bool access(unsigned vcpu, const GuestOp& op, u64 gpa, u64 value, Outcome& outcome, EptWalk& walk);

    MachineConfig config_;
    Sim& sim_;
    Frames& frames_;
    Machine* machine_ = nullptr;
    SpteMasks masks_;
    std::vector<Tlb> tlbs_;
    ExternalOps* external_ = nullptr;
    VcpuOps* vcpuOps_ = nullptr;
    GmemOps* gmemOps_ = nullptr;
    ReadWatch* watch_ = nullptr;

    Place vm_, vcpu_, actor_, roots_, sp_, slots_, attributes_, gmem_, host_, pageStats_, dirty_, pml_, mixed2M_, mixed1G_, lastWrite_;
    u64 attributeWords_ = 0;
    u64 slotPages_ = 0;
};

template <class F>
void Kvm::forEachListedRoot(unsigned types, F&& f) {
    for (unsigned i = 0; i < kMaxRoots; ++i)
        if (const Pfn root{machine_->get(roots_ + i)}; root.v != 0 && tdp_mmu_root_match(root, types))
            f(root);
}

template <class F>
void Kvm::forEachRoot(unsigned types, F&& f) {
    forEachListedRoot(types, [&](Pfn root) {
        // Held, so that it stays while the lock is dropped.
        if (!tdp_mmu_get_root(root))
            return;
        f(root);
        kvm_tdp_mmu_put_root(root);
    });
}

template <class F>
void Kvm::forEachSlotPart(const GfnRange& range, F&& f) const {
    for (unsigned i = 0; i < slotCount(); ++i) {
        const Memslot s = slot(static_cast<int>(i));
        if (!s.used)
            continue;
        const GfnRange part{std::max(range.start, s.base), std::min(range.end, Gfn{s.base.v + s.pages})};
        if (!part.empty())
            f(s, part);
    }
}

// kvm_handle_gfn_range() with kvm_mmu_invalidate_begin() when it locks: mmu_lock is taken at the first part of the range that lies
// in a wanted slot, and the TLBs are flushed once. Returns whether there was such a part, so that an end is owed.
template <class Wanted, class F>
bool Kvm::invalidateParts(const GfnRange& range, Wanted&& wanted, F&& unmap) {
    bool locked = false;
    bool flush = false;
    forEachSlotPart(range, [&](const Memslot& s, const GfnRange& part) {
        if (!wanted(s))
            return;
        if (!locked) {
            locked = true;
            sim_.writeLock(LockId::MmuLock);
            kvm_mmu_invalidate_begin();
        }
        kvm_mmu_invalidate_range_add(part);
        flush |= unmap(s, part);
    });
    if (flush)
        kvm_flush_remote_tlbs();
    if (locked)
        sim_.writeUnlock(LockId::MmuLock);
    return locked;
}

} // namespace mirrorscope
