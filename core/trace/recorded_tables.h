// SPDX-License-Identifier: GPL-3.0-or-later
// Writes what becomes of a recorded kernel's tables into a machine, by its one door.
#pragma once

#include "rules/violation.h"
#include "system/system.h"
#include "trace/rebuild.h"

#include <map>

namespace mirrorscope {

// A table of the private tree: its level, and the first gfn that it translates.
using PrivateTable = std::pair<u8, u64>;
// The frame of each in the machine; the kernel's own no line tells.
using PrivateFrames = std::map<PrivateTable, u32>;
// The tables through which a walk gets to the entry of that level, from the root down.
std::vector<PrivateTable> privatePath(unsigned levels, unsigned level, Gfn gfn);

class RecordedTables final : public TraceWatch {
public:
    // `frames`: where each frame that a line names is in the machine. `firstPage`: SeamcallJudge::Told.
    RecordedTables(System& system, const std::unordered_map<u64, u32>& frames, const PrivateFrames& privateFrames,
                   std::optional<u64> firstPage)
        : system_(system), frames_(frames), privateFrames_(privateFrames), firstPage_(firstPage) {}

    // The function that prints such a line.
    u32 pathOf(const TraceEvent& e);

    void rootMade(const TraceRoot& root, const TraceTable& table) override;
    void rootChanged(const TraceRoot& root) override;
    void tableMade(const TraceTable& table) override;
    void tableMoved(const TraceTable& table) override;
    void tableGone(const TraceTable& table) override;
    void entrySet(const TraceTable& table, unsigned index, u64 word) override;
    void privateChanged(const PrivateEntry* entry) override;
    void found(const Finding& finding) override;
    void withdrawn(u64 number, TraceRule rule, u32 line) override;

    // What was found, as violations of Rule::Conforms at the entries that they are of.
    std::vector<Violation> takeViolations() { return std::move(violations_); }

private:
    Pfn at(u64 frame) const;
    u64 inMachine(const TraceTable& table, u64 word) const;
    void make(Pfn frame, const TraceTable& table);
    void give(Pfn frame);
    void record(Pfn frame, const TraceTable& table);
    void list(Pfn root);
    bool isListed(Pfn root) const;
    u64 roleOf(const TraceRoot& root, Level level) const;
    Pfn privateTable(PrivateTable table);
    void freePrivate(PrivateTable table);
    std::optional<Place> privatePlace(unsigned level, Gfn gfn);
    u64 leafOf(u64 page) const;
    void splitPrivate(Pfn parts, u64 leaf, Level level);

    System& system_;
    const std::unordered_map<u64, u32>& frames_;
    const PrivateFrames& privateFrames_;
    std::optional<u64> firstPage_;
    std::unordered_map<u32, Pfn> frameOfTable_; // by the id of the table
    std::unordered_map<u64, u32> tableOfFrame_;
    std::unordered_map<u32, TraceRoot> roots_;
    std::vector<Violation> violations_;
};

} // namespace mirrorscope
