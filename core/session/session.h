// SPDX-License-Identifier: GPL-3.0-or-later
// What a view may ask: a scenario that was run to its end, and a position in it.
//
//   Session session(loadScenario("first.yaml"));
//   session.seek(412);
//   session.rows(...);            // the three trees, aligned by GPA
//   session.history(place);       // who wrote this entry, and when
//
// Stepping is seeking: the run is recorded once, and the journal is read in both directions.
#pragma once

#include "rules/violation.h"
#include "scenario/run_options.h"
#include "scenario/scenario.h"
#include "session/find.h"
#include "session/inspect.h"
#include "session/lanes.h"
#include "session/memory.h"
#include "session/td.h"

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

namespace mirrorscope {

class Machine;
class TraceInput;
enum class TraceKernel : u8;
struct RecordedKernel;
class Runner;
class System;
struct Mark;

enum class Column : u8 { Shared, Mirror, Private };
inline constexpr unsigned kColumns = 3;
// "shared", "mirror", "private".
std::string_view treeName(Column column);
// The same backwards, `direct` and `secure`, too.
std::optional<Column> columnFromName(std::string_view name);

// One entry of one tree as it is shown.
struct TreeCell {
    bool exists = false; // the tree has a table that holds this entry
    Place place;
    u64 raw = 0;
    u64 rights = 0;                   // read, write and execute as EPT has them, whatever the format
    SpteState spte = SpteState::None; // shared, mirror
    SeptState sept = SeptState::Free; // private
    Pfn pfn;
    bool changed = false;  // by the micro-step before the position
    bool locked = false;   // a lock bit of the module is set
    bool accessed = false; // by the CPU, as far as the tree has such bits
    bool dirty = false;
    bool ofGmem = false;       // a leaf of the one tree that maps a private page: its frame is guest_memfd's
    u64 huge = 0;              // of a leaf above 4K: how many small pages it stands for
    std::optional<u64> zapped; // the value that went away within the last micro-steps
    std::string was;           // what it was then: "leaf 531 rwx"
    unsigned age = 0;          // micro-steps since then
    bool violation = false;

    bool leadsToTable(Column column) const;
    bool initial(Column column) const { return column == Column::Private ? sept == SeptState::Free : spte == SpteState::None; }
};

struct TreeRow {
    Gfn gfn;
    Level level = Level::k4K;
    unsigned depth = 0;
    u64 more = 0; // > 0: stands for that many rows that are alike
    bool expandable = false;
    bool expanded = false;
    bool compared = true; // the private entry is known
    std::array<TreeCell, kColumns> cells;
};

// Which tables are unfolded. The rest is folded, and many alike become one row.
struct RowOptions {
    std::set<std::pair<u64, unsigned>> collapsed; // (gfn, level) of entries that lead to a table: by the user
    std::set<std::pair<u64, unsigned>> opened;    // by the user, though there are more than `tables`
    std::optional<std::pair<Gfn, Level>> keep;    // this entry is shown whatever it holds, if there is a table for it
    // So many tables are unfolded by themselves, and those where something changed lately.
    std::size_t tables = ~std::size_t{0};
    bool alikeAsOne = true; // else each entry has its row
};

// How an entry of the mirror and the one of the secure EPT that it stands for relate.
enum class Twins : u8 { None, Same, Differ, InFlight };
Twins twinsOf(const TreeRow& row);

struct StepView {
    u64 n = 0;
    ActorId actor = 0;
    Site site = Site::VmState;
    u32 script = 0;
    std::vector<std::string> where; // outermost first
};

// What a step of the script returned. A step that is repeated returns each time.
struct StepResult {
    u64 position = 0; // at which it has returned
    const Step* step; // never null
    std::string path, actor;
    std::string call;    // "accept 0x4000"
    std::string outcome; // "ok", "ok, value 42", "EAGAIN", the name of a status
    std::string details; // what an exit or a status carries; empty if nothing
    // "read 0x4000 → ok, value 42", with the details behind it.
    std::string text() const { return call + " → " + outcome + (details.empty() ? "" : " (" + details + ")"); }
};

// A question of the script, and what the run answers.
struct Question {
    u64 asked = 0;                    // the position at which it stands
    std::optional<u64> answered;      // the position from which the run shows it; nothing: the run ended before
    const Step* step = nullptr;       // never null
    std::optional<std::size_t> right; // the choice that held; nothing: none of them did, or several
    u64 holds = 0;                    // a bit for each that did
    bool shownAt(u64 position) const { return answered && *answered <= position; }
};

struct HistoryEntry {
    u64 n = 0;
    u64 old = 0;
    u64 now = 0;
};

class Session {
public:
    // Runs the scenario to its end (or a bound) and stands at position 0. `toWander`: it will be asked for any position at any time,
    // which is made cheap here and now.
    explicit Session(Scenario scenario, const RunOptions& options = {}, bool toWander = false);
    // A recorded kernel: each of its trace's events is a micro-step. It stands at position 0. Throws Stopped when `goOn` says so.
    struct Stopped {};
    explicit Session(
        std::shared_ptr<const RecordedKernel> recorded, const std::function<bool(u64)>& goOn = [](u64) { return true; });
    Session(Session&&) noexcept;
    ~Session();
    // Null for a scenario: that was run, and can be run again.
    const RecordedKernel* recorded() const { return recorded_.get(); }
    std::shared_ptr<const RecordedKernel> sharedRecorded() const { return recorded_; } // for who reads it beside the window

