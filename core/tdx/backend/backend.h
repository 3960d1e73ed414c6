// SPDX-License-Identifier: GPL-3.0-or-later
// KVM's TDX backend: what it does to drive the module (Linux v6.16 arch/x86/kvm/vmx/tdx.c), with its retry on BUSY and its kick. It
// implements the external operations that `kvm/` calls for entries of a mirror.
#pragma once

#include "kvm/kvm.h"
#include "kvm/replaceable.h"
#include "tdx/module/module.h"

#include <array>
#include <optional>
#include <string>

namespace mirrorscope {

struct TdxProtocol;

class TdxBackend final : public ExternalOps, public VcpuOps {
public:
    TdxBackend(Kvm& kvm, TdxModule& module, Regions& regions);
    ~TdxBackend() override;
    static VmTraits traits();

    // KVM_TDX_INIT_VM and KVM_TDX_INIT_VCPU for every vCPU: the machine that a scenario starts from.
    void build();

    // ExternalOps
    int link_external_spt(Gfn gfn, Level level, Pfn spt) override;
    int set_external_spte(Gfn gfn, Level level, Pfn pfn) override;
    int free_external_spt(Gfn gfn, Level level, Pfn spt) override { return tdx_sept_free_private_spt(gfn, level, spt); }
    int remove_external_spte(Gfn gfn, Level level, Pfn pfn) override;
    int topup_external_cache(unsigned vcpu) override;
    bool need_topup_external_per_vm_split_cache() override;
    int topup_external_per_vm_split_cache() override;
    int split_external_spte(Gfn gfn, Level level, Pfn pfn, Pfn spt) override;

    // ---- the private table (sept_ops.cpp). 0 or a negative errno
    int tdx_sept_link_private_spt(Gfn gfn, Level level, Pfn spt);
    int tdx_sept_set_private_spte(Gfn gfn, Level level, Pfn pfn);
    int tdx_sept_free_private_spt(Gfn gfn, Level level, Pfn spt);
    int tdx_sept_remove_private_spte(Gfn gfn, Level level, Pfn pfn);
    // 1: blocked; 0: nothing was in the secure EPT (an image page that was mapped but never added).
    int tdx_sept_zap_private_spte(Gfn gfn, Level level, Pfn pfn);
    int tdx_sept_drop_private_spte(Gfn gfn, Level level, Pfn pfn);
    void tdx_clear_and_unpin(Pfn pfn, Level level);
    // A page of the TD's image, before the TD runs: v6.16 counts it, and TDH.MEM.PAGE.ADD follows when the mirror's entry was published.
    int add_or_record(Gfn gfn, Level level, Pfn pfn);
    // What the hooks do, under whatever name.
    int link(Gfn gfn, Level level, Pfn spt);
    int map(Gfn gfn, Level level, Pfn pfn);
    int block_track_remove(Gfn gfn, Level level, Pfn pfn);
    int remove_and_clear(Gfn gfn, Level level, Pfn pfn);
    void unpin(Pfn pfn);
    void tdx_track();
    void kick_after_track();
    void tdx_no_vcpus_enter_start();
    void tdx_no_vcpus_enter_stop();

    // VcpuOps (vcpu.cpp)
    int vcpu_pre_run(unsigned vcpu) override;
    EnterResult vcpu_run(unsigned vcpu) override;
    void left(unsigned vcpu) override;
    Pfn hardwareRoot(unsigned vcpu, Alias alias) const override;
    bool mayFetch(Alias alias) const override { return alias == Alias::Private; }
    bool setsAccessed(Alias alias) const override { return alias == Alias::Shared; } // the secure EPT has A/D off
    HandledExit handle_violation(unsigned vcpu, const GuestOp& op, u64 gpa, const EptWalk& walk) override;
    Outcome accept(unsigned vcpu, const GuestOp& op, u64 gpa, bool& exits, EptWalk& walk) override;
    void flushCurrent(unsigned vcpu) override { kvm_.tlb(vcpu).flush(); } // ept_sync_global()
    // The vCPU's TLB holds nothing from before the epoch in which the module let it in.
    void noteModuleFlush(unsigned vcpu);
    bool flushPending(unsigned vcpu) const override;
    // Is that fault, which ended RET_PF_RETRY, repeated without entering the guest?
    bool retries_locally(unsigned, u64) { return true; }

    // ---- ioctls (image.cpp, init_vcpu.cpp). 0 or a negative errno. `content` gives the 64-bit word at a byte offset of the range.
    Outcome tdx_vcpu_init_mem_region(const GfnRange& range, bool measure, PageContent content, const void* context);
    int tdx_td_finalize();
    // KVM_TDX_INIT_VCPU of a vCPU that `init-vcpus` left out.
    int tdx_vcpu_init(unsigned vcpu);
    int populate_one(Gfn gfn, Pfn source);
    // tdx_vcpu_init() with the locks that its caller takes besides vcpu->mutex.
    int init_vcpu_locked(unsigned vcpu);

