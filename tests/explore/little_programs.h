// SPDX-License-Identifier: GPL-3.0-or-later
// Little programs of shared words, locks, waits, loops that try again and RCU: what the search of stateless mode is judged with, beside a
// search that tries every state of them.
#pragma once

#include "explore/traces.h"

#include <set>
#include <string>
#include <vector>

namespace mirrorscope::test {

// Swap0: compare with 0 and exchange; what was there counts as read.
struct Op {
    enum class Kind : u8 { Read, Write, WriteLocal, Add, Swap0, ReadLock, WriteLock, ReadUnlock, WriteUnlock, RcuIn, RcuOut, CallRcu };
    Kind kind = Kind::Read;
    unsigned word = 0;
    u64 value = 0;
    bool ifOdd = false; // only if what the actor has read so far says so
};

// One micro-step.
struct LittleStep {
    enum class Guard : u8 { None, CanRead, CanWrite, Equals };
    Guard guard = Guard::None;
    unsigned guardWord = 0;
    u64 guardValue = 0;
    std::vector<Op> ops;
    // At its end: back to step `retryTo` unless the word read last has that value; blocked until a word of the round changes.
    bool retries = false;
    unsigned retryTo = 0;
    u64 retryUntil = 0;
    // At its end: so many steps are passed over if what was read says so, or if the word read last has that value.
    unsigned skipIfOdd = 0;
    unsigned skipIfRead = 0;
    u64 skipValue = 0;
};

struct LittleProgram {
    unsigned words = 3; // of data; locks, depths and the queue of RCU come after them
    unsigned locks = 0;
    std::vector<std::vector<LittleStep>> actors;
    bool rcu = false;
    unsigned callbackWord = 0; // what a callback of RCU writes
    std::string text() const;
};

// The final states, each as a number that equal states share.
using Ends = std::set<u64>;

// Every state once; false when there are more than `most`.
bool everyState(const LittleProgram& program, Ends& ends, u64 most);

struct Searched {
    Ends ends;
    u64 executions = 0, givenUp = 0;
    bool complete = true; // there were not too many
};
Searched searched(const LittleProgram& program, Reduction::Part without = Reduction::Part::All);

// A random one: some of locks, waits, retry points, RCU, data-dependent micro-steps, 2 to 4 actors.
LittleProgram randomProgram(u64 seed);

} // namespace mirrorscope::test
