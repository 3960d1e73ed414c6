// SPDX-License-Identifier: GPL-3.0-or-later
// Rebuilds a recorded kernel's tables event by event, and checks each change on the way: what `import` shows and `conform` judges.
//
//   Rebuild rebuild({.kernel = TraceKernel::V6_16});
//   TraceOrder order(rebuild);
//   TextReader reader(names, order);
//   reader.feed(text);  reader.finish();  order.flush();
//   rebuild.findings();  rebuild.tables();
//
// The lines do not tell all of it (Linux v6.16 tdp_mmu.c, mmutrace.h). Which root an entry belongs to follows from what the entry held,
// from the table that it leads to, from the address that kvm_mmu_set_spte prints, and from which task works on which root. An entry that
// no line has told of yet is unknown where its table is older than the recording. What happens without a line: the CPU sets accessed and
// dirty bits; the fast path prints a line of its own; a table of a split huge page begins as its parts; frozen entries of tables that go.
// Checked by reading: tdp_mmu_set_spte_atomic(), handle_changed_spte(), handle_removed_pt(), tdp_mmu_split_huge_page() of v6.16.1.
#pragma once

#include "trace/findings.h"
#include "trace/memslots.h"
#include "trace/seamcalls.h"
#include "trace/tables.h"
#include "trace/text_reader.h"

#include <functional>

namespace mirrorscope {

// Hears what becomes of the tables, in order; each is told within the event that brings it about.
class TraceWatch {
public:
    virtual ~TraceWatch() = default;
    virtual void rootMade(const TraceRoot&, const TraceTable&) {}
    virtual void rootChanged(const TraceRoot&) {} // invalid, retired, of which address space
    virtual void tableMade(const TraceTable&) {}  // its words, too
    virtual void tableMoved(const TraceTable&) {} // it is known now in which frame it is
    virtual void tableGone(const TraceTable&) {}
    // What the entry holds from here on.
    virtual void entrySet(const TraceTable&, unsigned /*index*/, u64 /*word*/) {}
    // What probes of SEAMCALLs tell of the private table; null: of none of its entries it is known any more.
    virtual void privateChanged(const PrivateEntry*) {}
    virtual void found(const Finding&) {}
    // It may be none: events of another CPU turned out to be missing, from before that line on.
    virtual void withdrawn(u64 /*number*/, TraceRule, u32 /*line*/) {}
};

class Rebuild final : public TraceSink {
public:
    struct Options {
        TraceKernel kernel = TraceKernel::Any;
        std::size_t mostFindings = 10'000; // are kept; all are counted
    };
    // `watch` may be null.
    explicit Rebuild(const Options& options, TraceWatch* watch = nullptr);

    void event(const TraceEvent& event) override;
    void lost(const TraceLoss& loss) override;

