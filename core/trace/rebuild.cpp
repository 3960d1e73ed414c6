// SPDX-License-Identifier: GPL-3.0-or-later
// What each event does to the tables. Which entry it is about: where.cpp; what it can hold: values.cpp; tables that go: removal.cpp.
#include "trace/rebuild.h"

#include "base/text.h"
#include "system/system.h"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace mirrorscope {

Rebuild::Rebuild(const Options& options, TraceWatch* watch)
    : options_(options), watch_(watch),
      calls_(
          options.kernel == TraceKernel::Any ? std::nullopt : std::optional(options.kernel >= TraceKernel::V7_2),
          [this](TraceRule rule, const TraceEvent& e, std::string text, std::vector<u32> lines) {
              report(rule, e, std::move(text), std::move(lines));
          },
          [this](const PrivateEntry* entry) {
              if (watch_ != nullptr)
                  watch_->privateChanged(entry);
          }),
      masks_(traitsOf(VmType::Default).masks) {}

void Rebuild::event(const TraceEvent& e) {
    if (full_ != 0)
        return;
    try {
        happened(e);
    } catch (const std::length_error&) {
        full_ = std::max(1u, e.line);
    }
}

void Rebuild::happened(const TraceEvent& e) {
    if (e.task >= tasks_.size())
        tasks_.resize(e.task + 1);
    // What a CPU did before its buffer begins is not told.
    if (beginning_ != 0 && !cpus_[e.cpu % cpus_.size()]) {
        cpus_.set(e.cpu % cpus_.size());
        --beginning_;
        forgetAll();
    }
    constexpr u64 kIdle = 20'000; // events; a CPU that has printed none of them does nothing here
    if (event_ == kIdle)
        beginning_ = 0;
    Task& task = tasks_[e.task];
    const bool ofTables = e.kind == TraceKind::SpteChanged || e.kind == TraceKind::PrepareZapPage;
    if (task.unmap && named(e) && !ofTables)
        notifierEnds(e, *std::exchange(task.unmap, std::nullopt));
    switch (e.kind) {
    case TraceKind::SpteChanged: spteChanged(e); break;
    case TraceKind::GetPage: getPage(e); break;
    case TraceKind::PrepareZapPage: prepareZap(e); break;
    case TraceKind::SetSpte: setSpte(e); break;
    case TraceKind::FastPageFault: fastFault(e); break;
    case TraceKind::ZapAllFast: zapAllFast(e); break;
    case TraceKind::UnmapHva: task.unmap = e; break;
    case TraceKind::MemoryRegion: slots_.region(e); break;
    case TraceKind::Seamcall: calls_.called(e); break;
    case TraceKind::SeamcallStatus: calls_.answered(e); break;
    case TraceKind::PageFault: task.faultAddress = e.c, task.faultKnown = true; [[fallthrough]];
    case TraceKind::Entry:
    case TraceKind::Exit:
    case TraceKind::UserspaceExit:
        task.atFault = e.kind == TraceKind::PageFault;
        calls_.operationEnds(e);
        break;
    default: break;
    }
    const bool probe = e.kind == TraceKind::Seamcall || e.kind == TraceKind::SeamcallStatus; // in the middle of whatever else it does
    if (!ofTables && !probe)
        finishRemovals(task, e);
    constexpr u64 kLookedEvery = 1024;
    if (event_ % kLookedEvery == 0)
        finishSilent(e);
    if (e.kind != TraceKind::GetPage && !probe)
        task.direct.reset();
    // Only who is still taking tables apart may have begun with that before.
    task.zapsInvalid &= probe || ofTables || e.kind == TraceKind::ZapAllFast;
    task.fresh &= probe || e.kind == TraceKind::PrepareZapPage || (e.kind == TraceKind::SpteChanged && isFrozen(e.b));
    ++event_;
    if (e.cpu >= behind_.size())
        behind_.resize(e.cpu + 1u);
    behind_[e.cpu] = event_;
}

// What is missing was done behind the last event of that CPU, and the recording tells so with its next one only: each line that other CPUs
// have printed between the two may have met it.
void Rebuild::lost(const TraceLoss& loss) {
    lost_ = true;
    if (loss.cpusBegin != 0)
        beginning_ = loss.cpusBegin;
    else if (loss.cpu < behind_.size())
        withdraw(behind_[loss.cpu]);
    else // whose they are is not told, or it was silent so far
        withdraw(0);
    forgetAll();
}

