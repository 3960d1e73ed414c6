// SPDX-License-Identifier: GPL-3.0-or-later
// What is in a recording, at a glance: events by kind, faults by how they ended and how long they took, where they were, storms of them.
#pragma once

#include "trace/recorded.h"

#include <map>

namespace mirrorscope {

// How a fault ended, as far as its lines tell: those of the same task up to its next entry into the guest.
enum class FaultEnd : u8 { Mapped, Fast, Mmio, Retried, NotMapped, Open, Count_ };
inline constexpr unsigned kFaultEnds = static_cast<unsigned>(FaultEnd::Count_);
std::string_view name(FaultEnd end);
std::string_view help(FaultEnd end);

struct RecordedFault {
    u64 begin = 0, end = 0; // events [begin, end)
    u64 gfn = 0;
    u64 nanoseconds = 0;
    FaultEnd how = FaultEnd::Open;
};

struct RecordedSummary {
    std::vector<RecordedFault> faults;
    std::array<u64, kFaultEnds> ends{};
    // Faults by how long they took: up to 1 µs, 2 µs, 4 µs …; and the first fault of each.
    static constexpr unsigned kBuckets = 24;
    std::array<u64, kBuckets> durations{};
    std::array<u64, kBuckets> firstOfDuration{};
    struct Hot {
        u64 gfn = 0, faults = 0, first = 0; // first: the event
    };
    std::vector<Hot> hottest; // those with most faults
    // Many faults of one task at one gfn, one after the other.
    struct Storm {
        u64 gfn = 0, faults = 0, first = 0;
        u32 task = 0;
    };
    std::vector<Storm> storms;
    u64 peak = 0;            // the event behind which most pages are mapped
    u64 first = 0, last = 0; // times
};
RecordedSummary summarize(const RecordedKernel& recorded);
// As Markdown, with links to positions and addresses.
std::string summaryMarkdown(const RecordedKernel& recorded, const RecordedSummary& summary);

} // namespace mirrorscope
