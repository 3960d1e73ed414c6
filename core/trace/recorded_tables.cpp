// SPDX-License-Identifier: GPL-3.0-or-later
#include "trace/recorded_tables.h"

#include "trace/findings.h"

#include <fmt/format.h>

#include <algorithm>

namespace mirrorscope {

u32 RecordedTables::pathOf(const TraceEvent& e) {
    const bool npt = e.kind == TraceKind::PageFault && system_.kvm().masks().format.npt;
    return system_.sim().paths().enter(0, npt ? "npf_interception" : info(e.kind).function);
}

Pfn RecordedTables::at(u64 frame) const {
    const auto found = frames_.find(frame);
    return {found == frames_.end() ? 0 : found->second};
}

// An entry that leads to a table names the frame where that is in the machine.
u64 RecordedTables::inMachine(const TraceTable& table, u64 word) const {
    if (!spte::isTable(word, table.level))
        return word;
    const Pfn frame = at(framePart(word));
    return frame.v == 0 ? word : (word & ~(((1ull << 47) - 1) & ept::kPfnMask)) | frame.v << 12;
}

u64 RecordedTables::roleOf(const TraceRoot& root, Level level) const {
    return role::kBase | number(level) | (root.mirror ? role::kMirror : 0) |
           (root.invalid && number(level) == root.levels ? role::kInvalid : 0) | (root.asId.value_or(0) == 1 ? role::kSmm : 0);
}

void RecordedTables::record(Pfn frame, const TraceTable& table) {
    Kvm& kvm = system_.kvm();
    kvm.spSet(frame, Kvm::kRole, roleOf(roots_[table.root], table.level));
    kvm.spSet(frame, Kvm::kGfn, table.base & ~roots_[table.root].alias);
    const auto parent = frameOfTable_.find(table.parent);
    kvm.spSet(frame, Kvm::kPtep, parent == frameOfTable_.end() ? 0 : u64{wordOf(parent->second, table.index).v} + 1);
}

void RecordedTables::make(Pfn frame, const TraceTable& table) {
    if (frame.v == 0 || !system_.frames().valid(frame))
        return;
    give(frame); // nobody has told that it was freed
    Machine& machine = system_.machine();
    system_.frames().take(frame, FrameKind::Table, 0);
    machine.fill(frame, spte::kNonpresent);
    for (unsigned i = 0; i < 512; ++i) {
        const u64 word = table.knows(i) ? inMachine(table, table.words[i]) : spte::kUnrecorded;
        if (word != spte::kNonpresent && word != 0)
            machine.set(wordOf(frame, i), word);
    }
    frameOfTable_[table.id] = frame;
    tableOfFrame_[frame.v] = table.id;
    record(frame, table);
}

void RecordedTables::give(Pfn frame) {
    const auto table = tableOfFrame_.find(frame.v);
    if (table == tableOfFrame_.end())
        return;
    frameOfTable_.erase(table->second);
    tableOfFrame_.erase(table);
    Kvm& kvm = system_.kvm();
    for (const auto word : {Kvm::kRole, Kvm::kGfn, Kvm::kPtep})
        kvm.spSet(frame, word, 0);
    system_.frames().free(frame);
}

void RecordedTables::rootMade(const TraceRoot& root, const TraceTable& table) {
    roots_[root.id] = root;
    const Pfn frame = at(TraceTables::frameOf(table));
    make(frame, table);
    if (frame.v != 0)
        list(frame);
}

// As long as the machine has room for; the others are there and not shown.
void RecordedTables::list(Pfn root) {
    Kvm& kvm = system_.kvm();
    if (kvm.roots().size() < 2 * system_.config().vcpus) {
        kvm.listRoot(root);
        kvm.spSet(root, Kvm::kRootCount, 1);
    }
}

bool RecordedTables::isListed(Pfn root) const {
    const std::vector<Pfn> listed = system_.kvm().roots();
    return std::find(listed.begin(), listed.end(), root) != listed.end();
}

void RecordedTables::rootChanged(const TraceRoot& root) {
    roots_[root.id] = root;
    const auto found = frameOfTable_.find(root.table);
    if (found == frameOfTable_.end())
        return;
    Kvm& kvm = system_.kvm();
    if (root.retired && isListed(found->second))
        kvm.unlistRoot(found->second);
    kvm.spSet(found->second, Kvm::kRole, roleOf(root, levelOf(root.levels)));
}

void RecordedTables::tableMade(const TraceTable& table) { make(at(TraceTables::frameOf(table)), table); }

void RecordedTables::tableMoved(const TraceTable& table) {
    const auto old = frameOfTable_.find(table.id);
    const Pfn to = at(TraceTables::frameOf(table));
    if (old == frameOfTable_.end() || old->second == to || to.v == 0)
        return;
    const Pfn from = old->second;
    const bool listed = isListed(from);
    if (listed)
        system_.kvm().unlistRoot(from);
    give(from);
    make(to, table);
    if (listed)
        list(to);
    // What hangs below it knows where its entry is.
    for (const auto& [id, frame] : frameOfTable_)
        if (const MmuPage page = system_.kvm().peekPage(frame); page.ptep && frameOf(*page.ptep) == from)
            system_.kvm().spSet(frame, Kvm::kPtep, u64{wordOf(to, indexOf(*page.ptep)).v} + 1);
}

void RecordedTables::tableGone(const TraceTable& table) {
    if (const auto found = frameOfTable_.find(table.id); found != frameOfTable_.end())
        give(found->second);
}

void RecordedTables::entrySet(const TraceTable& table, unsigned index, u64 word) {
    const auto found = frameOfTable_.find(table.id);
    if (found == frameOfTable_.end())
        return;
    // Before v6.10 what is not present was 0, and frozen 5a0.
    const u64 value = word == 0 ? spte::kNonpresent : word == spte::kOldFrozen ? spte::kFrozen : inMachine(table, word);
    const Place place = wordOf(found->second, index);
    system_.machine().set(place, value);
    // What was found in this line is about the entry.
    const u64 n = system_.machine().steps() - 1;
    for (auto v = violations_.rbegin(); v != violations_.rend() && v->n == n; ++v)
        if (v->places.empty())
            v->places.push_back(place);
}

std::vector<PrivateTable> privatePath(unsigned levels, unsigned level, Gfn gfn) {
    std::vector<PrivateTable> path;
    for (unsigned at = levels; at >= level && at > 0; --at)
        path.push_back({static_cast<u8>(at), at == levels ? 0 : roundDown(gfn, above(levelOf(at))).v});
    return path;
}

// The frame of that table, which is made if it is not there yet.
Pfn RecordedTables::privateTable(PrivateTable table) {
    const auto found = privateFrames_.find(table);
    if (found == privateFrames_.end())
        return {0};
    const Pfn frame{found->second};
    if (!system_.isSeptPage(frame)) {
        system_.frames().take(frame, FrameKind::Raw, System::SeptTable{{table.second}, levelOf(table.first)}.info());
        system_.machine().fill(frame, sept::kFree);
    }
    return frame;
}

// With all that is below it.
void RecordedTables::freePrivate(PrivateTable table) {
    const auto found = privateFrames_.find(table);
    if (found == privateFrames_.end() || !system_.isSeptPage({found->second}))
        return;
    const Level level = levelOf(table.first);
    for (unsigned i = 0; i < 512 && level > Level::k4K; ++i)
        if (sept::isTable(sept::stateOf(system_.machine().peek(wordOf({found->second}, i)))))
            freePrivate({static_cast<u8>(table.first - 1), table.second + i * pagesPer(level)});
    system_.frames().free({found->second});
}

// A table above the entry that no probe told of is there, since the module agreed.
std::optional<Place> RecordedTables::privatePlace(unsigned level, Gfn gfn) {
    Machine& machine = system_.machine();
    std::optional<Place> place;
    for (const PrivateTable& table : privatePath(system_.config().levels, level, gfn)) {
        const Pfn frame = privateTable(table);
        if (frame.v == 0)
            return std::nullopt;
        if (const u64 link = sept::kTable | frame.v << 12; place && machine.peek(*place) != link)
            machine.set(*place, link);
        place = wordOf(frame, tableIndex(gfn.v, levelOf(table.first)));
    }
    return place;
}

u64 RecordedTables::leafOf(u64 page) const {
    const u64 pfn = firstPage_ && page > *firstPage_ ? SeamcallJudge::pfnOf(page, *firstPage_) : 0;
    return sept::kMapped | (pfn << 12 & ept::kPfnMask);
}

// TDH.MEM.PAGE.DEMOTE: the parts of a leaf, each of `level`; their frames are known where the leaf's is.
void RecordedTables::splitPrivate(Pfn parts, u64 leaf, Level level) {
    const u64 first = ept::pfnOf(leaf).v;
    for (unsigned i = 0; i < 512; ++i)
        system_.machine().set(wordOf(parts, i), sept::kMapped | (first == 0 ? 0 : first + i * pagesPer(level)) << 12);
}

void RecordedTables::privateChanged(const PrivateEntry* entry) {
    using State = PrivateEntry::State;
    const unsigned levels = system_.config().levels;
    if (entry == nullptr) {
        freePrivate({static_cast<u8>(levels), 0});
        return;
    }
    if (entry->level == 0 || entry->level > levels || entry->gfn >> 9 * levels != 0)
        return;
    const auto place = privatePlace(entry->level, {entry->gfn});
    if (!place)
        return;
    const u64 was = system_.machine().peek(*place);
    const bool wasTable = sept::isTable(sept::stateOf(was));
    const PrivateTable below{static_cast<u8>(entry->level - 1), entry->gfn};
    u64 now = sept::kFree;
    switch (entry->state) {
    case State::Free:
        if (wasTable)
            freePrivate(below);
        break;
    case State::Leaf: now = leafOf(entry->page); break;
    case State::Table: {
        const Pfn table = privateTable(below);
        if (table.v == 0)
            return;
        now = sept::kTable | table.v << 12;
        if (sept::isLeaf(was))
            splitPrivate(table, was, levelOf(below.first));
        break;
    }
    case State::Blocked: now = (wasTable ? sept::kTableBlocked : sept::kBlockedLeaf) | (was & ept::kPfnMask); break;
    }
    if (now != was)
        system_.machine().set(*place, now);
}

void RecordedTables::found(const Finding& finding) {
    const Machine& machine = system_.machine();
    constexpr std::size_t kMost = 10'000;
    if (violations_.size() >= kMost)
        return;
    Violation violation;
    violation.n = machine.steps() - 1;
    violation.rule = Rule::Conforms;
    violation.actor = machine.step(violation.n).actor;
    violation.key = finding.number;
    violation.text = fmt::format("line {}, {}: {}. The rule: {} ({})", finding.line, info(finding.rule).name, finding.text,
                                 info(finding.rule).help, info(finding.rule).function);
    violations_.push_back(std::move(violation));
}

void RecordedTables::withdrawn(u64 number, TraceRule, u32) {
    const auto at = std::lower_bound(violations_.begin(), violations_.end(), number, [](const Violation& v, u64 n) { return v.key < n; });
    if (at != violations_.end() && at->key == number)
        violations_.erase(at);
}

} // namespace mirrorscope
