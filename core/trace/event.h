// SPDX-License-Identifier: GPL-3.0-or-later
// One line of a kernel's trace, understood: which event, when, on which CPU, by which task, and what it says.
//
// The events are those of the systems kvm and kvmmmu (Linux v6.16 arch/x86/kvm/mmu/mmutrace.h, trace.h, include/trace/events/kvm.h);
// older wordings of the same events are read, too.
#pragma once

#include "base/types.h"
#include "base/vocab.h"
#include "tdx/module/leaves.h"

#include <array>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace mirrorscope {

enum class TraceKind : u8 {
    SpteChanged,
    GetPage,
    PrepareZapPage,
    SyncPage,
    UnsyncPage,
    SetSpte,
    SpteRequested,
    FastPageFault,
    MarkMmio,
    HandleMmio,
    CheckMmio,
    ZapAllFast,
    SplitHugePage,
    PageFault,
    Entry,
    Exit,
    UnmapHva,
    AgeHva,
    TestAgeHva,
    UserspaceExit,
    Hypercall,
    RmpFault,
    MemoryRegion,
    Seamcall,
    SeamcallStatus,
    Count_
};
inline constexpr unsigned kTraceKinds = static_cast<unsigned>(TraceKind::Count_);

struct TraceKindInfo {
    TraceKind id;
    std::string_view name; // as the kernel calls the event
    const char* function;  // in which its tracepoint stands (Linux v6.16)
    Site site;             // what is like it in a run: for colours, and for going to the next of its kind
    std::string_view help; // what it tells
};
// Is each row of a table where its `id` says?
template <class Table>
constexpr bool inOrder(const Table& table) {
    for (std::size_t i = 0; i < std::size(table); ++i)
        if (static_cast<std::size_t>(table[i].id) != i)
            return false;
    return true;
}
const TraceKindInfo& info(TraceKind kind);
std::optional<TraceKind> traceKindFromName(std::string_view name);
// The leaf of a probe's name: tdh_mem_page_aug, tdh_mem_page_aug_status.
std::optional<Leaf> traceLeafFromName(std::string_view name);

// What the words of an event are:
//   SpteChanged    as_id, gfn, level; a: the old entry, b: the new one; c: the physical address of the entry, 0 if no line told it
//   GetPage …      gfn, level; a: the role as a word; c: mmu_valid_gen; kNew of GetPage
//   SetSpte        gfn, level; a: the entry; b: its physical address
//   SpteRequested  gfn, level; a: the pfn
//   FastPageFault  vcpu, gfn; a: the old entry, b: the new one, c: the address; kSpurious, kFixed
//   MarkMmio       gfn; a: access, b: generation. HandleMmio: gfn; a: address, b: access. CheckMmio: a: the entry, b: generation
//   ZapAllFast     a: mmu_valid_gen, b: used pages.  SplitHugePage: gfn, level; a: the huge entry, b: errno
//   PageFault      vcpu, gfn; a: error code, c: the address.  RmpFault: vcpu, gfn, level; a: error code, b: pfn, c: PSMASH's answer
//   Entry          vcpu; a: rip.  Exit: vcpu; a: the reason (a string of TraceNames), b, c: info1, info2
//   MemoryRegion   vcpu: the slot; gfn; a: the VM (struct kvm), b: user space's address, c: bytes, 0 where the slot goes
//   Seamcall       gfn, level (as the function was given it); a: the Leaf, b: the struct page, c: the struct tdx_td, 0 if no line told it.
//                  SeamcallStatus: a: the Leaf, b: the status
//   UnmapHva …     a: start, b: end.  UserspaceExit: a: the reason (a string), b: its number.  Hypercall: a: nr, b: a0, c: a1
struct TraceEvent {
    static constexpr u8 kNew = 1, kSpurious = 2, kFixed = 4;
    TraceKind kind = TraceKind::SpteChanged;
    u8 level = 0;
    u8 flags = 0;
    u8 asId = 0;
    u32 line = 0; // from 1, of the first line that it stood on; of a binary file the number of the record
    u64 time = 0; // nanoseconds; 0: it was cut away
    u32 task = 0; // of TraceNames
    u16 cpu = 0;
    u16 vcpu = 0; // 0xffff: not told
    u64 gfn = 0;
    u64 a = 0, b = 0, c = 0;
};
static_assert(sizeof(TraceEvent) == 56);

// Events that are missing: before the next one of that CPU, and behind its last one.
struct TraceLoss {
    static constexpr u16 kAny = 0xffff;
    u64 events = 0; // how many; 0 if that is not known
    u32 line = 0;
    u16 cpu = kAny;    // whose they were, if that is known
    u16 cpusBegin = 0; // that many CPUs' buffers begin when they will, since the oldest events were overwritten; 0: it is not that
};

// Tasks and other strings of a recording, each once.
class TraceNames {
public:
    struct Task {
        std::string comm; // at most 15 characters, as the kernel cuts it; empty: it was cut away
        u32 pid = 0;
        std::string text() const { return comm.empty() ? "?" : comm + "-" + std::to_string(pid); }
    };
    TraceNames() { task({}, 0); }
    u32 task(std::string_view comm, u32 pid);
    const Task& taskOf(u32 n) const { return tasks_[n]; }
    std::size_t tasks() const { return tasks_.size(); }
    u32 string(std::string_view text);
    const std::string& stringOf(u64 n) const;
    std::size_t strings() const { return strings_.size(); }

private:
    // More names than any recording has are one.
    static constexpr std::size_t kMost = 1 << 16;
    std::vector<Task> tasks_;
    std::unordered_map<u64, u32> tasksByHash_;
    std::vector<std::string> strings_;
    std::unordered_map<std::string, u32> stringsByText_;
};

// The fields of an event as the kernel of v6.16 prints them, behind "NAME: ".
std::string fieldsText(const TraceEvent& event, const TraceNames& names);
// "kvm_tdp_mmu_spte_changed", or of a probe the function.
std::string nameOf(const TraceEvent& event);
// The whole line as `trace` has it.
std::string lineText(const TraceEvent& event, const TraceNames& names);

} // namespace mirrorscope