    const Scenario& scenario() const { return scenario_; }
    // How it ended.
    struct Verdict {
        bool ok = false;
        u64 failed = 0;       // expectations that do not hold
        u64 expectations = 0; // of all
        std::string stopped;  // why it ended early; empty: it did not
        bool bounded = false; // what would follow is not known
    };
    Verdict verdict() const;
    // An expectation that does not hold: where it was looked at, its line, "expected X; found Y".
    struct Failure {
        u64 position;
        unsigned line;
        std::string text;
    };
    const std::vector<Failure>& failures() const; // as they were looked at
    // Does the scenario say that this rule is violated?
    bool expects(Rule rule) const;
    // What is behind: for those who write all of it to a file. A view cannot use them, since it knows no more of them than their names.
    const Runner& runner() const { return *runner_; }
    const System& system() const;
    // The one tree is an NPT; and of an SNP guest the RMP is beside it.
    bool isNpt() const;
    bool hasRmp() const;
    // What stands where the guest's memory is: of a recording no line tells.
    bool knowsMemslots() const { return recorded_ == nullptr; }
    bool hasColumn(Column column) const;
    // Of a recording: probes of SEAMCALLs tell of the private tree.
    bool tellsPrivate() const;

    u64 position() const;
    u64 end() const;
    void seek(u64 position);

