// SPDX-License-Identifier: GPL-3.0-or-later
// Which of the orders of one execution matter: happens-before over the real accesses of its micro-steps, and for each pair of micro-steps
// that could have come the other way round, where the search must branch for that.
//
// Source sets after Abdulla, Aronsson, Jonsson and Sagonas, "Source Sets: A Foundation for Optimal Dynamic Partial Order Reduction"
// (J. ACM 64(4), 2017), algorithm 1; sleep sets after Godefroid. Two things are ours, since micro-steps decide by what they read and may
// have to wait: an actor that waits is taken for one that tries in vain, which only reads; and a micro-step that read what it is to
// precede is not judged by what it did after it. resources/docs/exploring.md has the definitions and the argument.
#pragma once

#include "sim/sim.h"

#include <bitset>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

namespace mirrorscope {

// The accesses of one micro-step, one for each place, sorted by place.
struct Touch {
    u64 place;
    WordAccess::Kind kind;
    bool reads; // what it goes on to do may depend on the value
    u64 old;    // the value that it found
};
using Footprint = std::vector<Touch>;
Footprint footprint(const WordAccess* begin, const WordAccess* end);
bool independent(const Footprint& a, const Footprint& b);

class Reduction {
public:
    // A set of actors of a race, in the race's own numbering.
    static constexpr std::size_t kMostActors = 320;
    using Set = std::bitset<kMostActors>;
    // Parts of the argument, for tests that leave one out and see what is lost.
    enum class Part : u8 { All, WaitingActors, WhatWasRead, WholeExecution, Waking };
    explicit Reduction(unsigned actors, Part without = Part::All) : last_(actors), without_(without) {}

    using Shared = std::shared_ptr<const Footprint>;
    struct Asleep {
        unsigned actor;
        Shared next; // what its next micro-step accesses
    };
    static Set actorsOf(const std::vector<Asleep>& sleep);
    // An actor that waits: the words that it would read in vain, all that its trying accesses.
    struct Waiting {
        unsigned actor;
        Shared guard;
    };
    // The state before a micro-step, and which micro-steps are or will be tried from it.
    struct Node {
        Set enabled;
        Set backtrack;
        std::vector<Asleep> sleep; // tried already: from an ancestor, or from here
        std::vector<Waiting> waiting;
        Set asleep() const { return actorsOf(sleep); }
    };

    // Where the present execution stands. nodes().back() is the state that it has reached.
    std::vector<Node>& nodes() { return nodes_; }
    // So many micro-steps were held against others so far.
    u64 compared() const { return compared_; }
    const Shared& lastFootprint() const { return events_.back().footprint; }
    // The next micro-step of the execution, from nodes().back(): races are looked for. `waited`: the condition that let it run.
    void push(unsigned actor, Footprint footprint, const Condition& waited);
    // The state that it led to; it begins with any one that is awake.
    void enter(const Set& enabled, std::vector<Asleep> sleep, std::vector<Waiting> waiting);
    // The execution ends here: over, stuck, or given up because all that could follow was tried.
    void end(const std::vector<Waiting>& waiting);
    // Back by one micro-step; the state that it led to was left before.
    void pop();

    // Those asleep at `node` that a micro-step of `actor` with that footprint does not wake up.
    std::vector<Asleep> sleepAfter(const Node& node, unsigned actor, const Footprint& footprint) const;

private:
    using Clock = std::vector<u32>; // per actor, how many of its micro-steps happen before
    struct Event {
        unsigned actor;
        u32 n; // the actor's n-th, from 1
        Clock clock;
        Shared footprint;
    };
    struct Entry {
        u32 event;
        WordAccess::Kind kind;
    };
    // Cuts: an execution that is looked at although it was not run, which is the present one without the events that happen after any of
    // the cuts, and without these.
    using Cuts = std::vector<u32>;
    // The next micro-step of an actor as it stands there, done or tried in vain.
    struct Next {
        unsigned actor;
        const Footprint& footprint;
        const Condition& waited;
        bool done;
        Clock clock = {};
    };
    // A pair to be looked at once more when the execution has ended: more may have been independent of its first one by then.
    struct Later {
        u32 at, of;
        Condition waited;
    };

    bool happensAfter(u32 event, u32 other) const { return events_[event].clock[events_[other].actor] >= events_[other].n; }
    bool isThere(u32 event, const Cuts& cuts) const;
    std::vector<u32> racesWith(Next& next, const Cuts& cuts) const;
    void reverse(u32 at, const Next& next, const Cuts& cuts);
    void reverseAll(Next& next, const Cuts& cuts);
    void reverseAtTheEnd(const Later& later);
    Set initialsAfter(u32 at, std::vector<u32>& first, const Cuts& cuts) const;
    bool touches(u32 at, const Footprint& what, const Cuts& cuts) const;
    bool staysShut(u32 at, const Condition& waited, const Cuts& cuts) const;
    std::optional<Footprint> wouldWait(u32 at, const Next& next, const Cuts& cuts) const;
    bool movesAfter(u32 at, unsigned actor, const Cuts& cuts) const;
    void tryInVain(const Waiting& waiting);

    std::vector<Event> events_;
    mutable u64 compared_ = 0;
    std::vector<Node> nodes_;
    std::vector<std::vector<u32>> last_; // per actor, its events
    std::unordered_map<u64, std::vector<Entry>> places_;
    std::vector<Later> later_;
    Part without_;
};

} // namespace mirrorscope
