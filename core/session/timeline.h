// SPDX-License-Identifier: GPL-3.0-or-later
// What a timeline shows of a part of a run at a scale, as plain values that a painter draws: marks of the ruler, bands of the script's
// steps, boxes of what an actor did, spans of locks and calls, the whole run in columns. It costs the pixels, not the micro-steps.
// Every x is in pixels from the left edge of the lanes.
#pragma once

#include "session/session.h"
#include "session/style.h"

#include <optional>
#include <vector>

namespace mirrorscope {

struct TimelineScale {
    double start = 0;   // the micro-step at the left edge
    double perStep = 1; // pixels
    double width = 0;   // pixels
    u64 end = 0;        // of the run, in micro-steps

    double x(u64 n) const { return (static_cast<double>(n) - start) * perStep; }
    // The micro-step there, clamped to the run; 0 of an empty one.
    u64 step(double x) const;
    u64 first() const { return step(0); }
    u64 last() const { return step(width); }
};

// Positions at marks that are easy to read (1, 2 or 5 times a power of ten), at least so many pixels apart.
std::vector<u64> ticksOf(const TimelineScale& scale, double apart);

// A step of the script while it lasts. In a race steps overlap: the band ends where another begins.
struct TimelineBand {
    double from = 0, to = 0;
    u32 script = 0;
};
std::vector<TimelineBand> bandsOf(const Session& session, const TimelineScale& scale);

// A micro-step of an actor, or of several that share a pixel one of the kinds among them.
struct TimelineBox {
    double from = 0, to = 0;
    double top = 0, bottom = 1; // shares of the lane's height
    StepGroup group = StepGroup::Other;
};
std::vector<TimelineBox> boxesOf(const Session& session, std::size_t actor, const TimelineScale& scale);

struct TimelineSpan {
    double from = 0, to = 0;
    const Span* span; // never null; of the session's lanes
};
// Those that touch what is shown; of those within one pixel one. `only`: of that actor.
std::vector<TimelineSpan> spansOf(const std::vector<Span>& spans, const TimelineScale& scale, std::optional<ActorId> only = {});

// A column of the whole run: are there changes of entries, SEAMCALLs, whoever made them?
struct OverviewColumn {
    bool entries = false, calls = false;
};
std::vector<OverviewColumn> overviewOf(const Session& session, unsigned columns);

} // namespace mirrorscope
