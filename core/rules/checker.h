// SPDX-License-Identifier: GPL-3.0-or-later
// The rules of the protocol: they look at what a micro-step touched. They change nothing but words of their own (ActorWord::ReducedStart
// and its like), which nobody else reads.
//
// One file per rule. A rule implements what it watches; the checker walks the changes of the step once and hands each
// to the rules that care, so that checking costs what the step did.
#pragma once

#include "rules/touched.h"
#include "rules/violation.h"
#include "rules/word_kinds.h"
#include "system/system.h"

#include <string>
#include <unordered_set>
#include <vector>

namespace mirrorscope {

class Checker;

// What a rule sees and where it reports.
struct RuleContext {
    const System& system;
    Checker& checker;
    const Machine& machine() const { return system.machine(); }
    const Kvm& kvm() const { return system.kvm(); }
};

class Checker final : public Watch {
public:
    explicit Checker(System& system);
    ~Checker() override { system_.kvm().watchedBy(nullptr); }
    Checker(const Checker&) = delete;
    Checker& operator=(const Checker&) = delete;
    // From now on what leaves no change behind is looked at, too.
    void watch() { system_.kvm().watchedBy(this); }
    void guestRead(unsigned vcpu, Gfn gfn, Alias alias, u64 word, u64 value, std::optional<Place> record) override;
    void guestWrote(const Memslot& slot, Gfn gfn) override;
    void tableRead(Place entry) override;
    void operationEnds() override { endOperation(true); }
    void logStarts(const Memslot& slot) override;
    void logRead(const Memslot& slot, u64 first, u64 end) override;
    void logTaken(Place word, u64 bits) override;
    void logWasRead(const Memslot& slot, u64 first, u64 end) override;
    // Not whole: what the actor has done is a part of an operation whose rest never comes.
    void endOperation(bool whole);

    // Looks at what changed since the last call.
    void afterStep();
    // The machine is quiet: no actor is inside anything.
    void atQuiet();
    // From here on; what was done before is not looked at again (after a rewind, too).
    void reset();
    // What was done before is not in the journal: when the machine is quiet next, every frame is looked at.
    void lookAtAllWhenQuiet() { quietAll_ = true; }
    // What is to be looked at when the machine is quiet next, for a search that comes back to where it was.
    void goesBack() { touched_.goesBack(); }
    Touched::Moment now() const { return touched_.now(); }
    void backTo(const Touched::Moment& then) { touched_.backTo(then); }

    // For tests of what judges: nothing is heard of that rule.
    void ignore(Rule rule) { ignored_ = rule; }
    // The machine, for a rule's own words.
    Machine& machine() { return system_.machine(); }
    void report(Rule rule, u64 key, std::string text, std::vector<Place> places = {});
    // Was it reported before? Then its text need not be made.
    bool knows(Rule rule, u64 key) const { return known_.contains(mix(key, static_cast<u64>(rule))); }
    const std::vector<Violation>& violations() const { return violations_; }
    // Forgets the violations from `size` on; they may be reported again.
    void truncate(std::size_t size);
    // These and no others have been reported.
    void assign(std::vector<Violation> violations);

private:
    // What the changes of one micro-step say together.
    struct Pass {
        Gfn closed;
        bool endedInvalidation = false;
        GfnRange ended;
    };
    void lookAtStep();
    void look(RuleContext& context, Pass& pass, Place place, u64 delta);
    // Whom that word kept may have nobody else: it is asked for when the machine is quiet.
    void letGo(Place place, u64 delta);
    void touchAllInUse();
    void lookAtEntry(RuleContext& context, Place place, u64 delta);
    void lookAtTlb(RuleContext& context, Place place);
    void lookAtVm(RuleContext& context, Pass& pass, Place place, u64 delta);
    void lookAtActor(RuleContext& context, Pass& pass, Place place, u64 delta);
    void lookAtPamt(RuleContext& context, Place place, u64 delta);

    System& system_;
    WordKinds kinds_;
    u64 seen_ = 0; // changes looked at
    Touched touched_;
    std::vector<JournalChange> changes_; // of the micro-step that is being looked at
    std::vector<Pfn> letGo_;             // by the word that is being looked at
    bool quietAll_ = false;
    std::vector<Violation> violations_;
    std::unordered_set<u64> known_; // what was reported, by rule and key
    std::optional<Rule> ignored_;
};

// ---- the rules: each function is one file
namespace rules {
// A word of a page table of KVM or of the secure EPT changed.
void coherentTable(RuleContext& context, Place place);
void coherentSept(RuleContext& context, Place place);
// An actor's `Clearing` record changed; `old` is what it was.
void coherentWindowClosed(RuleContext& context, Gfn gfn, Level level);
void frozenOwnedEntry(RuleContext& context, Place place);
void frozenOwnedRelease(RuleContext& context, Place place);
void noStaleTlbFrame(RuleContext& context, Pfn pfn);
// `filled`: by this micro-step.
void noStaleTlbEntry(RuleContext& context, unsigned vcpu, const TlbEntry& entry, bool filled = false);
void noStaleTlbUpper(RuleContext& context, unsigned vcpu, const UpperEntry& entry);
// An entry of one of KVM's own tables changed: the actor's range of taken rights grows.
void noStaleTlbReduced(RuleContext& context, Place place, u64 old);
// The actor's operation is over; what is left of its range is asked for, and forgotten.
void noStaleTlbOperationEnds(RuleContext& context, bool whole);
// An entry changed; a page's word or attribute did; an invalidation ended or a memslot went.
void mapsThePageEntry(RuleContext& context, Place place, u64 old);
void mapsThePageRange(RuleContext& context, const GfnRange& range);
// The log of those pages was read.
void dirtyLogComplete(RuleContext& context, const Memslot& slot, u64 first, u64 end);
void singleOwner(RuleContext& context, Pfn pfn);
void noLeak(RuleContext& context, Pfn pfn);
// What an entry of the secure EPT of KVM's own TD translates; nothing for a second TD, made by raw SEAMCALLs, which has no mirror.
struct SeptRange {
    Gfn gfn;
    Level level = Level::None;
};
std::optional<SeptRange> septRangeOf(const System& system, Place septPlace);
void parentBeforeChild(RuleContext& context, Place septPlace, u64 old);
void tableRemoved(RuleContext& context, Pfn frame, u64 old);
void moduleAgrees(RuleContext& context);
void kernelAsserts(RuleContext& context, Assert which);
void noLostWrite(RuleContext& context, unsigned vcpu, Gfn gfn, Alias alias, u64 word, u64 value, Place record);
void oneAliasShared(RuleContext& context, Place place);
void oneAliasPrivate(RuleContext& context, Place septPlace);
void oneAliasUser(RuleContext& context, Gfn gfn, Place place);
void noUseAfterFreeRead(RuleContext& context, Place entry);
void noUseAfterFreeZap(RuleContext& context, Place place, u64 old);
// An actor's record of held locks changed.
void lockOrderTaken(RuleContext& context, unsigned actor, u64 old, u64 now);
// Somebody asserted that he holds a lock, and does not.
void lockOrderAsserted(RuleContext& context);
void lockOrderQuiet(RuleContext& context);
} // namespace rules

} // namespace mirrorscope