    // ---- dynamic PAMT (pamt.cpp): 0, -ENOMEM without two pages, -EIO when the module refuses them
    // Where the two pages are from: of a fault the running vCPU's pamt_cache, of a split the VM's prealloc_split_cache.
    enum class PamtFrom : u8 { Allocator, Cache, SplitCache };
    using PamtPair = std::array<Pfn, 2>;
    int tdx_pamt_get(Pfn pfn, PamtFrom from);
    void tdx_pamt_put(Pfn pfn); // must not fail: what goes wrong is a warning and two leaked pages
    // The same if the machine has dynamic PAMT at all, of a page of that size: one of 2M needs none (RFC of 2M private pages, v3, patch
    // 18).
    int pamtGet(Pfn pfn, PamtFrom from, Level level = Level::k4K);
    void pamtPut(Pfn pfn, Level level = Level::k4K);
    std::optional<Pfn> tdx_alloc_control_page();
    void tdx_free_control_page(Pfn page);
    std::optional<PamtPair> allocPair(PamtFrom from);
    void freePair(const PamtPair& pair);
    u64 pamtAdd(Pfn pfn, const PamtPair& pair); // TDH.PHYMEM.PAMT.ADD; its status
    std::optional<PamtPair> pamtRemove(Pfn pfn);
    // How many 4K pages of the 2M around it the module has.
    Place pamtRef(Pfn pfn) const { return pamtRefs_ + (pfn.v >> 9); }
    u64 peekPamtRef(Pfn pfn) const;
    // The module has all 512 pages of the 2M now, each by itself.
    void pamtSplit(Pfn pfn);
    bool inPamtCache(Pfn pfn) const;

    // ---- private pages of 2M (private_2m.cpp)
    int tdx_sept_split_private_spte(Gfn gfn, Level level, Pfn pfn, Pfn spt);
    int demote(Gfn gfn, Level level, Pfn pfn, Pfn spt, bool shared);
    // BLOCK before a split; its status.
    u64 block_for_split(Gfn gfn, Level level);
    // The guest wants to accept a page of that size: nothing larger is mapped around it from now on. 0, or -ENOMEM.
    int tdx_honor_guest_accept_level(Gfn gfn, Level level);
    bool mayBeLeaf(Level level) const { return level == Level::k4K || (level == Level::k2M && kvm_.config().has(Feature::Private2M)); }

    // ---- teardown (teardown.cpp), in the order of kvm_destroy_vm()
    void tdx_mmu_release_hkid();
    void tdx_vcpu_free();
    void tdx_vm_destroy();

    // TD_PARAMS of this machine into a shared page.
    void writeTdParams(Pfn params);

    enum TdState : u64 { kUninitialized, kInitialized, kRunnable }; // enum kvm_tdx_state
    enum class Word : u8 {
        State,
        Hkid, // 0: none is assigned
        NrPremapped,
        WaitForSeptZap,
        Tdr,
        PremapGfn,     // + 1: mapped by KVM_TDX_INIT_MEM_REGION, not yet added. Kept for the rules
        PageAddSource, // later kernels: what tdx_mem_page_add() measures and copies
        Count_
    };
    Place word(Word w) const { return words_ + static_cast<unsigned>(w); }
    u64 peek(Word w) const { return kvm_.machine().peek(word(w)); }
    Pfn tdr() const { return {peek(Word::Tdr)}; }
    Pfn tdvpr(unsigned vcpu) const { return {kvm_.machine().peek(tdvprs_ + vcpu)}; }
    bool runnable() const { return peek(Word::State) == kRunnable; }

    // ---- pieces
    Kvm& kvm() { return kvm_; }
    u64 get(Word w) const { return kvm_.machine().get(word(w)); }
    void set(Word w, u64 value) { kvm_.machine().set(word(w), value); }
    // KVM asks for version 1, which tells the x2APIC id, where the module has it.
    unsigned vpInitVersion() const { return does(kvm_.config(), Later::VpInitVersion1) ? 1 : 0; }
    static u64 gpaLevel(Gfn gfn, Level level) { return gfn.v << 12 | (number(level) - 1); }
    u64 tdrHpa() const { return hpa({get(Word::Tdr)}); }
    u64 seamcall(Leaf leaf, Regs& regs) { return module_.seamcall(leaf, regs); }
    // A KVM_BUG_ON by that status; the errno, negative.
    int bug(Leaf leaf, u64 status, int error);

    // One try; on BUSY all vCPUs are kept out and it is tried exactly once more.
    u64 callWithKick(Leaf leaf, Regs& regs);

private:
    bool is_hkid_assigned() const { return get(Word::Hkid) != 0; }
    int tdx_td_vcpu_init(unsigned vcpu);
    int tdx_mem_page_aug(Gfn gfn, Level level, Pfn pfn);
    int tdx_gmem_post_populate(Gfn gfn, Pfn source, bool measure);
    int populate(Gfn gfn, bool measure, PageContent content, const void* context, u64 offset);
    Outcome acceptPage(unsigned vcpu, u64 gpa, Level level, bool& exits);
    // `accepts`: the exit is of a TDG.MEM.PAGE.ACCEPT of that size.
    HandledExit tdx_handle_ept_violation(unsigned vcpu, const GuestOp& op, u64 gpa, const EptWalk& walk, std::optional<Level> accepts);
    bool tdx_reclaim_page(Pfn page);
    void takePamtWords(Regions& regions);
    Place pamtCache(unsigned vcpu) const;
    Place pamtCacheOf(PamtFrom from) const;
    void freePamtCache(Place count);
    bool splitsWithPamt() const { return kvm_.config().has(Feature::DynamicPamt) && kvm_.config().has(Feature::Private2M); }

    Kvm& kvm_;
    TdxModule& module_;
    Sim& sim_;
    std::unique_ptr<TdxProtocol> protocol_;
    Place words_;
    Place tdvprs_; // of each vCPU
    Place pamtRefs_, pamtCaches_, pamtSplitCache_, running_;
    Place tlbEpoch_; // when each vCPU's TLB was last flushed by the module. Kept for the rules
};

} // namespace mirrorscope