    const TraceTables& tables() const { return tables_; }
    const std::vector<Finding>& findings() const { return findings_; }
    u64 findingCount() const { return found_ - withdrawn_; }
    u64 transitions() const { return transitions_; } // lines that changed an entry
    u64 discontinuities() const { return discontinuities_ + afterLoss_; }
    u64 afterLoss() const { return afterLoss_; } // of them those that lost events may explain
    u64 splits() const { return splits_; }
    u64 collapses() const { return collapses_; }
    u64 shadowPages() const { return shadowPages_; } // pages of shadow paging, which are not followed
    // The line at which there were more tables than are followed; what comes behind it is not judged. 0: there are not so many.
    u32 full() const { return full_; }
    static constexpr const char* kFullText = "there are more tables at once than are followed";
    u64 unfinished() const; // tables that are not yet taken apart as far as is known
    const SpteMasks& masks() const { return masks_; }
    bool formatKnown() const { return formatKnown_; }
    bool hasMirror() const { return hasMirror_; }
    // What probes of SEAMCALLs told.
    SeamcallJudge::Told seamcalls() const { return calls_.told(); }
    // The last clause of what conform says: what of notifiers it could not check; empty: nothing.
    std::string notCheckedText() const;
    // What there is now: pages of tables, and entries that hold something.
    struct Left {
        u64 tables = 0, entries = 0;
    };
    Left left() const;

private:
    enum class Held : u8 { Exact, Silent, Unknown, Mismatch };
    struct Candidate {
        TraceTable* table = nullptr;
        unsigned index = 0;
        Held held = Held::Mismatch;
        bool doubtful = false; // another root's entry fits as well
    };
    // A table that a task is taking apart.
    struct Removal {
        u32 table = 0;
        unsigned next = 0;     // the first entry that was not told yet
        bool prepared = false; // its kvm_mmu_prepare_zap_page was seen
        bool shared = false;   // under mmu_lock for reading: entries that are not present are told, too
        bool early = false;    // before the line that unlinks it
        bool silent = false;   // it goes with the one above it, of which lines are missing
        bool unsure = false;   // it may have begun before the task's first line, or while lines were lost
        u64 last = 0;          // the event that told of it last
    };
    struct Task {
        std::optional<u32> root;  // on which it worked last
        std::vector<u32> touched; // some of which it has changed entries, without doubt
        std::vector<u32> made;    // roots that it has made, the newest last
        std::vector<u32> worked;  // some on which it has worked without doubt
        bool zapsInvalid = false; // it has made roots invalid, and does nothing but zap since
        std::vector<Removal> removals;
        std::optional<TraceEvent> page;        // of kvm_mmu_get_page, not linked yet
        std::optional<TraceEvent> perhapsRoot; // a page of level 4, while there are trees of five levels
        u64 faultAddress = 0;                  // of its last kvm_page_fault
        bool faultKnown = true;                // no line of it was lost since
        bool atFault = false;                  // it is handling that one
        std::optional<TraceEvent> unmap;       // the notifier that it is in
        std::optional<TraceEvent> direct;      // of kvm_mmu_get_page: it has just made a root, and nothing but that since
        std::optional<TraceEvent> zap;         // kvm_mmu_prepare_zap_page of one of several tables: the next line tells of which
        // The table that it has taken apart last, before the line that unlinks it: in which root, of what level, from where.
        std::optional<std::tuple<u32, Level, u64>> apart;
        // What it was at before its first line, or while lines were lost, may not be over: linking a page, taking a table apart.
        bool fresh = true;
    };

    void happened(const TraceEvent& e);
    void spteChanged(const TraceEvent& e);
    bool placeIsRight(const TraceEvent& e);
    void checkValue(const TraceEvent& e, Level level, const TraceRoot& root);
    void checkRewrite(const TraceEvent& e, Level level, const std::vector<u32>& since);
    void checkCollapse(const TraceEvent& e, const TraceTable& parts);
    void checkNoTable(const TraceEvent& e, u64 pfn);
    bool agedTwice(const TraceEvent& e, const Candidate& at) const;
    bool isMmio(u64 spte, const TraceRoot& root) const;
    void change(const TraceEvent& e, const Candidate& at);
    void notifierEnds(const TraceEvent& e, const TraceEvent& unmap);
    void leftInRange(const TraceEvent& e, const TraceEvent& unmap, const TraceRoot& root, const GfnRange& range);
    bool isZapOf(const Task& task, const TraceTable& table) const;
    TraceTable& link(const TraceEvent& e, TraceTable& parent, unsigned index, u64 before);
    void getPage(const TraceEvent& e);
    void makeRoot(const TraceEvent& e);
    void prepareZap(const TraceEvent& e);
    void setSpte(const TraceEvent& e);
    void fastFault(const TraceEvent& e);
    void zapAllFast(const TraceEvent& e);

    Candidate choose(const TraceEvent& e, const Task& task);
    Candidate candidateAt(TraceTable& table, const TraceEvent& e) const;
    // Of a table that another task is taking apart: what was in the middle of changing it may go on doing so.
    Candidate inRemoval(const TraceEvent& e, const Task& own);
    bool mayBeLinked(const TraceRoot& root, Level level, u64 gfn);
    TraceTable& ensureTable(u32 root, Level level, u64 gfn, u32 line);
    u32 inheritRoot(const TraceEvent& e);
    void noteRoot(const TraceEvent& e, Task& task, u32 root);
    void retireBefore(const TraceRoot& root);
    std::optional<bool> isShared(const TraceEvent& e, const Task& task) const;
    // What of two roots fits as well (fits_) is not known any more.
    bool doubted(const TraceEvent& e, const Task& task, const Candidate& best);
    // Lines of that root were taken for another one's, or might have been, and both are still there.
    bool confused(u32 root) const;
    bool hangsBelow(const TraceTable& table, unsigned index);
    bool otherKind(const TraceEvent& e, const TraceRoot& root) const;
    static void noteIn(std::vector<u32>& roots, u32 root);
    // Of tasks that were never seen at a root it is not known whether they do not work on one that no line has told of.
    static bool knows(const Task& task, u32 root);
    Candidate chooseLeaf(const TraceEvent& e, const Task& task);
    void takeForTd(const TraceEvent& e, Task& task, TraceRoot& root);
    bool isChildOfFive(const TraceEvent& e, const Task& task);
    void retire(u32 root);
    // Lines that name no task are of many: what only one task does is not asked of them.
    static bool named(const TraceEvent& e) { return e.task != 0; }

