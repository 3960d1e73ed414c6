// SPDX-License-Identifier: GPL-3.0-or-later
// Reads traces as text: `trace`, `trace_pipe`, `trace-cmd report`, `perf script`, and what becomes of them in mails.
//
//   TextReader reader(names, sink);
//   reader.feed(chunk);  …  reader.finish();
//   reader.counts().events;
//
// Any bytes are taken, in any pieces. What is no event is counted and passed over: prose, stack traces, headers. A line that was
// broken by a mailer is joined with the next ones; quote marks are taken away; task, CPU and time may be cut away.
#pragma once

#include "trace/event.h"

#include <map>

namespace mirrorscope {

// What takes the events of a recording, in its order.
class TraceSink {
public:
    virtual ~TraceSink() = default;
    virtual void event(const TraceEvent& event) = 0;
    virtual void lost(const TraceLoss& loss) = 0;
};

struct TraceCounts {
    u64 lines = 0;
    u64 events = 0;                   // that were understood
    u64 skipped = 0;                  // lines that are no event, no header and not blank
    u64 cut = 0;                      // of those: an event's name without all that it should say
    u64 lost = 0;                     // events, as far as the recording tells how many
    std::map<std::string, u64> kinds; // every event by its name, also those that are of no concern here
    // An event that is followed; in `kinds` once all were counted.
    void count(TraceKind kind) {
        ++events;
        ++ofKind[static_cast<unsigned>(kind)];
    }
    void allCounted();

private:
    std::array<u64, kTraceKinds> ofKind{};
};

class TextReader {
public:
    TextReader(TraceNames& names, TraceSink& sink) : names_(names), sink_(sink) {}
    void feed(std::string_view bytes);
    void finish();
    const TraceCounts& counts() const { return counts_; }

private:
    enum class Found : u8 { Nothing, Event, Cut, Other };
    void line(std::string_view text);
    // What was held back because it may go on in the next line is let go.
    void flush();
    Found understand(std::string_view text, TraceEvent& event);
    void prefix(std::string_view text, TraceEvent& event);
    bool header(std::string_view text);
    u32 taskOf(std::string_view text, char between);
    void give(const TraceEvent& event);

    TraceNames& names_;
    TraceSink& sink_;
    TraceCounts counts_;
    std::string rest_;      // of a line whose end has not come
    bool overlong_ = false; // and what is passed over of it
    std::string held_;      // an event that may go on in the next line
    u32 heldLine_ = 0;
    unsigned joined_ = 0;
    std::string_view other_; // the name of an event that is of no concern
    std::string lastTask_;   // as it stood in the line before
    u32 lastTaskIs_ = 0;
};

// The fields of an event, behind its name. False: not all that it should say is there.
bool parseFields(TraceKind kind, std::string_view fields, TraceEvent& event, TraceNames& names);

} // namespace mirrorscope
