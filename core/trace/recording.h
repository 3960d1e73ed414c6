// SPDX-License-Identifier: GPL-3.0-or-later
// A recording, whatever it is: text, trace.dat, a session file that was made of one, or a snapshot of the tables.
#pragma once

#include "trace/input.h"
#include "trace/text_reader.h"

#include <functional>
#include <memory>

namespace mirrorscope {

enum class TraceFormat : u8 { Text, Dat, Session, Snapshot };
std::string_view name(TraceFormat format);
TraceFormat formatOf(std::string_view firstBytes);

// Is a file with those first bytes (unpacked) a recording, and no scenario? Of text: whether one of its first lines is an event.
bool looksLikeTrace(std::string_view firstBytes);

// Of a file: by its first bytes, unless its name says that it is a scenario.
bool isTraceFile(const std::string& file);

struct TraceRead {
    TraceFormat format = TraceFormat::Text;
    TraceCounts counts;
    bool whole = true; // else it was stopped
    std::string about; // a snapshot: where it comes from
    bool isSnapshot() const { return format == TraceFormat::Snapshot; }
};
// Gives all events to the sink. `goOn` is asked now and then, with the number of events so far; false ends it.
// Throws InputError.
TraceRead readTrace(
    TraceInput& input, TraceNames& names, TraceSink& sink, const std::function<bool(u64)>& goOn = [](u64) { return true; });

// Writes a session file: all events of a recording, packed, with a version and a checksum. It grows beside the file that it will be, and
// takes its name when it is complete.
class SessionFileWriter final : public TraceSink {
public:
    SessionFileWriter(std::string file, const TraceNames& names);
    ~SessionFileWriter() override;
    void event(const TraceEvent& event) override;
    void lost(const TraceLoss& loss) override;
    // Throws InputError where it cannot be written.
    void finish(const TraceCounts& counts);

private:
    class Out;
    std::unique_ptr<Out> out_;
};

} // namespace mirrorscope