    StepView step(u64 n) const;
    // Who acted and where, without the call path: cheap enough to be asked for each pixel.
    std::pair<ActorId, Site> stepBrief(u64 n) const;
    u32 scriptOf(u64 n) const;
    // The actors that took a micro-step, in the order vCPUs, host, rcu.
    const std::vector<ActorId>& actors() const { return actors_; }
    std::string actorName(ActorId actor) const;
    // The script step that is running at a position: that of the micro-step to come, or of the last one.
    u32 scriptAt(u64 position) const;
    // One sentence: what the micro-step before the position did.
    std::string sentence(u64 position) const;
    // The marks of the steps that returned at positions from `from` to `to`, in that order.
    std::span<const std::size_t> returnsIn(u64 from, u64 to) const;
    // What the step of that mark returned; nothing for a mark of another kind.
    std::optional<StepResult> resultOf(std::size_t mark) const;
    // Where a script step begins and ends, as positions; nothing if it took no micro-step.
    std::optional<std::pair<u64, u64>> extent(u32 script) const;
    // The next position at which another script step of the top level begins, or the script pauses.
    u64 nextScriptPosition(u64 from) const;
    u64 previousScriptPosition(u64 from) const;
    // The position after the first micro-step at that site at or after `from`; nothing if there is none.
    std::optional<u64> nextSite(Site site, u64 from) const;
    // The position after the last micro-step at that site that ended before `from`.
    std::optional<u64> previousSite(Site site, u64 from) const;
    // The next position behind a micro-step that violated a rule, or at which an expectation fails, and the one before.
    std::optional<u64> nextViolation(u64 from) const;
    std::optional<u64> previousViolation(u64 from) const;
    // Calls, as gdb's `next` and `finish` have them: over what the micro-step to come calls, out of the function that the last one
    // stands in; and the same backwards. Of the actor that acted last.
    u64 overCall(u64 from) const;
    u64 outOfCall(u64 from) const;
    u64 overCallBack(u64 from) const;
    u64 outOfCallBack(u64 from) const;
    // Where the step at that line begins, at or after `from`, else anywhere.
    std::optional<u64> positionOfLine(unsigned line, u64 from) const;
    // Of a recording: behind the event that stands at that line of its trace, or at the next one that has an event.
    std::optional<u64> positionOfTraceLine(unsigned line) const;
    // How many micro-steps of two runs are the same, changes included; looks no further than `most`.
    u64 commonPrefix(const Session& other, u64 most) const;
    // The same moment of another run of the same script: behind the micro-step that is the same as the last one here, or, where there is
    // none, as the last one of which there is. Two are the same if the same actor is for the same time at the same site of the same step.
    // (What is done in another order there makes it go back; of a step of more than 100,000 micro-steps the same part is taken.) Of another
    // script the same position.
    u64 sameMoment(u64 position, const Session& other) const;
    // The race in which a position lies (its first micro-step may be the next one, its last one the one before).
    struct RaceRun {
        std::size_t race = 0; // counts the races of the script from 0
        u64 begin = 0, end = 0;
    };
    std::optional<RaceRun> raceAt(u64 position) const;
    const std::vector<RaceRun>& races() const { return races_; }
    // Race by race, in what order the actors ran up to a position: whole runs of micro-steps.
    std::vector<std::vector<std::pair<std::string, u64>>> ordersUpTo(u64 position) const;
    // Why it opens there.
    enum class Opening : u8 { Beginning, Pause, Frozen, End, Finding, Most };
    Opening opening() const;
    // Where `mirrorscope FILE` opens: at the beginning if it asks something, else the first pause, else the first frozen entry, else the
    // end.
    u64 openingPosition() const;
    // The note in force at a position.
    std::string noteAt(u64 position) const;
    // The position from which on it is.
    u64 noteSince(u64 position) const;

    // ---- trees
    std::vector<TreeRow> rows(const RowOptions& options = {}) const;
    // The entry of that column for (gfn, level), if a table holds one.
    TreeCell cell(Column column, Gfn gfn, Level level) const;
    // Of the tree that the column shows; 0 where there is none.
    Pfn rootOf(Column column) const;
    // What a place is, if it is an entry of a tree.
    struct Where {
        Column column;
        Gfn gfn;
        Level level;
        bool smm = false; // of the tree of SMM's address space
        bool operator==(const Where&) const = default;
    };
    std::optional<Where> locate(Place place) const;
    // What is violated at a place, as far as nothing of it has changed since.
    std::vector<const Violation*> violationsAt(Place place) const;
    // The entry that a violation is of, if it is of one that is in a tree at the position.
    std::optional<Where> entryOf(const Violation& violation) const;
    // The entry whose state the micro-step before the position changed; the first one, if it changed several.
    std::optional<Where> lastChange() const;
    // The frozen entry that was changed last, of those near the position.
    std::optional<Where> frozenNearby() const;
    std::vector<BitField> decode(Column column, u64 raw, Level level) const;
    std::string stateName(Column column, const TreeCell& cell) const;
    // The same with what a leaf allows: "leaf rw- dirty". Without the frame: which one it is says nothing where runs are compared.
    std::string contentName(Column column, const TreeCell& cell) const;
    std::string stateNameOfRaw(Column column, u64 raw, Level level) const;
    // "none → frozen", or what else changed when the state did not.
    std::string changeText(Column column, u64 old, u64 now, Level level) const;

    std::vector<HistoryEntry> history(Place place) const;
    std::string describe(const HistoryEntry& entry) const;
    // In one sentence: what the entry's state means and which micro-step made it.
    std::string explain(Column column, const TreeCell& cell, Level level) const;

