// SPDX-License-Identifier: GPL-3.0-or-later
// A snapshot: the tables of a kernel as they were at one moment (state JSON, as resources/snapshot/kvm-snapshot.py writes it). It is read
// as the shortest recording that leads there: a root, then each entry in the order of the walk, from none to what it holds. So all that is
// there for recordings is there for it, and the rules that need no history judge it; what became of an entry before is not told.
#pragma once

#include "trace/text_reader.h"

#include <functional>
#include <string>

namespace mirrorscope {

class TraceInput;

// Does a file with those first bytes look like state JSON?
bool isSnapshot(std::string_view firstBytes);
// Gives its events to the sink; a snapshot's line is the number of the entry. `about`: what is told of where it comes from, as Markdown.
// Throws InputError: no JSON, no snapshot (the state of a run says of which), an entry below no table.
TraceCounts readSnapshot(TraceInput& input, TraceNames& names, TraceSink& sink, const std::function<bool(u64)>& goOn, std::string& about);

} // namespace mirrorscope
