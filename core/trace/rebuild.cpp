// SPDX-License-Identifier: GPL-3.0-or-later
// What each event does to the tables. Which entry it is about: where.cpp; tables that go: removal.cpp.
#include "trace/rebuild.h"

#include "base/text.h"
#include "system/system.h"

#include <fmt/format.h>

namespace mirrorscope {

Rebuild::Rebuild(const Options& options, TraceWatch* watch) : options_(options), watch_(watch), masks_(traitsOf(VmType::Default).masks) {}

void Rebuild::event(const TraceEvent& e) {
    if (e.task >= tasks_.size())
        tasks_.resize(e.task + 1);
    Task& task = tasks_[e.task];
    switch (e.kind) {
    case TraceKind::SpteChanged: spteChanged(e); break;
    case TraceKind::GetPage: getPage(e); break;
    case TraceKind::PrepareZapPage: prepareZap(e); break;
    case TraceKind::SetSpte: setSpte(e); break;
    case TraceKind::FastPageFault: fastFault(e); break;
    case TraceKind::ZapAllFast: zapAllFast(e); break;
    case TraceKind::PageFault: task.faultAddress = e.c; break;
    default: break;
    }
    if (e.kind != TraceKind::SpteChanged && e.kind != TraceKind::PrepareZapPage)
        finishRemovals(task, e);
    constexpr u64 kLookedEvery = 1024;
    if (event_ % kLookedEvery == 0)
        finishSilent(e);
    task.rootJustMade &= e.kind == TraceKind::GetPage;
    ++event_;
}

// Whatever was done meanwhile: what entries held is not known any more.
void Rebuild::lost(u64, u32) {
    lossy_ = true;
    tables_.forEach([&](const TraceTable& t) { tables_.table(t.id).known.reset(); });
    for (Task& task : tasks_) {
        task.page.reset();
        task.removals.clear();
    }
}

void Rebuild::report(TraceRule rule, const TraceEvent& e, std::string text, std::vector<u32> lines) {
    ++findingCount_;
    discontinuities_ += rule == TraceRule::Discontinuity ? 1 : 0;
    Finding finding{rule, e.line, event_, std::move(text), std::move(lines)};
    if (watch_ != nullptr)
        watch_->found(finding);
    if (findings_.size() < options_.mostFindings)
        findings_.push_back(std::move(finding));
}

// An NPT entry has A where EPT has the memory type of a leaf; a table of the EPT has its A in bit 8.
void Rebuild::learnFormat(u64 spte) {
    if (formatKnown_ || !spte::isPresent(spte))
        return;
    formatKnown_ = true;
    constexpr u64 kLow = npt::kPresent | npt::kWrite | npt::kUser;
    const bool npt = (spte & (spte::kHostWritable | spte::kMmuWritable)) == 0 && (spte & spte::kMemoryType) != spte::kWriteBack &&
                     (spte & (npt::kPresent | npt::kUser)) == (npt::kPresent | npt::kUser) && (spte & 0x138) != 0x100 &&
                     ((spte & kLow) != kLow || (spte & npt::kAccessed) != 0);
    if (npt)
        masks_ = nptMasksUnencrypted();
}

Rebuild::Left Rebuild::left() const {
    Left left;
    tables_.forEach([&](const TraceTable& table) {
        if (table.removed)
            return;
        ++left.tables;
        for (const u64 word : table.words)
            left.entries += spte::isPresent(word) || masks_.isMmio(word) ? 1 : 0;
    });
    return left;
}

std::string Rebuild::valueText(u64 spte, unsigned level) const {
    const Level at = level >= 1 && level <= 5 ? levelOf(level) : Level::k4K;
    if (isFrozen(spte))
        return "frozen";
    if (!spte::isPresent(spte))
        return isNonpresent(spte) || spte == 0 ? "not present" : masks_.isMmio(spte) ? "MMIO" : fmt::format("{:x}, which is nothing", spte);
    if (spte::isTable(spte, at))
        return fmt::format("table {:x}", framePart(spte));
    const u64 rights = masks_.format.rights(spte);
    return fmt::format("leaf {:x} {}{}{}", framePart(spte), (rights & 1) != 0 ? 'r' : '-', (rights & 2) != 0 ? 'w' : '-',
                       (rights & 4) != 0 ? 'x' : '-');
}

std::string Rebuild::entryText(const TraceEvent& e) const {
    return fmt::format("gfn {:x} level {}: {} → {}", e.gfn, e.level, valueText(e.a, e.level), valueText(e.b, e.level));
}

// Levels, and what they are aligned to. False: there is no such entry.
bool Rebuild::placeIsRight(const TraceEvent& e) {
    if (e.level < 1 || e.level > 5 || e.gfn >> 40 != 0) {
        report(TraceRule::Place, e, fmt::format("gfn {:x} level {}: there is no such entry", e.gfn, e.level));
        return false;
    }
    const Level level = levelOf(e.level);
    if ((e.gfn & (pagesPer(level) - 1)) != 0) {
        report(TraceRule::Place, e, fmt::format("gfn {:x} is not aligned to level {}", e.gfn, e.level));
        return false;
    }
    for (const u64 spte : {e.a, e.b})
        if (spte::isLeaf(spte, level) && level > Level::k4K) {
            if (level > Level::k1G)
                report(TraceRule::Place, e, fmt::format("{}: a leaf of level {}", entryText(e), e.level));
            else if ((framePart(spte) & (pagesPer(level) - 1)) != 0)
                report(TraceRule::Place, e,
                       fmt::format("{}: the frame {:x} is not aligned to level {}", entryText(e), framePart(spte), e.level));
            else
                continue;
            break;
        }
    return true;
}

// What a new value can be, whatever the entry held.
void Rebuild::checkValues(const TraceEvent& e) {
    const Level level = levelOf(e.level);
    if (spte::isLeaf(e.b, level)) {
        // A page that access tracking has closed keeps its rights elsewhere.
        const bool host = (e.b & masks_.hostWritable) != 0, mmu = (e.b & masks_.mmuWritable) != 0;
        if (mmu && !host)
            report(TraceRule::Writable, e, fmt::format("{}: MMU-writable, and not host-writable", entryText(e)));
        else if (spte::isWritable(e.b) && !mmu)
            report(TraceRule::Writable, e, fmt::format("{}: writable, and not MMU-writable", entryText(e)));
    } else if (!spte::isPresent(e.b) && !isNonpresent(e.b) && !isFrozen(e.b)) {
        if (!masks_.isMmio(e.b) && formatKnown_)
            report(TraceRule::Value, e,
                   fmt::format("gfn {:x} level {}: {:x} is neither present, nor MMIO, nor frozen", e.gfn, e.level, e.b));
        else if (formatKnown_ && (e.b >> 12 & 0xffffff) != (e.gfn & 0xffffff))
            report(TraceRule::Mmio, e, fmt::format("gfn {:x} level {}: the MMIO entry {:x} is of another gfn", e.gfn, e.level, e.b));
    }
}

void Rebuild::set(TraceTable& table, unsigned index, u64 word, u32 line) {
    ++table.told;
    table.present += (spte::isPresent(word) ? 1 : 0) - (spte::isPresent(table.words[index]) ? 1 : 0);
    table.words[index] = word;
    table.known.set(index);
    table.derived.reset(index);
    table.lines[index] = line;
    if (watch_ != nullptr)
        watch_->entrySet(table, index, word);
}

Rebuild::Held Rebuild::compare(const TraceTable& table, unsigned index, u64 old) const {
    if (!table.known[index])
        return Held::Unknown;
    const u64 held = table.words[index];
    if (held == old)
        return Held::Exact;
    const Level level = table.level;
    if (!spte::isPresent(held) || !spte::isPresent(old) || spte::isLast(held, level) != spte::isLast(old, level))
        return Held::Mismatch;
    u64 silent = spte::adEnabled(held) ? masks_.format.accessed : 0; // the CPU sets it
    const u64 added = old & ~held, taken = held & ~old;
    if (spte::isLast(held, level)) {
        if (spte::adEnabled(held))
            silent |= masks_.format.dirty;
        if (table.derived[index]) // executable again, if large pages are not
            silent |= masks_.format.npt ? 0 : u64{ept::kExec};
        // The fast path gives rights back. Where its lines are recorded they have told so.
        if (!fastTold_ && (held & masks_.hostWritable) != 0 && (held & masks_.mmuWritable) != 0)
            silent |= ept::kWrite;
        if (!fastTold_ && spte::isAccessTracked(held) && (spte::restoreAccessTrack(held) & ~(old & ~u64{ept::kWrite})) == 0)
            return Held::Silent;
    }
    const u64 mayGo = table.derived[index] && masks_.format.npt ? npt::kNoExec : 0;
    return (added & ~silent) == 0 && (taken & ~mayGo) == 0 ? Held::Silent : Held::Mismatch;
}

void Rebuild::spteChanged(const TraceEvent& e) {
    ++transitions_;
    learnFormat(spte::isPresent(e.a) ? e.a : e.b);
    // Before v6.10 what is not present was 0.
    if (!nonpresentKnown_ && (e.a == 0 || e.b == 0 || isNonpresent(e.a) || isNonpresent(e.b))) {
        nonpresentKnown_ = true;
        if ((e.a == 0 || e.b == 0) && options_.kernel == TraceKernel::Any && !(isNonpresent(e.a) || isNonpresent(e.b))) {
            nonpresent_ = 0;
            tables_.forEach([&](const TraceTable& t) { tables_.table(t.id).words.fill(0); });
        }
    }
    if (!placeIsRight(e))
        return;
    if (e.a == e.b) {
        report(TraceRule::NoChange, e, fmt::format("gfn {:x} level {}: {:x} before and after", e.gfn, e.level, e.a));
        return;
    }
    Task& task = tasks_[e.task];
    if (!task.removals.empty() && removedEntry(e, task))
        return;
    checkValues(e);
    Candidate at = choose(e, task);
    if (at.table == nullptr) { // nothing is known of where it is
        const u32 root = inheritRoot(e);
        at.table = &ensureTable(root, levelOf(e.level), e.gfn, e.line);
        at.index = at.table->indexOf(e.gfn);
        at.held = compare(*at.table, at.index, e.a);
    }
    change(e, at);
}

void Rebuild::change(const TraceEvent& e, const Candidate& at) {
    TraceTable& table = *at.table;
    Task& task = tasks_[e.task];
    const Level level = table.level;
    const u64 held = table.words[at.index];
    const std::vector<u32> since = table.toldAt(at.index);
    // One finding a line says it best: what is refused below is not told as a discontinuity as well.
    if (isFrozen(e.a)) {
        report(TraceRule::Frozen, e, fmt::format("{}: nobody changes an entry that is frozen", entryText(e)), since);
    } else if (at.held == Held::Mismatch) {
        const bool same = held == e.b;
        report(TraceRule::Discontinuity, e,
               fmt::format("{}, but it was {}{}", entryText(e), valueText(held, e.level),
                           same                                            ? ": that is told already"
                           : spte::isPresent(held) == spte::isPresent(e.a) ? fmt::format(" ({:x})", held)
                                                                           : ""),
               since);
    } else if (at.held == Held::Unknown && table.lines[at.index] != 0 && held != e.a) {
        ++afterLoss_;
    }
    noteRoot(e, task, table.root);

    const bool wasLeaf = spte::isLeaf(e.a, level), isLeaf = spte::isLeaf(e.b, level);
    const bool wasTable = spte::isTable(e.a, level), isTable = spte::isTable(e.b, level);
    TraceTable* child = nullptr;
    if (wasTable) {
        child = tables_.findByPfn(framePart(e.a));
        if (child == nullptr || child->level != below(level) || child->base != e.gfn)
            child = tables_.find(table.root, below(level), e.gfn);
        if (child != nullptr && child->pfn == TraceTable::kNoPfn)
            tables_.setPfn(*child, framePart(e.a));
    }
    if (wasLeaf && isLeaf && framePart(e.a) != framePart(e.b))
        report(TraceRule::Frame, e, fmt::format("{}: the kernel stops at BUG()", entryText(e)), since);
    if (wasTable && isTable && framePart(e.a) != framePart(e.b))
        report(TraceRule::Table, e, fmt::format("{}: a table for another", entryText(e)), since);
    if (!spte::isPresent(e.a) && !spte::isPresent(e.b) && !isFrozen(e.a) && !isFrozen(e.b) && formatKnown_ && !masks_.isMmio(e.a) &&
        !masks_.isMmio(e.b) && !isNonpresent(e.b))
        report(TraceRule::Value, e, fmt::format("{}: neither is MMIO", entryText(e)), since);
    const TraceRoot& root = tables_.root(table.root);
    if (root.invalid && !spte::isPresent(e.a) && spte::isPresent(e.b) && e.c != 0)
        report(TraceRule::InvalidRoot, e, fmt::format("{}, in a root that is invalid", entryText(e)));

    if (isFrozen(e.b)) {
        // What a table held goes before the table does, in 7.2; before that it is told behind.
        const bool older = options_.kernel != TraceKernel::Any && options_.kernel < TraceKernel::V7_2;
        // The line that unlinked it may be one of those that were lost.
        if (!lossy_ && (older || pagesTold_))
            report(TraceRule::Frozen, e, fmt::format("{}: the table that holds the entry is not being removed", entryText(e)), since);
        else
            startRemoval(task, table, true);
    }
    set(table, at.index, e.b, e.line);
    if (isTable && !(wasTable && framePart(e.a) == framePart(e.b)))
        link(e, table, at.index, e.a);
    if (wasLeaf && isTable)
        ++splits_;
    if (wasTable && isLeaf)
        ++collapses_;
    if (wasTable && !isTable && child != nullptr && !child->removed)
        startRemoval(task, *child, false);
}

// A table begins empty, or as the parts of the huge page that it replaces (tdp_mmu_split_huge_page()).
void Rebuild::link(const TraceEvent& e, TraceTable& parent, unsigned index, u64 before) {
    Task& task = tasks_[e.task];
    const Level level = below(parent.level);
    const u64 pfn = framePart(e.b);
    if (pagesTold_ && !lossy_) {
        if (!task.page)
            report(TraceRule::ChildPage, e, fmt::format("{}: the task has made no page for it", entryText(e)));
        else if (task.page->level != number(level) || task.page->gfn != e.gfn)
            report(TraceRule::ChildPage, e,
                   fmt::format("{}: the page was made for gfn {:x} level {}", entryText(e), task.page->gfn, task.page->level),
                   {task.page->line});
    }
    task.page.reset();
    if (TraceTable* other = tables_.findByPfn(pfn); other != nullptr) {
        if (!lossy_)
            report(TraceRule::Table, e,
                   fmt::format("{}: frame {:x} is the table of gfn {:x} level {} already", entryText(e), pfn, other->base,
                               number(other->level)),
                   {other->line});
        tables_.forgetPfn(*other); // it is somewhere else, or gone
    }
    TraceTable* there = tables_.find(parent.root, level, e.gfn);
    const bool adopted = there != nullptr && there->pfn == TraceTable::kNoPfn;
    if (there != nullptr && !adopted) { // missing lines
        if (watch_ != nullptr)
            watch_->tableGone(*there);
        tables_.drop(there->id);
        there = nullptr;
    }
    TraceTable& child = there != nullptr ? *there : tables_.addTable(parent.root, level, e.gfn, nonpresent_);
    child.parent = parent.id;
    child.index = static_cast<u16>(index);
    child.line = e.line;
    if (adopted) {
        learnFrame(child, pfn);
        return;
    }
    tables_.setPfn(child, pfn);
    if (spte::isLeaf(before, parent.level))
        for (unsigned i = 0; i < 512; ++i) {
            child.words[i] = make_small_spte(masks_, before, level, i);
            child.derived.set(i);
        }
    if (watch_ != nullptr)
        watch_->tableMade(child);
}

void Rebuild::learnFrame(TraceTable& table, u64 pfn) {
    tables_.setPfn(table, pfn);
    if (watch_ == nullptr)
        return;
    watch_->tableMoved(table);
    if (const TraceTable* parent = tables_.parentOf(table); parent != nullptr && !parent->known[table.index])
        watch_->entrySet(*parent, table.index, make_nonleaf_spte(masks_, {pfn}));
}

void Rebuild::getPage(const TraceEvent& e) {
    Task& task = tasks_[e.task];
    if ((e.flags & TraceEvent::kNew) == 0 || e.level < 1 || e.level > 5)
        return;
    if ((e.a & role::kDirect) == 0) {
        ++shadowPages_;
        return;
    }
    pagesTold_ = true;
    bool five = false;
    if (e.level == 4 && task.root)
        five = tables_.root(*task.root).levels == 5 && !tables_.root(*task.root).retired;
    if (e.level < 4 || five) {
        task.page = e;
        return;
    }
    const u32 id = tables_.addRoot(e.level, nonpresent_);
    TraceRoot& root = tables_.root(id);
    root.line = e.line;
    root.mirror = (e.a & role::kMirror) != 0;
    if ((e.a & role::kSmm) != 0)
        root.asId = 1;
    // A TD's mirror root is made first, and the direct one right behind it (mmu_alloc_direct_roots()).
    if (task.rootJustMade && !task.made.empty() && !root.mirror) {
        TraceRoot& before = tables_.root(task.made.back());
        if (!before.retired && !before.mirror && before.levels == root.levels) {
            before.mirror = true;
            if (watch_ != nullptr)
                watch_->rootChanged(before);
        }
        hasMirror_ |= before.mirror;
    }
    hasMirror_ |= root.mirror;
    retireBefore(root);
    task.made.push_back(id);
    task.root = id;
    task.rootJustMade = true;
    if (watch_ != nullptr)
        watch_->rootMade(tables_.root(id), tables_.table(tables_.root(id).table));
}

// The address of an entry tells which page its table is.
void Rebuild::setSpte(const TraceEvent& e) {
    learnFormat(e.a);
    if (e.level < 1 || e.level > 5)
        return;
    const Level level = levelOf(e.level);
    const u64 pfn = framePart(e.b);
    if ((e.b >> 3 & 511) != tableIndex(e.gfn, level)) {
        report(TraceRule::EntryAddress, e,
               fmt::format("gfn {:x} level {} is entry {} of its table, and {:x} is the address of entry {}", e.gfn, e.level,
                           tableIndex(e.gfn, level), e.b, e.b >> 3 & 511));
        return;
    }
    TraceTable* table = tables_.findByPfn(pfn);
    Task& task = tasks_[e.task];
    if (table == nullptr && task.root)
        if (TraceTable* there = tables_.find(*task.root, level, e.gfn); there != nullptr && there->pfn == TraceTable::kNoPfn) {
            // Of the root's own page nothing else tells.
            learnFrame(*there, pfn);
            table = there;
        }
    if (table == nullptr)
        return;
    if (table->level != level || !table->contains(e.gfn)) {
        report(TraceRule::EntryAddress, e,
               fmt::format("{:x} is in the table of gfn {:x} level {}, which has no entry for gfn {:x} level {}", e.b, table->base,
                           number(table->level), e.gfn, e.level),
               {table->line});
        return;
    }
    task.root = table->root;
    const unsigned i = table->indexOf(e.gfn);
    if (!table->known[i]) {
        set(*table, i, e.a, e.line);
    } else if (const Held held = compare(*table, i, e.a); held == Held::Mismatch && spte::isPresent(e.a)) {
        // The line prints what the entry holds by then: a fast page fault may have been between.
        const u64 differs = table->words[i] ^ e.a;
        if ((differs & ~(u64{ept::kWrite} | masks_.format.dirty | masks_.format.accessed)) != 0 || !spte::isPresent(table->words[i])) {
            report(TraceRule::Discontinuity, e,
                   fmt::format("gfn {:x} level {} is {}, and no line told so: it was {}", e.gfn, e.level, valueText(e.a, e.level),
                               valueText(table->words[i], e.level)),
                   table->toldAt(i));
            set(*table, i, e.a, e.line);
        }
    }
}

// fast_page_fault() changes a leaf by one exchange and prints this instead.
void Rebuild::fastFault(const TraceEvent& e) {
    fastTold_ = true;
    if ((e.flags & TraceEvent::kFixed) == 0 || e.a == e.b)
        return;
    ++transitions_;
    const Task& task = tasks_[e.task];
    TraceTable* best = nullptr;
    Held how = Held::Mismatch;
    for (const u32 id : tables_.roots()) {
        const TraceRoot& root = tables_.root(id);
        for (unsigned l = 1; l <= 3; ++l) {
            const Level level = levelOf(l);
            TraceTable* table = tables_.find(root.id, level, e.gfn);
            if (table == nullptr)
                continue;
            const unsigned i = table->indexOf(e.gfn);
            if (table->known[i] && !spte::isLeaf(table->words[i], level))
                continue;
            const Held held = compare(*table, i, e.a);
            if (best == nullptr || held < how || (held == how && task.root == root.id)) {
                best = table;
                how = held;
            }
            break;
        }
    }
    if (best == nullptr)
        return; // before anything else was told of it
    const unsigned i = best->indexOf(e.gfn);
    if (how == Held::Mismatch)
        report(TraceRule::Discontinuity, e,
               fmt::format("fast page fault at gfn {:x}: {} → {}, but it was {}", e.gfn, valueText(e.a, number(best->level)),
                           valueText(e.b, number(best->level)), valueText(best->words[i], number(best->level))),
               {best->lines[i]});
    if (framePart(e.a) != framePart(e.b) || (spte::isPresent(e.a) && !spte::isPresent(e.b)))
        report(TraceRule::Frame, e, fmt::format("fast page fault at gfn {:x}: {:x} → {:x}", e.gfn, e.a, e.b));
    set(*best, i, e.b, e.line);
}

} // namespace mirrorscope
