// SPDX-License-Identifier: GPL-3.0-or-later
// What a machine is made from: the `machine` key of a scenario with every default filled in.
#pragma once

#include "base/vocab.h"

#include <algorithm>
#include <array>
#include <bitset>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mirrorscope {

// The bit of a GFN that selects the shared half of a TD (kvm->arch.gfn_direct_bits; Linux v6.16 tdx.c: tdx_td_init()), by the levels of its
// EPT: with four it is bit 47 of the GPA, with five bit 51.
constexpr u64 gfnDirectBits(unsigned levels) { return 1ull << ((levels == 5 ? 51 : 47) - 12); }

struct SlotConfig {
    u32 id = 0; // and the address space, 1 for SMM's, in the bits above 15
    Gfn base;
    u64 pages = 0;
    bool guestMemfd = false; // KVM_MEM_GUEST_MEMFD: private memory comes from guest_memfd
    bool readonly = false;
    bool dirtyLog = false;      // KVM_MEM_LOG_DIRTY_PAGES
    Level backing = Level::k4K; // the host's pages
    // The blocks in which guest_memfd gets its frames. Its pages are of order 0 all the same, but with private-2M, where a block is a
    // folio.
    Level gmemBacking = Level::k4K;
    std::optional<unsigned> gmemFile = {}; // which of MachineConfig::gmemFiles; none: a file of its own, as large as the slot
    u64 gmemOffset = 0;                    // of the slot's first page in it, in bytes
    std::optional<unsigned> memory = {};   // which of MachineConfig::memories; none: a mapping of its own, as large as the slot
    u64 memoryOffset = 0;                  // of the slot's first page in it, in bytes
};

// A guest_memfd with a name.
struct GmemFileConfig {
    std::string name;
    u64 pages = 0;        // what there is room for; the most that a script's KVM_CREATE_GUEST_MEMFD asks for
    bool exists = false;  // before the script
    bool foreign = false; // a file descriptor that is none of this VM's guest_memfds
};

// A part of user space's address space with a name, so that several slots can stand in front of it (userspace_addr).
struct MemoryConfig {
    std::string name;
    u64 pages = 0; // up to the end of the last slot that is in front of it
};

// Which rule decides that an update must also reach the private table (machine.dispatch).
enum class Dispatch : u8 { Role, Fault, Iter, Gfn };
inline constexpr std::array<std::string_view, 4> kDispatches{"role", "fault", "iter", "gfn"};
// machine.kernel: as released in that version; `fixed`: 6.16 with later fixes; `next`: what is queued.
enum class Kernel : u8 { V6_16, Fixed, V6_19, V7_2, Next };
inline constexpr std::array<std::string_view, 5> kKernels{"6.16", "fixed", "6.19", "7.2", "next"};
constexpr std::string_view name(Kernel kernel) { return kKernels[static_cast<std::size_t>(kernel)]; }
// machine.module: the TDX module; 1.5 is 1.5.01.
enum class ModuleLine : u8 { V1_5, V2_0 };
inline constexpr std::array<std::string_view, 2> kModuleLines{"1.5", "2.0"};
// machine.features: what is off by default. The last is a what-if: no module that has it could be read.
enum class Feature : u8 { InPlaceConversion, DynamicPamt, Private2M, NonBlockingResize };
inline constexpr std::array<std::string_view, 4> kFeatures{"in-place-conversion", "dynamic-pamt", "private-2M", "non-blocking-resize"};
// machine.trace-line: where v7.2 prints kvm_tdp_mmu_spte_changed, whose merged text is not known to us: behind the operation on the private
// table; before it, whether or not it fails (the first draft); behind it, but not of what was and stays nonpresent (the second one).
enum class TraceLine : u8 { After, Before, AfterPresent };
inline constexpr std::array<std::string_view, 3> kTraceLines{"after", "before", "after-present"};
// When the iterators that may drop mmu_lock do so (machine.yield): as the kernel, when somebody waits for it.
enum class Yield : u8 { Contended, Always, Never };
// KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2 (machine.manual-dirty-log): off, KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE, with KVM_DIRTY_LOG_INITIALLY_SET.
enum class ManualDirtyLog : u8 { Off, Enable, InitiallySet };

