// SPDX-License-Identifier: GPL-3.0-or-later
// A run as its events, and two of them at once: as one host would have printed both.
#pragma once

#include "kvm/spte.h"
#include "support/collected.h"
#include "trace/seamcalls.h"
#include "trace/text_reader.h"

#include <random>
#include <string>

namespace mirrorscope::test {

struct ToldRun {
    explicit ToldRun(std::string_view text) {
        Collected collected;
        TextReader reader(names, collected);
        reader.feed(text);
        reader.finish();
        events = std::move(collected.events);
    }
    std::string name;
    TraceNames names;
    std::vector<TraceEvent> events;
};

// The same of another VM: in frames of its own.
inline TraceEvent inOtherFrames(TraceEvent e) {
    constexpr u64 kBeside = 1 << 24;
    const auto moved = [](u64 spte) { return spte::isPresent(spte) ? spte + (kBeside << 12) : spte; };
    switch (e.kind) {
    case TraceKind::SpteChanged:
    case TraceKind::FastPageFault: e.b = moved(e.b); [[fallthrough]];
    case TraceKind::SplitHugePage: e.a = moved(e.a); break;
    case TraceKind::SetSpte:
        e.a = moved(e.a);
        e.b += kBeside << 12;
        break;
    case TraceKind::Seamcall:
        e.b += e.b == 0 ? 0 : kBeside * SeamcallJudge::kPageStruct;
        e.c += 1 << 16;
        break;
    default: break;
    }
    return e;
}

// Calls line(text, event, whether it is the first one's) for each line of both, in an order that is drawn; the second one's in other
// frames and by other tasks.
template <class F>
void interleave(const ToldRun& run, const ToldRun& other, std::mt19937_64& random, F&& line) {
    std::size_t a = 0, b = 0;
    while (a < run.events.size() || b < other.events.size()) {
        const bool first = b == other.events.size() || (a < run.events.size() && random() % 2 == 0);
        TraceEvent e = first ? run.events[a++] : inOtherFrames(other.events[b++]);
        e.time = (a + b) * 1000;
        TraceNames names;
        const auto& task = (first ? run : other).names.taskOf(e.task);
        e.task = names.task((first ? "" : "other-") + task.comm, task.pid + (first ? 0 : 100));
        line(lineText(e, names), e, first);
    }
}

} // namespace mirrorscope::test
