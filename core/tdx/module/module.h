// SPDX-License-Identifier: GPL-3.0-or-later
// The TDX module: SEAMCALL and TDCALL leaves over its own tables (TDX module 1.5.01).
//
//   Regs regs{.rcx = gpa | level, .rdx = hpa(tdr), .r8 = hpa(page)};
//   const u64 status = module.seamcall(Leaf::MemPageAug, regs);   // RAX; RCX, RDX … are in `regs`
//
// Locks never wait: a lock that is held ends the leaf with OPERAND_BUSY and the operand. Each leaf stands in its own
// file with its checks in the module's order, so that the first that fails gives the status.
#pragma once

#include "machine/frames.h"
#include "machine/injection.h"
#include "sim/sim.h"
#include "tdx/module/data.h"
#include "tdx/module/later.h"
#include "tdx/module/leaves.h"

#include <array>
#include <optional>
#include <string>
#include <vector>

namespace mirrorscope {

struct Regs {
    u64 rcx = 0, rdx = 0, r8 = 0, r9 = 0, r10 = 0, r11 = 0, r12 = 0, r13 = 0;
    unsigned version = 0;
};

inline constexpr u64 kMaxHpa = 1ull << 46; // above are HKID bits
constexpr u64 hpa(Pfn pfn) { return pfn.v << 12; }
constexpr Pfn pfnOf(u64 hpa) { return {(hpa & ept::kPfnMask) >> 12}; }

class LeafCall;

class TdxModule {
public:
    static constexpr unsigned kHkids = 64;

    TdxModule(const MachineConfig& config, Sim& sim, Frames& frames, Regions& regions);
    void attach(Machine& machine);

    // One SEAMCALL on the running actor's CPU. The completion status; outputs in `regs`.
    u64 seamcall(Leaf leaf, Regs& regs);
    // What a caller has of it.
    static u64 hashOf(u64 status, const Regs& regs);
    // TDG.MEM.PAGE.ACCEPT by a vCPU that is inside. `exits`: the call ended in a TD exit (EPT violation, type ACCEPT).
    u64 tdg_mem_page_accept(Pfn tdvpr, u64 rcx, bool& exits);
    // What a private access that the CPU could not translate leads to (private EPT violation in the TD).
    enum class Violation : u8 { Exit, ExitPending, Ve };
    Violation classifyViolation(Pfn tdr, u64 gpn);
    // TD exit of a running vCPU: part of the caller's micro-step.
    void tdExit(Pfn tdvpr);

    // `inject`: the next matching calls are answered without entering the module.
    void inject(Leaf leaf, u64 status, u64 times, u64 after);
    bool injectionWaits(Leaf leaf) const { return inject_[static_cast<unsigned>(leaf)].waits(*machine_); }

    // ---- what others may look at
    Place pamt4k(Pfn pfn) const { return pamt_[0] + pfn.v * 2; }
    Place pamt2m(Pfn pfn) const { return pamt_[1] + (pfn.v >> 9) * 2; }
    Place pamt1g(Pfn pfn) const { return pamt_[2] + (pfn.v >> 18) * 2; }
    Place pamtEntry(Pfn pfn, Level size) const { return size == Level::k4K ? pamt4k(pfn) : size == Level::k2M ? pamt2m(pfn) : pamt1g(pfn); }
    // The frames that a PAMT entry describes: one, 512 or 512 * 512; none when the place is no PAMT entry.
    struct FrameRun {
        Pfn first;
        u64 count = 0;
    };
    FrameRun framesOfPamt(Place place) const;
    // With dynamic PAMT: the frame of which that word ("pamt-bitmap") says whether it is a page of the PAMT, and of which 2M.
    Pfn frameOfPamtBitmap(Place place) const { return {place.v - pamtBitmap_.v}; }
    // The entry of the size that is in force for this frame: a large page's if one covers it.
    u64 peekPamt(Pfn pfn, Level* size = nullptr) const;
    Pfn tdcs(Pfn tdr, unsigned page = 0) const { return {machine_->peek(wordOf(tdr, mirrorscope::tdr::Tdcx0 + page))}; }
    Pfn septRoot(Pfn tdr) const { return tdcs(tdr, tdcs::kRootPage); }
    u64 peekTdr(Pfn tdr, unsigned word) const { return machine_->peek(wordOf(tdr, word)); }
    u64 peekTdcs(Pfn tdr, unsigned word) const { return machine_->peek(wordOf(tdcs(tdr), word)); }
    u64 peekTdvps(Pfn tdvpr, unsigned word) const { return machine_->peek(wordOf(tdvpr, word)); }
    std::array<u8, 48> mrtd(Pfn tdr) const;
    struct SeptWalk {
        Place place;
        Level level = Level::None; // KVM's numbering
        u64 entry = 0;
        bool reached = false;
    };
    SeptWalk peekSept(Pfn tdr, Gfn gfn, Level level) const;
    // The same of a tree that is not a TD's of this module.
    static SeptWalk peekSept(const Machine& machine, Pfn root, unsigned levels, Gfn gfn, Level level);
    // Dynamic PAMT: the first frame of the 2M whose PAMT entries it holds. And the two that hold those of that frame's 2M, if it has any.
    std::optional<Pfn> servedBy(Pfn pfn) const;
    bool isPamtPage(Pfn pfn) const { return servedBy(pfn).has_value(); }
    std::optional<std::array<Pfn, 2>> pairOf(Pfn pfn) const;
    // The frame that holds `place`, if it is a secure EPT page.
    bool isSeptPage(Pfn pfn) const;

private:
    friend class LeafCall;
    using Function = u64 (*)(LeafCall&);
    static Function function(Leaf leaf);
    std::string& measured() { return measured_; }

