// SPDX-License-Identifier: GPL-3.0-or-later
// Reads trace.dat, the binary recording of trace-cmd (versions 6 and 7), by libtracecmd.
//
// That library trusts its input: it runs in a process of its own with limits, which is this program once more (whatever links this can be
// that), and from which events come through a pipe (event_stream.h), so that a file that brings it down is an input that cannot be read and
// nothing more.
#pragma once

#include "trace/text_reader.h"

#include <functional>
#include <string>

namespace mirrorscope {

class TraceInput;

// Is that how such a file begins?
bool isTraceDat(std::string_view bytes);
// Throws InputError where it cannot be read. `goOn` is asked now and then, with a count of events; false ends it.
TraceCounts readTraceDat(TraceInput& input, TraceNames& names, TraceSink& sink, const std::function<bool(u64)>& goOn);

} // namespace mirrorscope
