// SPDX-License-Identifier: GPL-3.0-or-later
// What was done to the VMs of a recording: faults, notifiers, dirty logging, zaps, put together from the lines of each task, so that it
// can be done again. Lines tell neither the memslots nor the host's pages nor, of a notifier, which guest addresses it is about: all of
// that is taken from what was mapped and zapped.
//
//   std::vector<RecordedVm> vms = readVms(input, {.kernel = TraceKernel::V6_16});
#pragma once

#include "trace/judge.h"
#include "trace/recorded.h"

#include <map>
#include <set>

namespace mirrorscope {

// One thing that somebody did, with what belongs to it: from the first change of an entry that it brought about.
struct Deed {
    enum class Kind : u8 {
        Access,   // by the guest, that faults
        Prefault, // mapped without a fault
        Discard,  // a notifier has zapped
        Unmap,    // zapped without one: a conversion, a hole in guest memory, a slot that moves
        Age,
        Clean,      // W or D taken away, or split for that: dirty logging
        Recover,    // a huge page instead of small ones
        RecoverNx,  // a table zapped so that a fault may map a huge page
        ZapAllFast, // roots made invalid
        ZapAll,     // everything zapped: the VM's end
    };
    Kind kind = Kind::Access;
    Access access = Access::Read;
    unsigned vcpu = 0;
    bool isPrivate = false; // of a TD
    u64 gfn = 0, pages = 1;
    u64 times = 1, stride = 1; // of accesses in a row, in pages
    u32 line = 0;              // of its first change
};

// A change of an entry as a line told it.
struct ToldChange {
    bool mirror = false;
    u8 level = 1;       // 0: of a fast page fault
    bool going = false; // its root is being zapped as a whole
    u16 tree = 0;       // which of the VM's direct or mirror roots it is of, by their first changes
    u64 gfn = 0, old = 0, now = 0;
    u32 line = 0;
};

struct RecordedVm {
    u32 firstLine = 0, lastLine = 0;
    unsigned vcpus = 1, levels = 4;
    bool isTd = false;
    bool dirtyByD = false, eagerSplit = false, adDisabled = false, nxHuge = false;
    // A root goes by entries of 1G with all that is below them, as before v6.13 and with CONFIG_KVM_PROVE_MMU, not leaf by leaf first
    // (tdp_mmu_zap_root()).
    bool rootsGoWhole = false;
    std::vector<Deed> deeds;
    std::vector<ToldChange> changes;
    u64 unexplained = 0;                      // changes that no deed is known for
    u32 unexplainedLine = 0;                  // the first of them
    u64 withoutChange = 0;                    // faults that changed no entry
    u64 inSmm = 0;                            // changes in the second address space, which is not done again
    u64 lost = 0;                             // how often lines of it may be missing
    std::set<u64> mmio;                       // gfns
    std::map<u64, std::array<u64, 3>> mapped; // by 2M of guest memory: how often a leaf of 4K, 2M, 1G was mapped there
    std::map<u64, std::pair<u64, u64>> small; // by 2M: the first and the last gfn that was mapped as 4K
    std::set<std::pair<u8, u64>> splits;      // where a huge page became a table: the level of the parts, and the number of the table
    SpteMasks masks;
};

struct VmsOptions {
    TraceKernel kernel = TraceKernel::Any;
    bool one = false; // all of it is of one VM
    std::function<bool(u64)> goOn = [](u64) { return true; };
};
// Of a recording that was read already, in the order in which it has its events.
std::vector<RecordedVm> vmsOf(
    const RecordedKernel& recorded, const std::function<bool(u64)>& goOn = [](u64) { return true; });
// In the order of their first lines. Throws InputError; empty also when `goOn` said so. `findings`, if given: how much `conform` finds.
std::vector<RecordedVm> readVms(TraceInput& input, const VmsOptions& options, u64* findings = nullptr);

} // namespace mirrorscope