    // ---- one thing (inspect.cpp)
    TablePageView tablePage(Pfn pfn) const;
    ActorView actorView(ActorId actor) const;
    LockPane lockPane(unsigned lock) const;
    // vCPU by vCPU, a bounded number of each.
    std::vector<TlbLine> cachedTranslations() const;
    std::vector<TlbLine> cachedBy(ActorId vcpu) const;
    std::optional<std::size_t> indexOfActor(ActorId actor) const;
    std::optional<ActorId> actorFromName(const std::string& name) const;
    bool isTdx() const;
    // Nothing where there is no RMP.
    std::optional<RmpEntry> rmpOf(Pfn pfn) const;
    // What the second position has otherwise than the first.
    StateDifference difference(u64 a, u64 b);
    // Made when it is first asked for.
    const Lanes& lanes() const;
    // What a call was given, and gave back.
    std::vector<CallRegister> registersOf(const Span& span) const;
    // Does a leaf of the one tree of a VM with private memory map a page of guest_memfd?
    bool mapsGmem(u64 raw) const;
    // Entries of one tree that changed within the last micro-steps or are in violation: f(gfn, level, cell).
    void forEachRecent(Column column, const std::function<void(Gfn, Level, const TreeCell&)>& f) const;
    // For who looks at other positions and puts the machine back before anybody else looks.
    Machine& machineToRead();
    // See Machine::flagFrames().
    void flagFrames(std::vector<u8>* flags);

    // "mirror 0x4000 4K".
    std::string nameOf(const Where& where) const;
    // The entry that is shown for an address: of the tree that is asked for, else of the one that leads furthest down to it, the mirror
    // first; at that level, else the lowest that a table holds.
    std::optional<Where> entryAt(Gfn gfn, std::optional<Column> column = {}, std::optional<Level> level = {}) const;

    // ---- finding (find.cpp)
    // Does micro-step n fit? The machine must stand behind it, at n + 1.
    bool matches(const EventFilter& filter, u64 n) const;
    // Looks from micro-step `from` on until the time is up or `limit` were found; returns where to go on.
    u64 find(const EventFilter& filter, u64 from, std::vector<FoundEvent>& found, std::size_t limit,
             std::chrono::steady_clock::time_point until);

    // That one micro-step.
    FoundEvent eventAt(u64 n);

    // ---- beside the trees (memory.cpp)
    // Valid ones first, tree by tree.
    std::vector<RootView> roots() const;
    // tdp_mmu_root_count: vCPUs and walkers, and one of the TDP MMU's own while the root is valid. No line of a recorded kernel tells it.
    std::optional<u64> rootCount(Pfn root) const;
    // The direct root whose tree is shown: the one asked for as long as it is there, else the valid one, else an invalid one.
    Pfn shownDirectRoot() const;
    // kvm->vm_dead, at the position.
    bool vmIsDead() const;
    // At the end of the run.
    bool vmEndsDead() const { return endsDead_; }
    void showDirectRoot(Pfn root) { shownRoot_ = root; }
    // Those that somebody holds.
    std::vector<LockView> locks() const;
    MemoryView memoryAt(Gfn gfn, Level level) const;
    // Nothing where guest_memfd has no page, and for every VM but SNP.
    std::optional<RmpView> rmpAt(Gfn gfn) const;

    // ---- the TD and the frames of memory (td.cpp)
    TdView td() const;
    FrameView frame(Pfn pfn) const;
    u64 frameCount() const;
    // The lines of kFramesPerLine frames that hold one in use, ascending.
    std::vector<u64> usedFrameLines() const;
    // Of a machine with dynamic PAMT: the ranges that have PAMT pages.
    std::vector<PamtRange> pamtRanges() const;

    // ---- where a run stops (stops.cpp)
    // The positions at which a step of that line begins; none for a line that is no step's.
    std::span<const u64> startsOfLine(unsigned line) const;
    // The line of the step that a line of the script belongs to, if it runs at all.
    std::optional<unsigned> stepLineOf(unsigned line) const;
    // Positions of `pause`, ascending.
    const std::vector<u64>& pauses() const { return pauses_; }
    // Where whoever plays or steps over the script is stopped: pauses and questions, ascending.
    const std::vector<u64>& halts() const { return halts_; }

