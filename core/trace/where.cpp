// SPDX-License-Identifier: GPL-3.0-or-later
// Which entry a line is about: the lines name no root.
#include "machine/config.h"
#include "trace/rebuild.h"

#include <algorithm>
#include <utility>

namespace mirrorscope {

namespace {
bool ofTd(const TraceRoot& root) { return root.mirror || root.alias != 0; }
bool has(const std::vector<u32>& roots, u32 root) { return std::find(roots.begin(), roots.end(), root) != roots.end(); }
} // namespace

// Did the task's last fault come in at the shared alias of that gfn? Who maps for no fault, as KVM_PRE_FAULT_MEMORY does, has told the
// private table before its line, or does not mean that one; nothing: a release that may print its line first.
std::optional<bool> Rebuild::isShared(const TraceEvent& e, const Task& task) const {
    if (!task.atFault)
        if (const auto followed = calls_.hasFollowed(e, levelOf(e.level)))
            return *followed || unlinksFirst() ? std::optional(!*followed) : std::nullopt;
    const u64 gfn = task.faultAddress >> 12;
    return (gfn & (gfnDirectBits(4) | gfnDirectBits(5))) != 0 || (e.gfn & gfnDirectBits(4)) != 0;
}

Rebuild::Candidate Rebuild::candidateAt(TraceTable& table, const TraceEvent& e) const {
    Candidate c{&table, table.indexOf(tables_.placedIn(table, e.gfn)), Held::Mismatch};
    c.held = compare(table, c.index, e.a);
    return c;
}

Rebuild::Candidate Rebuild::inRemoval(const TraceEvent& e, const Task& own) {
    for (const u32 id : removers_)
        for (const Removal& removal : tasks_[id].removals) {
            TraceTable& table = tables_.table(removal.table);
            if (&tasks_[id] == &own || table.level != levelOf(e.level) || !table.contains(tables_.placedIn(table, e.gfn)))
                continue;
            const Candidate c = candidateAt(table, e);
            const bool told = e.kind == TraceKind::SpteChanged && e.c != 0 && framePart(e.c) == table.pfn;
            if (c.index >= removal.next && (told || c.held == Held::Exact || c.held == Held::Silent))
                return c;
        }
    return {};
}

// Nothing that was told speaks against a table at that place.
bool Rebuild::mayBeLinked(const TraceRoot& root, Level level, u64 gfn) {
    while (number(level) < root.levels) {
        level = above(level);
        if (const TraceTable* upper = tables_.find(root.id, level, gfn))
            return !upper->knows(upper->indexOf(gfn));
    }
    return false;
}

Rebuild::Candidate Rebuild::choose(const TraceEvent& e, const Task& task) {
    const Level level = levelOf(e.level);
    // The address of the entry was told: there is no doubt, if that page is known.
    if (e.c != 0) {
        const bool madeIt = task.root && has(task.made, *task.root);
        if (TraceTable* table = tableIn(framePart(e.c), e, madeIt ? task.root : std::nullopt);
            table != nullptr && table->level == level && table->contains(tables_.placedIn(*table, e.gfn)))
            return candidateAt(*table, e);
    }
    // A table is in one place only.
    if (spte::isTable(e.a, level))
        if (const TraceTable* child = tables_.findByPfn(framePart(e.a));
            child != nullptr && child->level == below(level) && child->base == tables_.placedIn(*child, e.gfn))
            if (TraceTable* parent = tables_.parentOf(*child); parent != nullptr && parent->level == level && parent->contains(child->base))
                return candidateAt(*parent, e);
    const Candidate going = inRemoval(e, task);

    Candidate best;
    u32 bestRoot = 0;
    std::optional<int> score;
    fits_.clear();
    trees_.clear();
    const std::optional<bool> shared = isShared(e, task);
    const bool stranger = task.made.empty() && task.worked.empty() && task.touched.empty();
    const bool rootsTold = rootTold_ || tables_.roots().size() == 1;
    for (const u32 id : tables_.roots()) {
        const TraceRoot& root = tables_.root(id);
        if (root.levels < e.level || (root.asId && *root.asId != e.asId))
            continue;
        TraceTable* table = tables_.find(root.id, level, root.placed(e.gfn));
        const bool another = otherKind(e, root);
        Candidate c;
        int s = 0;
        if (table != nullptr) {
            c = candidateAt(*table, e);
            // What is unknown of where another table hangs is hardly this.
            const bool hangs = c.held == Held::Unknown && level > Level::k4K && !spte::isTable(e.a, level) && hangsBelow(*table, c.index);
            constexpr int kHardly = 11;
            s = c.held == Held::Mismatch ? 8 : hangs ? kHardly : c.held == Held::Unknown ? 32 : 64;
            const bool mayBe = c.held <= Held::Silent || (c.held == Held::Unknown && root.vague);
            if (mayBe && !(root.invalid && !spte::isPresent(e.a)) && !another)
                fits_.push_back(c);
            if (ofTd(root) && c.held != Held::Mismatch)
                trees_.push_back(c);
        } else if (root.inherited) {
            s = 16; // it may be there
        } else if (root.vague) {
            s = 24; // more than a mismatch in one that the task knows
        }
        if (another)
            s -= 40;
        // More than whether it may be in a root of which nothing is known.
        if (c.table != nullptr && c.held == Held::Mismatch && knows(task, root.id) && rootsTold)
            s += 12;
        if (task.root == root.id)
            s += 4;
        else if (has(task.made, root.id))
            s += 2;
        // Only what is mapped already is left in a root that is invalid.
        constexpr int kNotThere = 20; // more than who worked on it, less than what the entry held
        if (root.invalid && !spte::isPresent(e.a))
            s -= kNotThere;
        // Right behind the line that made roots invalid those are zapped.
        if (root.invalid && task.zapsInvalid && !spte::isPresent(e.b))
            s += kNotThere;
        // Of the two trees of a TD: by where the fault was, or by what the private table was told.
        if (hasMirror_ && !spte::isPresent(e.a) && ofTd(root) && root.mirror != shared.value_or(false) &&
            (stranger || knows(task, root.id)))
            s += 6;
        // What else is alike: the newest.
        if (!score || s >= *score) {
            score = s;
            best = c;
            bestRoot = root.id;
        }
    }
    if (going.table != nullptr && (best.table == nullptr || best.held > Held::Silent))
        return going;
    if (fits_.size() > 1 && best.table != nullptr)
        best.doubtful = doubted(e, task, best);
    // Where the line of the fault is missing a TD's trees cannot be told apart.
    if (score && ofTd(tables_.root(bestRoot)) && (!task.faultKnown || !shared) && !spte::isPresent(e.a)) {
        for (const Candidate& other : trees_) {
            other.table->forget(other.index);
            tables_.root(other.table->root).vague = true;
        }
        tables_.root(bestRoot).vague = true;
        best.doubtful = best.table != nullptr;
    }
    const bool fitsNone = score && (best.table == nullptr || best.held == Held::Mismatch);
    if (fitsNone && named(e) && !knows(task, bestRoot) && !tables_.root(bestRoot).inherited)
        return {}; // of a VM that is older than the recording
    // No line tells of roots: of another VM's, or of a TD's other tree.
    // (A TD's pages have no IPAT.)
    const bool told = best.table != nullptr && best.table->words[best.index] == e.b;
    if (fitsNone && !spte::isPresent(e.a) && !rootTold_ && !told && (e.level == tables_.root(bestRoot).levels || tdLike_))
        return {};
    if (!score || best.table != nullptr)
        return best;
    // A root without that table: what leads to it is known not to, so that lines are missing, or come later.
    const TraceRoot& root = tables_.root(bestRoot);
    if (!mayBeLinked(root, level, root.placed(e.gfn)) && !confused(bestRoot))
        report(TraceRule::Discontinuity, e, entryText(e) + ", in a table that no line has linked");
    Candidate made = candidateAt(ensureTable(bestRoot, level, root.placed(e.gfn), e.line), e);
    made.doubtful = ofTd(root) && !shared && !spte::isPresent(e.a);
    return made;
}

bool Rebuild::doubted(const TraceEvent& e, const Task& task, const Candidate& best) {
    const auto worked = [&](u32 root) { return has(task.worked, root) || has(task.made, root); };
    const u32 root = best.table->root;
    bool doubtful = false;
    for (const Candidate& other : fits_) {
        if (other.table == best.table)
            continue;
        // Who maps does so where it has worked; who zaps right behind having made roots invalid does so in those.
        if (spte::isPresent(e.b) && worked(root) && !worked(other.table->root))
            continue;
        if (task.zapsInvalid && tables_.root(root).invalid && !tables_.root(other.table->root).invalid)
            continue;
        // A TD's two trees are told apart by the fault's address.
        if (!spte::isPresent(e.a) && ofTd(tables_.root(root)) && ofTd(tables_.root(other.table->root)) &&
            tables_.root(root).mirror != tables_.root(other.table->root).mirror)
            continue;
        other.table->forget(other.index);
        tables_.root(other.table->root).vague = true;
        tables_.root(root).vague = true;
        doubtful = true;
    }
    return doubtful;
}

bool Rebuild::confused(u32 root) const {
    const auto vague = [&](u32 id) { return tables_.root(id).vague; };
    return vague(root) && std::count_if(tables_.roots().begin(), tables_.roots().end(), vague) > 1;
}

bool Rebuild::hangsBelow(const TraceTable& table, unsigned index) {
    const TraceTable* child = tables_.find(table.root, below(table.level), table.gfnOf(index));
    return child != nullptr && child->pfn != TraceTable::kNoPfn && child->parent == table.id;
}

// A nested guest's root beside its host's: their leaves differ in how dirty pages are logged (make_spte()).
bool Rebuild::otherKind(const TraceEvent& e, const TraceRoot& root) const {
    const Level level = levelOf(e.level);
    const u64 leaf = spte::isLeaf(e.b, level) ? e.b : spte::isLeaf(e.a, level) ? e.a : 0;
    return leaf != 0 && root.adKind && formatKnown_ && !masks_.format.npt && *root.adKind != (leaf & spte::kAdMask);
}

void Rebuild::noteIn(std::vector<u32>& roots, u32 root) {
    constexpr std::size_t kMost = 8;
    if (has(roots, root))
        return;
    if (roots.size() == kMost)
        roots.erase(roots.begin());
    roots.push_back(root);
}

bool Rebuild::knows(const Task& task, u32 root) { return has(task.worked, root) || has(task.made, root) || has(task.touched, root); }

// The leaf that a fast page fault is about: lines do not tell its level.
Rebuild::Candidate Rebuild::chooseLeaf(const TraceEvent& e, const Task& task) {
    Candidate best;
    fits_.clear();
    bool ofTask = false;
    constexpr unsigned kHighest = 3;
    for (const u32 id : tables_.roots()) {
        const TraceRoot& root = tables_.root(id);
        const u64 gfn = root.placed(e.gfn);
        for (unsigned l = 1; l <= kHighest; ++l) {
            TraceTable* table = tables_.find(root.id, levelOf(l), gfn);
            if (table == nullptr)
                continue;
            const Candidate c = candidateAt(*table, e);
            if (table->knows(c.index) && !spte::isLeaf(table->words[c.index], table->level))
                continue;
            if (c.held <= Held::Silent)
                fits_.push_back(c);
            if (best.table == nullptr || c.held < best.held || (c.held == best.held && !ofTask && task.root == root.id)) {
                best = c;
                ofTask = task.root == root.id;
            }
            break;
        }
    }
    if (fits_.size() > 1 && best.table != nullptr)
        best.doubtful = doubted(e, task, best);
    if (best.table != nullptr && best.held != Held::Mismatch)
        return best;
    for (u8 l = 1; l <= kHighest; ++l) {
        TraceEvent at = e;
        at.level = l;
        if (const Candidate going = inRemoval(at, task); going.table != nullptr)
            return going;
    }
    return best;
}

// The table is there, whether a line told so or not, and those above it.
TraceTable& Rebuild::ensureTable(u32 root, Level level, u64 gfn, u32 line) {
    if (TraceTable* there = tables_.find(root, level, gfn))
        return *there;
    const unsigned levels = tables_.root(root).levels;
    const u64 base = gfn & ~(512 * pagesPer(level) - 1);
    TraceTable* parent = nullptr;
    if (number(level) < levels)
        parent = &ensureTable(root, above(level), gfn, line);
    TraceTable& table = tables_.addTable(root, level, base, nonpresent_);
    table.knowAll(false);
    table.line = line;
    if (parent != nullptr) {
        table.parent = parent->id;
        table.index = static_cast<u16>(parent->indexOf(base));
        const u64 held = parent->words[table.index];
        if (parent->knows(table.index) && spte::isTable(held, parent->level) && tables_.findByPfn(framePart(held)) == nullptr)
            tables_.setPfn(table, framePart(held));
        parent->forget(table.index);
    }
    if (watch_ != nullptr) {
        watch_->tableMade(table);
        if (parent != nullptr)
            watch_->entrySet(*parent, table.index, make_nonleaf_spte(masks_, {TraceTables::frameOf(table)}));
    }
    return table;
}

// A root that was there before the recording began. It is not told, so that it is as deep as the first line needs.
u32 Rebuild::inheritRoot(const TraceEvent& e) {
    const unsigned levels = e.level == 5 || e.gfn >> 36 != 0 ? 5 : 4;
    const u32 id = tables_.addRoot(levels, nonpresent_);
    TraceRoot& root = tables_.root(id);
    root.inherited = true;
    root.asId = e.asId;
    root.line = e.line;
    TraceTable& table = tables_.table(root.table);
    table.knowAll(false);
    if (watch_ != nullptr)
        watch_->rootMade(root, table);
    return id;
}

void Rebuild::noteRoot(const TraceEvent& e, Task& task, u32 id) {
    TraceRoot& root = tables_.root(id);
    if (!root.asId) {
        root.asId = e.asId;
        if (watch_ != nullptr && e.asId != 0)
            watch_->rootChanged(root);
    }
    // Who maps something works on that root; who zaps does so in all of them.
    if (!spte::isPresent(e.a) && spte::isPresent(e.b))
        task.root = id;
}

// Nothing tells that a root is freed. When another one is made, those of which nothing is left are taken for gone.
void Rebuild::retireBefore(const TraceRoot& made) {
    std::vector<u32> gone;
    for (const u32 id : tables_.roots()) {
        const TraceRoot& root = tables_.root(id);
        if (root.id == made.id || root.inherited || root.levels != made.levels)
            continue;
        if (const TraceTable& table = tables_.table(root.table); table.told > 0 && table.present == 0)
            gone.push_back(root.id);
    }
    // Of more than anybody runs at once the oldest goes, whatever is left of it.
    constexpr std::size_t kMostRoots = 1024;
    if (gone.empty() && tables_.roots().size() > kMostRoots)
        gone.push_back(tables_.roots().front());
    for (const u32 id : gone)
        retire(id);
}

void Rebuild::retire(u32 id) {
    tables_.retire(id);
    const TraceRoot& root = tables_.root(id);
    // Whoever froze entries of the root's own page, which no kernel does, is not at it any more.
    for (const u32 task : std::vector<u32>(removers_)) {
        std::erase_if(tasks_[task].removals, [&](const Removal& removal) { return removal.table == root.table; });
        if (tasks_[task].removals.empty())
            std::erase(removers_, task);
    }
    if (watch_ != nullptr) {
        watch_->rootChanged(root);
        watch_->tableGone(tables_.table(root.table));
    }
    tables_.drop(root.table);
}

// A page of level 4 is a root's, or in a tree of five levels below one.
bool Rebuild::isChildOfFive(const TraceEvent& e, const Task& task) {
    if (e.level != 4)
        return false;
    if (e.gfn != 0)
        return true;
    if (task.root && !tables_.root(*task.root).retired)
        return tables_.root(*task.root).levels == 5;
    // By a task of which nothing is known: some tree lacks it.
    return std::any_of(tables_.roots().begin(), tables_.roots().end(), [&](u32 id) {
        const TraceRoot& root = tables_.root(id);
        return root.levels == 5 && tables_.find(id, Level::k512G, root.placed(0)) == nullptr;
    });
}

// A TD's mirror root is made first, and the direct one right behind it (mmu_alloc_direct_roots()).
void Rebuild::takeForTd(const TraceEvent& e, Task& task, TraceRoot& root) {
    constexpr u64 kAtOnce = 10'000'000; // ns
    bool shared = false;                // the tree of a TD's shared memory
    if (!root.mirror && task.direct && e.time - task.direct->time <= kAtOnce && !task.made.empty()) {
        TraceRoot& before = tables_.root(task.made.back());
        if (!before.retired && !before.invalid && before.alias == 0 && before.levels == root.levels) {
            shared = true;
            if (!std::exchange(before.mirror, true) && watch_ != nullptr)
                watch_->rootChanged(before);
        }
    }
    const auto isTds = [&](u32 id) { return ofTd(tables_.root(id)); };
    shared |= !root.mirror && ((task.root && isTds(*task.root)) || std::any_of(task.made.begin(), task.made.end(), isTds));
    if (shared)
        root.alias = gfnDirectBits(root.levels);
    hasMirror_ |= ofTd(root);
    // Who works on another root now has left the one that it had, if that may be invalid.
    if (task.root && tables_.root(*task.root).maybeInvalid && !root.mirror) {
        TraceRoot& left = tables_.root(*task.root);
        left.invalid = true;
        left.maybeInvalid = false;
        if (watch_ != nullptr && !left.retired)
            watch_->rootChanged(left);
    }
}

// kvm_mmu_zap_all_fast(): all roots of the VM, with mmu_lock held for writing; a mirror root stays valid
// (kvm_tdp_mmu_invalidate_roots(), KVM_DIRECT_ROOTS).
void Rebuild::zapAllFast(const TraceEvent& e) {
    Task& task = tasks_[e.task];
    task.direct.reset();
    task.zapsInvalid = true;
    std::vector<u32> valid, own;
    for (const u32 id : tables_.roots())
        if (const TraceRoot& root = tables_.root(id); !root.invalid && !root.mirror) {
            valid.push_back(id);
            if (has(task.made, id) || task.root == id || has(task.touched, id))
                own.push_back(id);
        }
    // Which VM it is of is not told. Another one may be there without having made a root that was recorded.
    if (own.empty() && valid.size() == 1)
        tables_.root(valid.front()).maybeInvalid = true;
    for (const u32 id : own) {
        tables_.root(id).invalid = true;
        if (watch_ != nullptr)
            watch_->rootChanged(tables_.root(id));
    }
}

} // namespace mirrorscope