void Rebuild::withdraw(u64 fromEvent) {
    const auto from = std::lower_bound(findings_.begin(), findings_.end(), fromEvent, [](const Finding& f, u64 e) { return f.event < e; });
    findings_.erase(std::remove_if(from, findings_.end(), [](const Finding& f) { return !info(f.rule).byTheLine; }), findings_.end());
    for (; !doubtable_.empty() && doubtable_.back().event >= fromEvent; doubtable_.pop_back()) {
        const Doubtable& finding = doubtable_.back();
        ++withdrawn_;
        if (finding.rule == TraceRule::Discontinuity) {
            --discontinuities_;
            ++afterLoss_;
        }
        if (watch_ != nullptr)
            watch_->withdrawn(finding.number, finding.rule, finding.line);
    }
}

// Whatever was done meanwhile: what entries held is not known any more.
void Rebuild::forgetAll() {
    tables_.forgetAll();
    calls_.lost();
    slots_.lost();
    rootTold_ = false; // not of all
    for (Task& task : tasks_) {
        task.page.reset();
        task.direct.reset();
        task.unmap.reset();
        task.removals.clear();
        task.fresh = true;
        task.zap.reset();
        task.apart.reset();
        task.faultKnown = false;
    }
    removers_.clear();
}

void Rebuild::report(TraceRule rule, const TraceEvent& e, std::string text, std::vector<u32> lines) {
    // What other CPUs did meanwhile is not told: only what no line could make right is wrong.
    // And a TD's two trees are not told apart where no line has told of both roots.
    const bool oneOfTwo = hasMirror_ ? lost_ : tdLike_ || (!leafTold_ && !rootTold_);
    if ((beginning_ != 0 || oneOfTwo) && !info(rule).byTheLine)
        return;
    discontinuities_ += rule == TraceRule::Discontinuity ? 1 : 0;
    constexpr std::size_t kMost = 1 << 21;
    if (!info(rule).byTheLine && doubtable_.size() < kMost)
        doubtable_.push_back({event_, found_, e.line, rule});
    Finding finding{found_++, rule, e.line, event_, std::move(text), std::move(lines)};
    if (watch_ != nullptr)
        watch_->found(finding);
    if (findings_.size() < options_.mostFindings)
        findings_.push_back(std::move(finding));
}