    // Ascending. Whoever steps or plays stops at them as at a pause.
    const std::vector<Question>& questions() const { return questions_; }
    // What a reader sees of them at a position: the note, and the question with its choices; its answer once the run has shown it.
    std::string storyAt(u64 position) const; // Markdown
    // The one that was asked last, as long as the script has not gone on to something else behind its answer; null if there is none.
    const Question* questionAt(u64 position) const;
    // The one before it, if its answer came where this one was asked: both are to be seen until this one has its answer.
    const Question* answeredJustBefore(const Question& question) const;

    const std::vector<Violation>& violations() const;

private:
    struct Recent {
        u64 old;
        u64 step;
    };
    void indexScript();
    void indexAnswer(const Mark& mark, const Step& step);
    void collectRecent();
    void indexViolations();
    struct RowWalk {
        const RowOptions& options;
        std::vector<TreeRow>& out;
        std::size_t unfolded = 0;
        std::set<std::pair<u64, unsigned>> near; // tables with an entry that changed lately
    };
    void visit(RowWalk& walk, Gfn base, Level level, unsigned depth, const std::array<Pfn, kColumns>& tables) const;
    TreeCell cellAt(Column column, Place place, Level level) const;
    TreeCell cellOf(Column column, u64 raw, Level level) const;
    std::string valueText(Column column, u64 raw, Level level) const;
    Pfn tableBelow(Column column, const TreeCell& cell) const;
    struct Note {
        u64 from = 0; // the position from which on it is in force
        u32 script = 0;
    };
    const Note* noteIn(u64 at) const;
    u64 positionAfter(const Mark& mark) const;
    bool fits(const EventFilter::Word& word, u64 n) const;
    std::string changedWords(u64 n) const;
    FoundEvent eventHere(u64 n) const;
    void indexRecorded();
    bool lineFits(const EventFilter::Word& word, u64 n) const;
    std::string lineOf(u64 n) const;
    std::string eventOf(u64 n) const;

    Scenario scenario_;
    std::shared_ptr<const RecordedKernel> recorded_;
    u64 peak_ = 0; // of a recording: where most is mapped
    std::unique_ptr<Runner> runner_;
    std::unordered_map<u64, Recent> recent_; // place -> what it was, for the last micro-steps
    std::unordered_map<u64, std::vector<u64>> recentByFrame_;
    std::set<u64> violating_;                    // places of violations that last at the position
    std::vector<u64> violationEnds_;             // violation by violation: the micro-step that changed one of its places next
    std::map<u32, std::pair<u64, u64>> extents_; // script step -> positions
    std::vector<ActorId> actors_;
    Pfn shownRoot_;
    bool endsDead_ = false;
    std::vector<std::pair<u64, u32>> scriptRuns_; // where another script step goes on, and which: asked for often, and far away
    std::vector<u64> topStarts_;                  // positions at which top-level steps begin, and pauses
    std::vector<RaceRun> races_;
    std::map<unsigned, std::vector<u64>> lineStarts_; // ascending
    std::vector<u64> pauses_, halts_;
    std::vector<Question> questions_;
    std::vector<Note> notes_;          // ascending
    std::vector<std::size_t> returns_; // the marks of steps that returned, ascending
    mutable std::unique_ptr<Lanes> lanes_;
    mutable std::optional<std::vector<Failure>> failures_; // once somebody has asked
};

// What a file is, a scenario that is run or a recording. Throws InputError.
std::unique_ptr<Session> openSession(const std::string& file, const std::vector<Override>& overrides);
// A recording, read as the trace of that kernel (without one, of any) to its end or, as verdict().bounded says, until about `most` events
// are there. Throws InputError; Session::Stopped when `goOn` says so.
std::unique_ptr<Session> openRecording(
    TraceInput& input, TraceKernel kernel = {}, const std::function<bool(u64)>& goOn = [](u64) { return true; }, u64 most = ~u64{0});

// How long a zapped entry stays visible, in micro-steps.
inline constexpr unsigned kZappedVisible = 12;

} // namespace mirrorscope
