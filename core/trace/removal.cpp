// SPDX-License-Identifier: GPL-3.0-or-later
// Tables that go (Linux v6.16 tdp_mmu.c: handle_removed_pt()). The task that has unlinked a table freezes its entries one after the other:
// with mmu_lock held for writing those that are present, with it held for reading all 512; what they led to goes in the same way, at once.
#include "kvm/types.h"
#include "trace/rebuild.h"

#include <fmt/format.h>

namespace mirrorscope {

void Rebuild::startRemoval(const TraceEvent& e, TraceTable& table, bool early) {
    if (table.removed)
        return; // by another task, which is at it
    table.removed = true;
    tables_.unlink(table);
    Task& task = tasks_[e.task];
    if (task.removals.empty())
        removers_.push_back(e.task);
    const bool told = isZapOf(task, table);
    task.zap.reset();
    task.removals.push_back({.table = table.id, .prepared = told, .early = early, .unsure = early && task.fresh, .last = event_});
}

// Is what the task has told of last that this table goes?
bool Rebuild::isZapOf(const Task& task, const TraceTable& table) const {
    return task.zap && levelOf(task.zap->level) == table.level && tables_.placedIn(table, task.zap->gfn) == table.base;
}

u64 Rebuild::unfinished() const {
    u64 n = 0;
    for (const u32 task : removers_)
        for (const Removal& removal : tasks_[task].removals)
            n += missing(removal, tables_.table(removal.table), 512).count > 0 ? 1 : 0;
    return n;
}

// A task that never does anything else has no line that would end its removals: after a while they are over.
void Rebuild::finishSilent(const TraceEvent& e) {
    constexpr u64 kSilent = 4096; // events
    for (const u32 id : std::vector<u32>(removers_))
        if (Task& task = tasks_[id]; !task.removals.empty() && event_ - task.removals.back().last > kSilent)
            finishRemovals(task, e);
}

// True: the change is one of an entry of a table that the task takes apart.
bool Rebuild::removedEntry(const TraceEvent& e, Task& task) {
    const auto holds = [&](const Removal& removal) {
        const TraceTable& table = tables_.table(removal.table);
        return table.level == levelOf(e.level) && table.contains(tables_.placedIn(table, e.gfn));
    };
    // The innermost that can hold it; what is below is done.
    std::size_t depth = task.removals.size();
    while (depth > 0 && !holds(task.removals[depth - 1]))
        --depth;
    if (depth == 0 || !isFrozen(e.b)) {
        if (named(e))
            finishRemovals(task, e);
        return false;
    }
    finishRemovals(task, e, depth);
    Removal& removal = task.removals.back();
    TraceTable& table = tables_.table(removal.table);
    const u64 gfn = tables_.placedIn(table, e.gfn);
    const unsigned i = table.indexOf(gfn);
    removal.shared |= !spte::isPresent(e.a);
    if (i < removal.next) {
        report(TraceRule::Removed, e,
               fmt::format("{}: it went already, the next one is that of gfn {:x}", entryText(e), table.gfnOf(removal.next)),
               table.toldAt(i));
    } else {
        if (const Missing gone = missing(removal, table, i); gone.count > 0)
            report(TraceRule::Removed, e,
                   fmt::format("{}: {} entries before it went without a line, that of gfn {:x} the first", entryText(e), gone.count,
                               table.gfnOf(gone.first)),
                   table.toldAt(gone.first));
        const Held held = compare(table, i, e.a);
        if (held == Held::Mismatch)
            report(TraceRule::Discontinuity, e, mismatchText(e, table.words[i]), table.toldAt(i));
        removal.next = i + 1;
        removal.last = event_;
        if (tables_.root(table.root).mirror)
            calls_.mirrorChanged(e, table.level);
    }
    TraceTable* child = nullptr;
    if (spte::isTable(e.a, table.level)) {
        child = tables_.findByPfn(framePart(e.a));
        if (child == nullptr)
            child = tables_.find(table.root, below(table.level), gfn);
    }
    set(table, i, e.b, e.line);
    if (child != nullptr && !child->removed && child->level == below(table.level))
        startRemoval(e, *child, false);
    return true;
}

Rebuild::Missing Rebuild::missing(const Removal& removal, const TraceTable& table, unsigned end) {
    Missing gone;
    if (table.vague)
        return gone;
    for (unsigned k = removal.next; k < end; ++k)
        if (table.knows(k) && (spte::isPresent(table.words[k]) || (removal.shared && !removal.early))) {
            gone.first = std::min(gone.first, k);
            ++gone.count;
        }
    return gone;
}

void Rebuild::finishRemovals(Task& task, const TraceEvent& next, std::size_t upTo) {
    while (task.removals.size() > upTo) {
        const Removal removal = task.removals.back();
        task.removals.pop_back();
        if (task.removals.empty())
            std::erase(removers_, static_cast<u32>(&task - tasks_.data()));
        if (const TraceTable& table = tables_.table(removal.table); removal.early && removal.prepared)
            task.apart = {table.root, table.level, table.base};
        finishRemoval(removal, next);
    }
}

// `next` is what the task does then: all of it must have been told by now.
void Rebuild::finishRemoval(const Removal& removal, const TraceEvent& next) {
    const TraceTable& table = tables_.table(removal.table);
    if (removalsTold_ && !removal.prepared && !removal.unsure && !removal.silent && named(next))
        report(
            TraceRule::Removed, next,
            fmt::format("the table of gfn {:x} level {} is gone, and no kvm_mmu_prepare_zap_page told so", table.base, number(table.level)),
            {table.line});
    if (const Missing gone = missing(removal, table, 512); gone.count > 0 && named(next))
        report(TraceRule::Removed, next,
               fmt::format("the table of gfn {:x} level {} is gone, and of {} of its entries no line told so, that of gfn {:x} the first",
                           table.base, number(table.level), gone.count, table.gfnOf(gone.first)),
               table.toldAt(gone.first));
    if (const TraceTable* parent = removal.early && !removal.unsure ? tables_.parentOf(table) : nullptr) {
        const bool unlinks =
            next.kind == TraceKind::SpteChanged && next.level == number(parent->level) && tables_.placedIn(table, next.gfn) == table.base;
        if (!unlinks && named(next) && !parent->removed && parent->knows(table.index) &&
            spte::isTable(parent->words[table.index], parent->level))
            report(
                TraceRule::Removed, next,
                fmt::format("the table of gfn {:x} level {} was taken apart, and no line has unlinked it", table.base, number(table.level)),
                {table.line});
    }
    // What hung below it without having been told goes with it.
    for (unsigned k = 0; k < 512; ++k)
        if (table.level > Level::k4K)
            if (TraceTable* child = tables_.find(table.root, below(table.level), table.gfnOf(k));
                child != nullptr && child->parent == table.id && !child->removed) {
                child->removed = true;
                tables_.unlink(*child);
                finishRemoval({.table = child->id, .next = 512, .silent = true}, next);
            }
    if (watch_ != nullptr)
        watch_->tableGone(table);
    tables_.drop(removal.table);
}

// The first thing that handle_removed_pt() does.
void Rebuild::prepareZap(const TraceEvent& e) {
    removalsTold_ = true;
    if ((e.a & role::kDirect) == 0 || e.level < 1 || e.level > 4)
        return;
    Task& task = tasks_[e.task];
    const Level level = levelOf(e.level);
    if (!task.removals.empty()) {
        Removal& removal = task.removals.back();
        const TraceTable& table = tables_.table(removal.table);
        if (table.level == level && table.base == tables_.placedIn(table, e.gfn) && !removal.prepared) {
            removal.prepared = true;
            toldBehind_ |= !removal.early;
            return;
        }
    }
    // Nobody has unlinked it: from 7.2 on that is told last.
    unsigned several = 0;
    const auto find = [&] {
        TraceTable* found = nullptr;
        several = 0;
        for (const u32 id : tables_.roots())
            if (TraceTable* table = tables_.find(id, level, tables_.root(id).placed(e.gfn));
                table != nullptr && table->base == tables_.root(id).placed(e.gfn) && table->parent != TraceTable::kNone) {
                ++several;
                if (found == nullptr || task.root == id)
                    found = table;
            }
        return found;
    };
    TraceTable* found = find();
    if (found == nullptr)
        return;
    // Below the one that is being taken apart, or the next one.
    if (task.removals.empty() || found->parent != task.removals.back().table) {
        if (named(e))
            finishRemovals(task, e);
        found = find();
        if (several > 1)
            task.zap = e;
        if (several != 1)
            return;
    }
    // A kernel has one order or the other.
    const bool sure = named(e) && !task.fresh && !tables_.root(found->root).inherited;
    if (sure && (toldBehind_ || unlinksFirst()))
        report(TraceRule::RemovalOrder, e,
               fmt::format("the table of gfn {:x} level {} is taken apart, and no line has unlinked it", e.gfn, e.level), {found->line});
    startRemoval(e, *found, true);
    task.removals.back().prepared = true;
}

} // namespace mirrorscope