    MachineConfig config_;
    Sim& sim_;
    Frames& frames_;
    Machine* machine_ = nullptr;
    Place pamt_[3];
    Place pamtBitmap_;              // dynamic PAMT: of each frame, the number + 1 of the 2M that it holds entries of; a bit in the module
    Place kot_;                     // per HKID: 0 FREE, 1 ASSIGNED, 2 FLUSHED; bit 8: cache to be written back
    std::vector<Injection> inject_; // per leaf
    std::string measured_;          // bytes of the MRTD stream; how many of them count is a word of TDCS
};

// One call in flight: its registers, what it locked, and the checks that leaves share (tdx-module.md 4.1).
class LeafCall {
public:
    enum class Mode : u8 { Shared, Exclusive };

    LeafCall(TdxModule& module, Regs& regs) : m(module), machine(*module.machine_), sim(module.sim_), r(regs) {}

    TdxModule& m;
    Machine& machine;
    Sim& sim;
    Regs& r;
    Pfn tdr;
    u64 gpa = 0;
    Level level = Level::None; // of the requested entry
    TdxModule::SeptWalk walk;

    // T(mode, op): the TDR explicitly, then FATAL, life cycle, TDCS, op_state. `states` has bit n for op_state n.
    u64 enterTd(u64 hpaTdr, u32 op, Mode mode, unsigned states);
    // The same from an owner's TDR: the entry lock only.
    u64 enterTdImplicit(Pfn tdr, unsigned states, Mode mode = Mode::Shared);
    u64 checkTd(Mode mode, unsigned states);
    // The leaves of the MEM group and MR.EXTEND begin so: RCX and RDX are taken and become outputs, zero without extended
    // error information.
    void takeInputs() {
        rcxIn_ = r.rcx;
        rdxIn_ = r.rdx;
        r.rcx = r.rdx = 0;
    }
    u64 rcxIn() const { return rcxIn_; }
    u64 rdxIn() const { return rdxIn_; }
    // Only versions 0 and 1 exist of a leaf that has versions at all.
    u64 checkVersion() const { return r.version > 1 ? tdx::status(tdx::OPERAND_INVALID, tdx::RAX) : tdx::kSuccess; }
    // G(a..b) on the RCX that was taken, in the module's level numbers.
    u64 takeGpa(unsigned minLevel, unsigned maxLevel);
    u64 checkPrivateGpa(u64 gpa, u32 op) const;
    unsigned topLevel() const;
    // W(mode): tree lock, walk, entry lock, re-read.
    u64 walkAndLock(Mode tree);
    u64 walkOnly();
    u64 stateIncorrect();
    u64 fail(u32 high, u32 operand = tdx::RCX); // with extended error information of the entry
    void extended(u64 entry, Level level);
    // K: blocked and tracked, where the op_state demands it.
    u64 checkTracking(u64 bepoch);
    bool tracked(u64 bepoch) const;
    bool trackedState() const { return tdcsWord(tdcs::OpState) == tdcs::Runnable; }

