// SPDX-License-Identifier: GPL-3.0-or-later
// Any bytes as a recording, packed or not: text, or a session's events; rebuilt, judged, and shown as a session. Not trace.dat, which
// libtracecmd reads in a process of its own.
#include "scenario/diagnostic.h"
#include "session/session.h"
#include "trace/dat_reader.h"
#include "trace/event_stream.h"
#include "trace/recorded.h"

#include <cstddef>
#include <string>

using namespace mirrorscope;

namespace {
std::string plain(const std::string& bytes) {
    TraceInput input("fuzz", bytes);
    return std::string(input.peek());
}
} // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* bytes, std::size_t size) {
    const std::string text(reinterpret_cast<const char*>(bytes), size);
    try {
        // The events of a session file, whose checksum no such bytes would have.
        if (size > 0 && bytes[0] == 1) {
            TraceNames names;
            Rebuild rebuild({});
            EventReader reader(names, rebuild);
            static_cast<void>(reader.feed(std::string_view(text).substr(1)));
            return 0;
        }
        if (isTraceDat(plain(text)))
            return 0;
        TraceInput input("fuzz", text);
        const auto session = openRecording(input);
        session->seek(session->end() / 2);
        static_cast<void>(session->rows());
        static_cast<void>(session->sentence(session->position()));
    } catch (const InputError&) { // refused, with a reason
    }
    return 0;
}