std::string Rebuild::notCheckedText() const {
    return slots_.told() ? ""
                         : std::string("Not checked: that a notifier's zap covers its range, since ") +
                               (slots_.several() ? "there are several VMs." : "no line tells the memslots.");
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

void Rebuild::set(TraceTable& table, unsigned index, u64 word, u32 line) {
    ++table.told;
    table.present += (spte::isPresent(word) ? 1 : 0) - (spte::isPresent(table.words[index]) ? 1 : 0);
    table.words[index] = word;
    table.know(index);
    table.derived.reset(index);
    table.lines[index] = line;
    if (watch_ != nullptr)
        watch_->entrySet(table, index, word);
}

void Rebuild::spteChanged(const TraceEvent& e) {
    ++transitions_;
    learnFormat(e.a);
    learnFormat(e.b);
    learnNonpresent(e);
    if (!placeIsRight(e))
        return;
    leafTold_ |= spte::isLeaf(e.a, levelOf(e.level)) || spte::isLeaf(e.b, levelOf(e.level));
    for (const u64 spte : {e.a, e.b})
        tdLike_ |=
            spte::isLeaf(spte, levelOf(e.level)) && (spte & (spte::kMemoryType | spte::kIpat)) == spte::kWriteBack && !masks_.format.npt;
    Task& task = tasks_[e.task];
    if (e.a == e.b) {
        if (!agedTwice(e, choose(e, task)))
            report(TraceRule::NoChange, e, fmt::format("gfn {:x} level {}: {:x} before and after", e.gfn, e.level, e.a));
        return;
    }
    if (!task.removals.empty() && removedEntry(e, task))
        return;
    // A notifier that ages without a lock takes that bit of whatever the entry has become, also of a frozen one (kvm_tdp_mmu_age_spte(),
    // since v6.15).
    if (agesWithoutLock() && isFrozen(e.a) && e.b == (e.a & ~masks_.format.accessed))
        return;
    Candidate at = choose(e, task);
    if (at.table == nullptr) { // nothing is known of where it is
        const u32 root = inheritRoot(e);
        at.table = &ensureTable(root, levelOf(e.level), e.gfn, e.line);
        at = candidateAt(*at.table, e);
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
        report(TraceRule::Discontinuity, e, mismatchText(e, held), since);
    } else if (at.held == Held::Unknown && table.lines[at.index] != 0 && held != e.a) {
        ++afterLoss_;
    }
    noteRoot(e, task, table.root);
    if (at.held <= Held::Silent && !at.doubtful)
        noteIn(task.touched, table.root);
    const TraceRoot& root = tables_.root(table.root);
    checkValue(e, level, root);
    checkRewrite(e, level, since);

    const bool wasLeaf = spte::isLeaf(e.a, level), isLeaf = spte::isLeaf(e.b, level);
    const bool wasTable = spte::isTable(e.a, level), isTable = spte::isTable(e.b, level);
    if (root.mirror && !at.doubtful && !table.vague)
        calls_.mirrorChanged(e, level);
    TraceTable* child = nullptr;
    if (wasTable) {
        child = tables_.findByPfn(framePart(e.a));
        const u64 gfn = root.placed(e.gfn);
        if (child == nullptr || child->level != below(level) || child->base != gfn)
            child = tables_.find(table.root, below(level), gfn);
        const bool isApart = std::exchange(task.apart, std::nullopt) == std::tuple(table.root, below(level), gfn);
        if (child == nullptr && level > Level::k4K && !isApart) // it was, though no line that is there has linked it
            child = &ensureTable(table.root, below(level), gfn, e.line);
        if (child != nullptr && child->pfn == TraceTable::kNoPfn)
            tables_.setPfn(*child, framePart(e.a));
    }
    if (wasTable && isTable && framePart(e.a) != framePart(e.b))
        report(TraceRule::Table, e, fmt::format("{}: a table for another", entryText(e)), since);
    if (isLeaf && child != nullptr)
        checkCollapse(e, *child);
    // Of an entry whose address was told, or that held just that, it is sure in which root it is.
    const bool certain = e.c != 0 || at.held == Held::Exact;
    if (root.invalid && certain && !spte::isPresent(e.a) && spte::isPresent(e.b))
        report(TraceRule::InvalidRoot, e, fmt::format("{}, in a root that is invalid", entryText(e)));

    if (isFrozen(e.b)) {
        // What a table held goes before the table does, in 7.2; before that it is told behind.
        // The line that unlinked it may be one that is not there.
        if (!task.fresh && named(e) && (unlinksFirst() || removalsTold_) && !isZapOf(task, table))
            report(TraceRule::Frozen, e, fmt::format("{}: the table that holds the entry is not being removed", entryText(e)), since);
        else
            startRemoval(e, table, true);
    }
    set(table, at.index, e.b, e.line);
    if (at.doubtful)
        table.forget(at.index);
    else if (isLeaf && !table.vague && !tables_.root(table.root).adKind)
        tables_.root(table.root).adKind = e.b & spte::kAdMask;
    if (isLeaf && level == Level::k4K)
        checkNoTable(e, framePart(e.b));
    if (isTable && !(wasTable && framePart(e.a) == framePart(e.b)))
        link(e, table, at.index, e.a).vague = at.doubtful || table.vague;
    if (wasLeaf && isTable)
        ++splits_;
    if (wasTable && isLeaf)
        ++collapses_;
    if (wasTable && !isTable && child != nullptr && !child->removed)
        startRemoval(e, *child, false);
    task.zap.reset(); // what follows something else says nothing of it
}

// A table begins empty, or as the parts of the huge page that it replaces (tdp_mmu_split_huge_page()).
TraceTable& Rebuild::link(const TraceEvent& e, TraceTable& parent, unsigned index, u64 before) {
    Task& task = tasks_[e.task];
    const Level level = below(parent.level);
    const u64 pfn = framePart(e.b);
    const u64 gfn = tables_.placedIn(parent, e.gfn);
    const bool tookForRoot = !task.page && level == Level::k512G && !task.made.empty() && task.direct &&
                             tables_.table(tables_.root(task.made.back()).table).told == 0;
    if (tookForRoot) { // of a tree of five levels whose root is older than the recording
        retire(task.made.back());
        task.made.pop_back();
    } else if (pagesTold_ && named(e)) {
        if (!task.page && task.fresh)
            ; // the page was made before
        else if (!task.page)
            report(TraceRule::ChildPage, e, fmt::format("{}: the task has made no page for it", entryText(e)));
        else if (task.page->level != number(level) || task.page->gfn != e.gfn)
            report(TraceRule::ChildPage, e,
                   fmt::format("{}: the page was made for gfn {:x} level {}", entryText(e), task.page->gfn, task.page->level),
                   {task.page->line});
    }
    task.page.reset();
    task.direct.reset();
    task.perhapsRoot.reset();
    if (TraceTable* other = tables_.findByPfn(pfn); other != nullptr) {
        const TraceTable* above = tables_.parentOf(*other);
        if (above != nullptr && above->knows(other->index))
            report(TraceRule::Table, e,
                   fmt::format("{}: frame {:x} is the table of gfn {:x} level {} already", entryText(e), pfn, other->base,
                               number(other->level)),
                   {other->line});
        tables_.forgetPfn(*other); // it is somewhere else, or gone
    }
    TraceTable* there = tables_.find(parent.root, level, gfn);
    const bool adopted = there != nullptr && there->pfn == TraceTable::kNoPfn;
    if (there != nullptr && !adopted) { // missing lines
        if (watch_ != nullptr)
            watch_->tableGone(*there);
        tables_.drop(there->id);
        there = nullptr;
    }
    TraceTable& child = there != nullptr ? *there : tables_.addTable(parent.root, level, gfn, nonpresent_);
    child.parent = parent.id;
    child.index = static_cast<u16>(index);
    child.line = e.line;
    if (adopted) {
        learnFrame(child, pfn);
        return child;
    }
    tables_.setPfn(child, pfn);
    if (spte::isLeaf(before, parent.level))
        for (unsigned i = 0; i < 512; ++i) {
            child.words[i] = make_small_spte(masks_, before, level, i);
            child.derived.set(i);
        }
    if (watch_ != nullptr)
        watch_->tableMade(child);
    return child;
}

void Rebuild::learnFrame(TraceTable& table, u64 pfn) {
    tables_.setPfn(table, pfn);
    if (watch_ == nullptr)
        return;
    watch_->tableMoved(table);
    if (const TraceTable* parent = tables_.parentOf(table); parent != nullptr && !parent->knows(table.index))
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
    // One of level 4 that leads to more before it was linked was a root, and so was the first of two.
    if (task.perhapsRoot && (e.level == 3 || e.level == 4))
        makeRoot(*std::exchange(task.perhapsRoot, std::nullopt));
    if (e.level < 4 || isChildOfFive(e, task)) {
        task.page = e;
        if (e.level == 4 && e.gfn == 0)
            task.perhapsRoot = e;
        return;
    }
    makeRoot(e);
}

void Rebuild::makeRoot(const TraceEvent& e) {
    Task& task = tasks_[e.task];
    rootTold_ = true;
    const u32 id = tables_.addRoot(e.level, nonpresent_);
    TraceRoot& root = tables_.root(id);
    root.line = e.line;
    root.mirror = (e.a & role::kMirror) != 0;
    if ((e.a & role::kSmm) != 0)
        root.asId = 1;
    takeForTd(e, task, root);
    retireBefore(root);
    task.made.push_back(id);
    task.root = id;
    task.direct = e;
    if (watch_ != nullptr)
        watch_->rootMade(tables_.root(id), tables_.table(tables_.root(id).table));
}

// The table that is that page, by the address of an entry; if no line told yet, that of `root`. Of a root's own page nothing else tells.
TraceTable* Rebuild::tableIn(u64 pfn, const TraceEvent& e, std::optional<u32> root) {
    TraceTable* table = tables_.findByPfn(pfn);
    if (table != nullptr || !root)
        return table;
    TraceTable* there = tables_.find(*root, levelOf(e.level), tables_.root(*root).placed(e.gfn));
    if (there == nullptr || there->pfn != TraceTable::kNoPfn)
        return nullptr;
    learnFrame(*there, pfn);
    return there;
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
    Task& task = tasks_[e.task];
    TraceTable* table = tableIn(pfn, e, task.root);
    if (table == nullptr)
        return;
    const u64 gfn = tables_.placedIn(*table, e.gfn);
    if (table->level != level || !table->contains(gfn)) {
        report(TraceRule::EntryAddress, e,
               fmt::format("{:x} is in the table of gfn {:x} level {}, which has no entry for gfn {:x} level {}", e.b, table->base,
                           number(table->level), e.gfn, e.level),
               {table->line});
        return;
    }
    task.root = table->root;
    if (!table->vague)
        noteIn(task.worked, table->root);
    const unsigned i = table->indexOf(gfn);
    if (!table->knows(i)) {
        set(*table, i, e.a, e.line);
    } else if (const Held held = compare(*table, i, e.a); held == Held::Mismatch && spte::isPresent(e.a)) {
        // The line prints what the entry holds by then: a fast page fault may have been between.
        const u64 differs = table->words[i] ^ e.a;
        // Whatever the bits: another CPU's line of it may follow.
        if (spte::isLeaf(table->words[i], level) && spte::isLeaf(e.a, level) && framePart(differs) == 0) {
            table->forget(i);
        } else if (differs != 0) {
            report(TraceRule::Discontinuity, e,
                   fmt::format("gfn {:x} level {} is {}, and no line told so: it was {}", e.gfn, e.level, valueText(e.a, e.level),
                               valueText(table->words[i], e.level)),
                   table->toldAt(i));
            set(*table, i, e.a, e.line);
        }
    }
}

// fast_page_fault() changes a leaf by one exchange and prints this instead: what it met, and what the entry holds by the time of printing,
// which may be another CPU's work.
void Rebuild::fastFault(const TraceEvent& e) {
    fastTold_ = true;
    if ((e.flags & TraceEvent::kFixed) == 0 || e.a == e.b)
        return;
    ++transitions_;
    if (!spte::isPresent(e.a)) {
        report(TraceRule::Value, e,
               fmt::format("fast page fault at gfn {:x}: {:x} → {:x}: it leaves alone what is not present", e.gfn, e.a, e.b));
        return;
    }
    const Candidate best = chooseLeaf(e, tasks_[e.task]);
    if (best.table == nullptr)
        return; // before anything else was told of it
    TraceTable& table = *best.table;
    const Level level = table.level;
    const u64 held = table.words[best.index];
    const std::vector<u32> since = table.toldAt(best.index);
    const auto text = [&](u64 spte) { return valueText(spte, number(level)); };
    const auto tell = [&](TraceRule rule, std::string_view why) {
        report(rule, e, fmt::format("fast page fault at gfn {:x}: {} → {}{}", e.gfn, text(e.a), text(e.b), why), since);
    };
    if (best.held == Held::Mismatch)
        tell(TraceRule::Discontinuity, ", but it was " + text(held));
    u64 after = e.b;
    if (!spte::isLeaf(e.b, level) || framePart(e.a) != framePart(e.b)) {
        after = e.a | (masks_.isMmuWritable(e.a) ? u64{ept::kWrite} : 0); // it is somebody else's by then
    } else if (formatKnown_) {
        if (spte::isWritable(e.b) && !masks_.isMmuWritable(e.b))
            tell(TraceRule::Writable, ": writable, and not MMU-writable");
        const u64 rights = masks_.format.npt ? npt::kPresent | npt::kUser | npt::kNoExec : ept::kRead | ept::kExec | spte::kSavedBits;
        const u64 changes = (spte::isAccessTracked(e.a) || spte::isAccessTracked(e.b) ? rights : 0) | u64{ept::kWrite} |
                            masks_.format.accessed | masks_.format.dirty | masks_.hostWritable | masks_.mmuWritable;
        if (((e.a ^ e.b) & ~changes) != 0)
            report(TraceRule::Value, e,
                   fmt::format("fast page fault at gfn {:x}: {:x} → {:x}: it gives rights back and changes nothing else", e.gfn, e.a, e.b),
                   since);
    }
    set(table, best.index, after, e.line);
    if (best.doubtful)
        table.forget(best.index);
}

} // namespace mirrorscope
