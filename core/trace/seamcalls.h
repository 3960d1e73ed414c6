// SPDX-License-Identifier: GPL-3.0-or-later
// What probes of a TDX host's SEAMCALLs tell beside the lines of the mirror (Linux up to v7.2 has no tracepoint for them): which entries
// the private table has, whether the module agreed, and whether it followed the mirror.
//
// A kprobe and a kretprobe of each function of arch/x86/virt/vmx/tdx/tdx.c (trace/recipe.h): what it was called with, and its status. KVM
// answers a status as v6.16 tdx.c does; where the trace line stands against the call differs between releases (before it or behind it), so
// that the private table must have followed by the next line that the same task prints of the mirror.
#pragma once

#include "trace/findings.h"

#include <functional>
#include <map>
#include <optional>

namespace mirrorscope {

// An entry of the private table, as far as the host's calls tell: not whether the guest has accepted it.
struct PrivateEntry {
    enum class State : u8 { Free, Leaf, Table, Blocked };
    u8 level = 0; // as KVM counts them
    u64 gfn = 0;
    State state = State::Free;
    u64 page = 0; // of a leaf: its struct page, 0 if that is not told
};

class SeamcallJudge {
public:
    using Report = std::function<void(TraceRule, const TraceEvent&, std::string, std::vector<u32>)>;
    // `levelsOfKernel`: the functions take an enum pg_level (v7.2), not the module's level, one less; nothing: the first page tells, or the
    // first table whose line in the mirror is told. `changed` hears what entries become; null: all of them are forgotten. Once calls of a
    // second TD are told it hears no more: it could not tell them apart.
    using Changed = std::function<void(const PrivateEntry*)>;
    SeamcallJudge(std::optional<bool> levelsOfKernel, Report report, Changed changed)
        : levelsOfKernel_(levelsOfKernel), levels_(levelsOfKernel), report_(std::move(report)), changed_(std::move(changed)) {}

    void called(const TraceEvent& e);                     // TraceKind::Seamcall
    void answered(const TraceEvent& e);                   // TraceKind::SeamcallStatus
    void mirrorChanged(const TraceEvent& e, Level level); // a line of the mirror
    // Has the private table what the line says that its mirror gets? Nothing where calls do not tell: before a TD is finalized a page of
    // the image is added behind its line.
    std::optional<bool> hasFollowed(const TraceEvent& e, Level level) const;
    // The task is at something else: what its last change of the mirror asked for is done, or never is.
    void operationEnds(const TraceEvent& e);
    // What was done meanwhile is not told.
    void lost();

    struct Told {
        u64 calls = 0, busy = 0;    // that were answered; of them with TDX_OPERAND_BUSY
        u64 leaves = 0, tables = 0; // of the private tables, as far as they are known
        u64 tds = 0;
        // Where the struct page of frame 0 would be: so far from each page that was given is the frame that the mirror names.
        std::optional<u64> firstPage;
        bool any() const { return calls != 0; }
    };
    Told told() const;
    static constexpr u64 kPageStruct = 64; // sizeof(struct page) of every x86-64 kernel of a distribution
    static u64 pfnOf(u64 page, u64 firstPage) { return (page - firstPage) / kPageStruct; }

private:
    using State = PrivateEntry::State;
    struct Known {
        State state = State::Free;
        u32 line = 0;
        u64 page = 0;
    };
    using Place = std::pair<u8, u64>; // level as KVM counts them, gfn
    struct Owed {
        Place place;
        State wanted;
        u32 line;
        u64 pfn; // of a leaf
    };
    struct Task {
        std::optional<TraceEvent> call;
        std::optional<TraceEvent> busy;  // the last one that was answered so
        std::optional<TraceEvent> table; // TDH.MEM.SEPT.ADD, the last one that succeeded
        std::vector<Owed> owed;
        std::optional<u64> td; // that it works for
        bool ofSeveral = false;
    };
    // Of one, by its struct tdx_td; 0: lines do not tell it.
    struct Td {
        std::map<Place, Known> entries;
        bool finalized = false;
    };
    std::optional<u64> tdOf(const Task& task) const;
    Task& taskOf(const TraceEvent& e);
    u8 levelOf(const TraceEvent& call);
    void learnLevels(bool ofKernel);
    void learnFromTable(const Task& task, const Place& mirrored);
    void change(Td& td, Place place, const Known& now);
    void pair(u64 page, u64 pfn, const TraceEvent& e, u32 line);
    void succeeded(Task& task, const TraceEvent& call, const TraceEvent& answer);
    void refused(Task& task, const TraceEvent& call, const TraceEvent& answer);

    std::optional<bool> levelsOfKernel_, levels_;
    Report report_;
    Changed changed_;
    std::map<u64, Td> tds_;
    std::vector<Task> tasks_;
    u64 calls_ = 0, busy_ = 0;
    std::optional<u64> firstPage_;
    u64 pairs_ = 0, lastPfn_ = 0; // that agree, of other pages each
    bool pagesDiffer_ = false;    // a struct page is of another size there
};

} // namespace mirrorscope