    // A page given by its HPA: form, range, locks, size, type.
    u64 explicitPage(u64 hpaPage, u32 op, PageType wanted, Mode mode, Level size = Level::k4K);
    // Locks the PAMT entries from 1G down to that of `size`, or to one that has none below it (of a large page, and with dynamic PAMT of
    // 2M without a pair), which is `found`; those above it shared.
    u64 walkPamt(Pfn pfn, u32 op, Mode mode, Level size, Level& found);
    bool does(Later what) const { return mirrorscope::does(m.config_, what); }
    bool dynamicPamt() const { return m.config_.has(Feature::DynamicPamt); }
    bool nonBlockingResize() const { return m.config_.has(Feature::NonBlockingResize); }
    bool isPamtPage(Pfn pfn) const { return dynamicPamt() && machine.get(m.pamtBitmap_ + pfn.v) != 0; }
    void setPamtPage(Pfn pfn, Pfn range) { machine.set(m.pamtBitmap_ + pfn.v, (range.v >> 9) + 1); }
    void clearPamtPage(Pfn pfn) { machine.set(m.pamtBitmap_ + pfn.v, 0); }
    // The entry alone.
    u64 implicitPage(Pfn pfn, u32 op, Mode mode, Level size = Level::k4K);
    bool lock(Place place, Mode mode);
    u64 keptPriority() const;
    void unlockEntry();
    // sept.set: the entry stays locked until the leaf ends, or the store itself releases the lock, as some leaves do.
    void storeEntry(u64 value);
    void storeEntryAndUnlock(u64 value);
    void releaseAll();
    u64 toBeReleased() const; // as a hash

    u64 tdrWord(unsigned word) const { return machine.get(wordOf(tdr, word)); }
    void setTdr(unsigned word, u64 value) { machine.set(wordOf(tdr, word), value); }
    u64 tdcsWord(unsigned word) const { return machine.get(wordOf(m.tdcs(tdr), word)); }
    void setTdcs(unsigned word, u64 value) { machine.set(wordOf(m.tdcs(tdr), word), value); }
    Place pamtOf(Pfn pfn, Level size) const { return m.pamtEntry(pfn, size); }
    void setPage(Pfn pfn, Level size, PageType type, Pfn owner, bool clearBepoch);
    u64 bepoch(Pfn pfn, Level size) const { return machine.get(pamtOf(pfn, size) + 1); }
    void addChildren(u64 pages) { setTdr(tdr::ChldCnt, tdrWord(tdr::ChldCnt) + pages); }
    void measure(std::string_view bytes);
    Place kot(u64 hkid) const { return m.kot_ + hkid; }
    Frames& frames() { return m.frames_; }
    const MachineConfig& config() const { return m.config_; }

private:
    struct Held {
        Place place;
        Mode mode;
    };
    std::array<Held, 24> held_{};
    unsigned heldCount_ = 0;
    bool entryLocked_ = false;
    u64 rcxIn_ = 0, rdxIn_ = 0;
};

// op_state sets, one bit per state.
inline constexpr unsigned kOpUninit = 1, kOpInit = 2, kOpRun = 4, kOpInitRun = 6, kOpAny = 7;

// The leaves, one file each.
u64 tdh_mng_create(LeafCall& c);
u64 tdh_mng_key_config(LeafCall& c);
u64 tdh_mng_addcx(LeafCall& c);
u64 tdh_mng_init(LeafCall& c);
u64 tdh_mng_vpflushdone(LeafCall& c);
u64 tdh_mng_key_freeid(LeafCall& c);
u64 tdh_mng_key_reclaimid(LeafCall& c);
u64 tdh_vp_create(LeafCall& c);
u64 tdh_vp_addcx(LeafCall& c);
u64 tdh_vp_init(LeafCall& c);
u64 tdh_vp_enter(LeafCall& c);
u64 tdh_vp_flush(LeafCall& c);
u64 tdh_mr_extend(LeafCall& c);
u64 tdh_mr_finalize(LeafCall& c);
u64 tdh_mem_sept_add(LeafCall& c);
u64 tdh_mem_sept_rd(LeafCall& c);
u64 tdh_mem_sept_remove(LeafCall& c);
u64 tdh_mem_page_add(LeafCall& c);
u64 tdh_mem_page_aug(LeafCall& c);
u64 tdh_mem_page_remove(LeafCall& c);
u64 tdh_mem_page_relocate(LeafCall& c);
u64 tdh_mem_page_promote(LeafCall& c);
u64 tdh_mem_page_demote(LeafCall& c);
u64 tdh_mem_range_block(LeafCall& c);
u64 tdh_mem_range_unblock(LeafCall& c);
u64 tdh_mem_track(LeafCall& c);
u64 tdh_phymem_page_reclaim(LeafCall& c);
u64 tdh_phymem_page_rdmd(LeafCall& c);
u64 tdh_phymem_page_wbinvd(LeafCall& c);
u64 tdh_phymem_cache_wb(LeafCall& c);
u64 tdh_phymem_pamt_add(LeafCall& c);
u64 tdh_phymem_pamt_remove(LeafCall& c);

} // namespace mirrorscope
