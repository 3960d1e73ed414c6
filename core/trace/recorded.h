// SPDX-License-Identifier: GPL-3.0-or-later
// A recorded kernel as a machine with a journal: each event is a micro-step, and what it did to the tables is written in that step, so
// that time travel, history, search, pictures and exports work on it as on a run.
//
//   auto recorded = readRecorded("trace.dat", {});
//   System system(recorded->config);
//   recorded->replay(system, …);
//
// Tables stand in the frames that the lines name if all of these lie below Frames::kMost; else, and where no line tells the frame (roots,
// tables older than the recording), in frames that are numbered anew, and entries that lead to them name these.
#pragma once

#include "machine/config.h"
#include "rules/violation.h"
#include "scenario/scenario.h"
#include "trace/judge.h"
#include "trace/recorded_tables.h"

namespace mirrorscope {

class System;

struct RecordedKernel {
    std::string file;
    TraceKernel kernel = TraceKernel::Any;
    TraceRead read;
    TraceNames names;
    std::vector<TraceEvent> events; // in the order in which they are told to be done
    struct Loss {
        u64 before = 0; // which event
        TraceLoss what;
    };
    std::vector<Loss> losses;
    std::vector<Finding> findings; // of the first 10,000
    u64 findingCount = 0, transitions = 0, splits = 0, collapses = 0, shadowPages = 0;
    bool bounded = false;    // its beginning only: more follows that was not read
    Rebuild::Left left;      // at the end
    std::string notChecked;  // Rebuild::notCheckedText()
    u64 endGfn = 1;          // behind the last one that a line names
    bool renumbered = false; // frames of tables have numbers of their own
    MachineConfig config;
    std::vector<std::string> actors;     // what each actor is called
    std::vector<ActorId> actorOfTask;    // by task
    std::unordered_map<u64, u32> frames; // of each table's frame, as lines name it: where it is in the machine
    PrivateFrames privateFrames;         // of each table of the private tree that probes tell of
    SeamcallJudge::Told seamcalls;       // at the end

    bool isSnapshot() const { return read.isSnapshot(); }

    // Plays all events on a machine that was made of `config` and stands at its beginning; gives what was found as violations of
    // Rule::Conforms. Nothing when `goOn` said so.
    std::optional<std::vector<Violation>> replay(System& system, const std::function<bool(u64)>& goOn) const;
};

// A recording has one variant for each kernel that it can be read as the trace of; without one, what any of them may do is right. Throws
// InputError where something else is overridden.
TraceKernel kernelOfRecording(const std::string& file, const std::vector<Override>& overrides);
// Reads it to its end, or until about `most` events are there. Throws InputError; null when `goOn` said so.
std::unique_ptr<RecordedKernel> readRecorded(TraceInput& input, TraceKernel kernel, const std::function<bool(u64)>& goOn,
                                             u64 most = ~u64{0});

} // namespace mirrorscope