struct MachineConfig {
    VmType vm = VmType::Tdx;
    unsigned vcpus = 1;
    std::optional<unsigned> initVcpus = {}; // of a TD: for so many KVM_TDX_INIT_VCPU was called already; by default for all
    unsigned gpaw = 48;                     // TDX guest physical address width: 48 or 52
    unsigned levels = 4;                    // EPT levels
    unsigned maxPhysicalAddress = 52;       // of the host, in bits
    Level maxLevel = Level::k1G;            // largest mapping that KVM may install
    std::vector<SlotConfig> slots;
    std::vector<GmemFileConfig> gmemFiles;
    std::vector<MemoryConfig> memories;
    u64 laterSlots = 0;                // how many slots the script makes at most
    u64 laterPages = 0;                // of slots that the script makes
    std::vector<GfnRange> laterRanges; // where the script makes slots or sets attributes
    bool adBits = true;                // kvm_ad_enabled
    bool pml = true;                   // page-modification log; never for a TD
    bool nxHugePages = false;          // the iTLB multihit mitigation
    bool eagerSplit = true;            // eager_page_split
    Dispatch dispatch = Dispatch::Role;
    Yield yield = Yield::Contended;
    bool slotZapAll = true; // KVM_X86_QUIRK_SLOT_ZAP_ALL: of an ordinary VM, all is zapped when a slot goes or moves
    ManualDirtyLog manualDirtyLog = ManualDirtyLog::Off;
    u64 dirtyRing = 0;              // entries of each vCPU's dirty ring; 0: there is none, the log is a bitmap of each slot
    bool snpLaunch = false;         // the script launches the SNP guest; else that was done before it
    bool observePrivateOps = false; // a private backend that only counts, on VM types without a mirror
    u64 invalidateSeq = 0;          // mmu_invalidate_seq at the beginning: how often the host has taken something back before
    u64 frames = 0;                 // host physical memory in 4K frames; 0: enough for the slots
    bool privateByDefault = true;
    bool septVeDisable = true;
    bool veHandlerAccepts = true;
    bool storeBuffers = false; // memory-model: tso
    Kernel kernel = Kernel::V6_16;
    ModuleLine module = ModuleLine::V1_5;
    TraceLine traceLine = TraceLine::After;
    std::bitset<kFeatures.size()> features;
    std::bitset<kBreaks> breaks;
    // A kernel that was recorded and is not run: only its tables are there, in the format of its CPU. `mirrored`: a TD with its two trees
    // of KVM's. The private one is there as far as probes of SEAMCALLs tell of it; its root is in frame `secureRoot` while they do, 0: they
    // never did.
    struct Recorded {
        bool npt = false, mirrored = false;
        Pfn secureRoot = {0};
    };
    std::optional<Recorded> recorded = {};

    // Is it that release or a later one? `fixed` is none.
    bool since(Kernel release) const { return kernel >= release; }
    bool has(Feature f) const { return features[static_cast<unsigned>(f)]; }
    bool broken(Break b) const { return breaks[static_cast<unsigned>(b)]; }
    // The bits of a GFN that select the shared half of a TD (kvm->arch.gfn_direct_bits); 0 for every other VM.
    bool hasMirror() const { return vm == VmType::Tdx || (recorded && recorded->mirrored); }
    u64 directBits() const { return hasMirror() ? gfnDirectBits(gpaw == 52 ? 5 : 4) : 0; }
    // How many gfns the root reaches; of a TD, each of its two roots.
    u64 gfnsReached() const { return hasMirror() ? directBits() : 1ull << (9 * levels); }
    bool hasPrivateMem() const { return vm != VmType::Default; }
};

// Hands out consecutive runs of words while a machine is laid out.
class Regions {
public:
    // A run of records of `words` words each; what its words are is told by the name and the number in the record.
    Place take(u64 words, std::string_view name, unsigned record = 1) {
        const Place place{next_};
        next_ += words;
        runs_.push_back({next_, place.v, record, name});
        return place;
    }
    // The same for records of which most are never written to.
    Place takeSparse(u64 words, std::string_view name, unsigned record) {
        sparse_.emplace_back(next_, next_ + words);
        return take(words, name, record);
    }
    // Of those: first place and the one behind the last.
    const std::vector<std::pair<u64, u64>>& sparse() const { return sparse_; }
    u64 used() const { return next_; }
    struct Run {
        u64 end, begin;
        unsigned record;
        std::string_view name;
    };
    const std::vector<Run>& runs() const { return runs_; } // ascending
    // "vm.4": the fifth word of the record that the place lies in.
    std::string nameOf(Place place) const {
        const auto run = std::upper_bound(runs_.begin(), runs_.end(), place.v, [](u64 at, const Run& r) { return at < r.end; });
        if (run == runs_.end())
            return "nothing";
        return std::string(run->name) + (run->record == 1 ? "" : "." + std::to_string((place.v - run->begin) % run->record));
    }

private:
    u64 next_ = 0;
    std::vector<Run> runs_;
    std::vector<std::pair<u64, u64>> sparse_;
};

} // namespace mirrorscope
