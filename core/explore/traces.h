// SPDX-License-Identifier: GPL-3.0-or-later
// The search of stateless mode over anything that takes micro-steps: of all executions that only exchange independent micro-steps one is
// run. A race of a scenario is such a world, and so are the little programs that the tests judge the search with.
#pragma once

#include "explore/reduction.h"

namespace mirrorscope {

// Actors are numbered from 0. Where an actor stands and what it does next depends on its own past and on the words that its micro-steps
// have read, and on nothing else; exploring.md says what follows if that is broken.
class TraceWorld {
public:
    virtual ~TraceWorld() = default;
    virtual unsigned actors() const = 0;
    // Nothing is left that it could ever do. (An actor that serves others has always something left.)
    virtual bool done(unsigned actor) const = 0;
    virtual bool enabled(unsigned actor) const = 0;
    // Of one that is neither: the words that it looks at to see whether it can go on.
    virtual Footprint guard(unsigned actor) = 0;
    // Does the guard of one that waits stay the same until it moves?
    virtual bool keepsGuard(unsigned actor) const = 0;
    // What the next micro-step of one that is enabled waits for.
    virtual Condition condition(unsigned actor) = 0;
    // The next micro-step from where the execution stands now, and what it accessed, its guard included.
    virtual Footprint step(unsigned actor) = 0;
    // The execution stands where it did before its last micro-step. The world may go back later: condition() is asked next, or takeBack().
    virtual void takeBack() = 0;

    // So many micro-steps were held against others to see what is to be tried in another order; of long executions that is what takes time.
    virtual void compared(u64 all) { static_cast<void>(all); }

    // Everything is to be tried from here, whatever is found.
    virtual bool triesAll() const { return false; }
    // Is what follows the last micro-step for this search? `last`: nobody can go on.
    virtual bool enters(bool last) {
        static_cast<void>(last);
        return true;
    }
    // All that follows from here was tried; not called for what was not entered.
    virtual void left() {}
    // Nobody can go on: all are done, or somebody waits for ever.
    virtual void ended() = 0;
    // All that could follow is equivalent to what was tried.
    virtual void givenUp() {}
};

void exploreTraces(TraceWorld& world, Reduction::Part without = Reduction::Part::All);

} // namespace mirrorscope
