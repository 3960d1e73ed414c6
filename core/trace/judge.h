// SPDX-License-Identifier: GPL-3.0-or-later
// A recording is read to its end and judged on the way: the one way from a file to findings, for the commands and for those who show it.
#pragma once

#include "trace/rebuild.h"
#include "trace/recording.h"

namespace mirrorscope {

struct JudgeOptions {
    TraceKernel kernel = TraceKernel::Any;
    TraceWatch* watch = nullptr;                              // hears what becomes of the tables
    TraceSink* events = nullptr;                              // gets every event as it was read
    std::function<bool(u64)> goOn = [](u64) { return true; }; // is asked now and then, with the events so far
    bool follow = false; // it may still grow: what waits for the lines behind it does so for a moment only
};

// What is known of it when it has been read. `names` outlives what is given here.
struct Judged {
    TraceRead read;
    std::unique_ptr<Rebuild> rebuild;
    double seconds = 0;
};
// Throws InputError, also where no event is in it.
Judged judgeTrace(TraceInput& input, TraceNames& names, const JudgeOptions& options);

} // namespace mirrorscope
