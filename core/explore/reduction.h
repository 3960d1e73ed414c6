// SPDX-License-Identifier: GPL-3.0-or-later
// Which of the orders of one execution matter: happens-before over the real accesses of its micro-steps, and for each pair of micro-steps
// that could have come the other way round, where the search must branch for that.
//
// Source sets after Abdulla, Aronsson, Jonsson and Sagonas, "Source Sets: A Foundation for Optimal Dynamic Partial Order Reduction"
// (J. ACM 64(4), 2017), algorithm 1; sleep sets after Godefroid. Micro-steps that may be blocked (locks, waits, loops that try again) race
// with the nearest micro-step before which they were not: what let them in cannot be exchanged with them.
#pragma once

#include "sim/sim.h"

#include <unordered_map>
#include <vector>

namespace mirrorscope {

// The accesses of one micro-step, one for each place, sorted by place.
struct Touch {
    u64 place;
    WordAccess::Kind kind;
    u64 old; // the value that it found
};
using Footprint = std::vector<Touch>;
Footprint footprint(const WordAccess* begin, const WordAccess* end);
bool independent(const Footprint& a, const Footprint& b);

class Reduction {
public:
    // A set of actors of a race, in the race's own numbering.
    using Set = u32;
    explicit Reduction(unsigned actors) : last_(actors) {}

    struct Asleep {
        unsigned actor;
        Footprint next; // what its next micro-step accesses
    };
    static Set actorsOf(const std::vector<Asleep>& sleep);
    // The state before a micro-step, and which micro-steps are or will be tried from it.
    struct Node {
        Set enabled = 0;
        Set backtrack = 0;
        std::vector<Asleep> sleep; // tried already: from an ancestor, or from here
        Set asleep() const { return actorsOf(sleep); }
    };

    // Where the present execution stands. nodes().back() is the state that it has reached.
    std::vector<Node>& nodes() { return nodes_; }
    const Footprint& lastFootprint() const { return events_.back().footprint; }
    // What a micro-step waited for before it could run. Unknown: for whatever it read.
    struct Wait {
        Footprint words;
        Condition condition;
        bool unknown = false;
    };
    // The next micro-step of the execution, from nodes().back(): races are looked for.
    void push(unsigned actor, Footprint footprint, const Wait& wait);
    // The state that it led to; it begins with any one that is awake.
    void enter(Set enabled, std::vector<Asleep> sleep);
    // Back by one micro-step; the state that it led to was left before.
    void pop();
    // The execution is over, and that actor still waits.
    void waits(unsigned actor, const Wait& wait) { race(actor, wait.words, wait); }

    // Those asleep at `node` that a micro-step of `actor` with that footprint does not wake up.
    std::vector<Asleep> sleepAfter(const Node& node, unsigned actor, const Footprint& footprint) const;

private:
    using Clock = std::vector<u32>; // per actor, how many of its micro-steps happen before
    struct Event {
        unsigned actor;
        u32 n; // the actor's n-th, from 1
        Clock clock;
        Footprint footprint;
    };
    struct Entry {
        u32 event;
        WordAccess::Kind kind;
        u64 old;
    };

    Clock race(unsigned actor, const Footprint& footprint, const Wait& wait);
    void branch(u32 at, unsigned actor, const Clock& clock);

    std::vector<Event> events_;
    std::vector<Node> nodes_;
    std::vector<std::vector<u32>> last_; // per actor, its events
    std::unordered_map<u64, std::vector<Entry>> places_;
};

} // namespace mirrorscope
