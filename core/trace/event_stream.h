// SPDX-License-Identifier: GPL-3.0-or-later
// Events as bytes: what a session file holds, and what comes through a pipe from the process that reads a binary recording.
//
// A sequence of records: a tag, then numbers in 7-bit groups, the lowest first, and texts with their length before them. Lines and times
// are differences to those of the event before. What is read is checked: bytes that are none give an error and nothing else.
#pragma once

#include "trace/text_reader.h"

#include <functional>

namespace mirrorscope {

class EventWriter final : public TraceSink {
public:
    // `out` takes the bytes, in pieces.
    EventWriter(const TraceNames& names, std::function<void(std::string_view)> out) : names_(names), out_(std::move(out)) {}
    void event(const TraceEvent& event) override;
    void lost(const TraceLoss& loss) override;
    // The end, with what was counted.
    void finish(const TraceCounts& counts);

private:
    void number(u64 value);
    void text(std::string_view text);
    void newNames();
    void send(bool all);

    const TraceNames& names_;
    std::function<void(std::string_view)> out_;
    std::string bytes_;
    std::size_t tasks_ = 1, strings_ = 0; // of which the reader knows
    TraceEvent last_;
};

class EventReader {
public:
    EventReader(TraceNames& names, TraceSink& sink) : names_(names), sink_(sink) { tasks_.push_back(0); }
    // False: these are no events; what came before has been given.
    bool feed(std::string_view bytes);
    // Whether the end has come, and nothing behind it.
    bool finished() const { return finished_ && pending_.empty(); }
    const TraceCounts& counts() const { return counts_; }

private:
    class Bytes;
    bool record(Bytes& bytes);

    TraceNames& names_;
    TraceSink& sink_;
    TraceCounts counts_;
    std::string pending_;
    std::vector<u32> tasks_, strings_; // by the writer's numbers
    TraceEvent last_;
    bool finished_ = false;
};

} // namespace mirrorscope
