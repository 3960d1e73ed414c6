// SPDX-License-Identifier: GPL-3.0-or-later
// Two runs compared, or two moments of one: the trees entry by entry, what the steps returned, SEAMCALLs, locks, kicks, frozen entries and
// trace lines as they came, the micro-step at which the runs part, and what they cost. Frames are compared up to renaming: which one an
// allocation gives says nothing.
#pragma once

#include "session/session.h"

#include <nlohmann/json.hpp>

#include <optional>
#include <string>
#include <vector>

namespace mirrorscope {

// A side of the comparison: a run up to a position, and what the reader calls it.
struct Side {
    Session& session;
    u64 position = 0;
    std::string name;
};

struct Difference {
    // What one side has in its sequence and the other has not, in the order in which they come.
    struct Missing {
        bool inB = false;
        u64 n = 0; // the micro-step, in its own run
        std::string text;
    };
    struct Sequence {
        u64 a = 0, b = 0; // how many
        std::vector<Missing> missing;
        bool aligned = true; // false: too long to be aligned; all between the common beginning and end is listed
    };
    struct Pair {
        std::string name, a, b; // "mirror 0x4000 4K", what each side has there; "–": nothing
    };
    struct Parting {
        u64 n = 0;        // the first micro-step that is not the same
        std::string a, b; // what it is on each side; empty: the run has ended
    };
    std::string nameA, nameB;
    std::optional<Parting> parting; // none: one run is like the other
    u64 stepsA = 0, stepsB = 0;
    std::vector<Pair> trees, results;
    Sequence seamcalls, locks, kicks, frozen, lines; // how long each entry was frozen; what the kernel's trace says
    std::optional<std::vector<Pair>> costs;          // the rows of the default table, and their sum first; only of two runs to their ends
    bool ofOneRun = false;                           // two moments: what came between is no difference
    bool ofTables = false;                           // nothing else was compared

    bool equal() const {
        return trees.empty() && (ofOneRun || ofTables ||
                                 (!parting && results.empty() && seamcalls.missing.empty() && locks.missing.empty() &&
                                  kicks.missing.empty() && frozen.missing.empty() && lines.missing.empty() && stepsA == stepsB));
    }
};

Difference differenceOf(const Side& a, const Side& b);
// Two recordings or snapshots, of which only what the tables hold at those positions is compared; the guest's frames by their numbers.
Difference differenceOfTables(const Side& a, const Side& b);
// Two moments of one run; `session` stands at the second one afterwards.
Difference differenceWithin(Session& session, u64 first, u64 second);

std::string differenceText(const Difference& difference); // 78 columns
nlohmann::ordered_json differenceJson(const Difference& difference);

} // namespace mirrorscope