    bool removedEntry(const TraceEvent& e, Task& task);
    // Of a removed table's entries up to `end` those that went without a line: how many, and the first.
    struct Missing {
        unsigned count = 0, first = 512;
    };
    static Missing missing(const Removal& removal, const TraceTable& table, unsigned end);
    // The innermost ones, until so many are left.
    void finishRemovals(Task& task, const TraceEvent& next, std::size_t upTo = 0);
    void finishRemoval(const Removal& removal, const TraceEvent& next);
    TraceTable* tableIn(u64 pfn, const TraceEvent& e, std::optional<u32> root);
    void learnFrame(TraceTable& table, u64 pfn);
    void finishSilent(const TraceEvent& e);
    void startRemoval(const TraceEvent& e, TraceTable& table, bool early);
    void forgetAll();
    void withdraw(u64 fromEvent);

    Held compare(const TraceTable& table, unsigned index, u64 old) const;
    void set(TraceTable& table, unsigned index, u64 word, u32 line);
    void report(TraceRule rule, const TraceEvent& e, std::string text, std::vector<u32> lines = {});
    void learnFormat(u64 spte);
    void learnNonpresent(const TraceEvent& e);
    // Since v6.15 (kvm_tdp_mmu_age_spte()).
    bool agesWithoutLock() const { return options_.kernel == TraceKernel::Any || options_.kernel >= TraceKernel::V6_16; }
    // What a table held is told behind the line that unlinks it.
    bool unlinksFirst() const { return options_.kernel != TraceKernel::Any && options_.kernel < TraceKernel::V7_2; }
    bool isNonpresent(u64 spte) const { return spte == nonpresent_; }
    bool isFrozen(u64 spte) const { return spte == (nonpresent_ | spte::kOldFrozen); }
    std::string valueText(u64 spte, unsigned level) const;
    std::string mismatchText(const TraceEvent& e, u64 held) const;
    std::string entryText(const TraceEvent& e) const;

    Options options_;
    TraceWatch* watch_;
    TraceTables tables_;
    SeamcallJudge calls_;
    TraceMemslots slots_;
    std::vector<Task> tasks_;
    std::vector<Candidate> fits_, trees_; // by choose() and chooseLeaf(): entries that the line may be of as well
    std::vector<u32> removers_;           // tasks that are taking tables apart
    SpteMasks masks_;
    bool formatKnown_ = false, hasMirror_ = false;
    u64 nonpresent_ = spte::kNonpresent;
    bool nonpresentKnown_ = false;
    bool leafTold_ = false, lost_ = false;
    bool tdLike_ = false; // pages of an EPT whose memory type the guest may choose
    bool rootTold_ = false, pagesTold_ = false, removalsTold_ = false, fastTold_ = false; // lines of that kind are recorded
    unsigned beginning_ = 0; // so many CPUs' buffers begin later: what those did meanwhile is not told
    std::bitset<1024> cpus_;
    u32 full_ = 0;
    bool toldBehind_ = false; // what a table held is told behind the line that unlinks it
    u64 event_ = 0;           // number of the present one
    u64 transitions_ = 0, afterLoss_ = 0, splits_ = 0, collapses_ = 0, shadowPages_ = 0, found_ = 0, withdrawn_ = 0, discontinuities_ = 0;
    // A finding that a loss which shows later may explain.
    struct Doubtable {
        u64 event = 0, number = 0;
        u32 line = 0;
        TraceRule rule = TraceRule::Discontinuity;
    };
    std::vector<Doubtable> doubtable_;
    std::vector<u64> behind_; // of each CPU the event behind its last one
    std::vector<Finding> findings_;
};

} // namespace mirrorscope
