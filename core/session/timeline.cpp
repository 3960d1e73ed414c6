// SPDX-License-Identifier: GPL-3.0-or-later
#include "session/timeline.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace mirrorscope {

namespace {
constexpr u64 kNone = ~u64{0};

u64 niceStep(double atLeast) {
    for (u64 power = 1;; power *= 10)
        for (const u64 factor : {1, 2, 5})
            if (static_cast<double>(factor * power) >= atLeast)
                return factor * power;
}
} // namespace

u64 TimelineScale::step(double x) const {
    const double n = std::floor(start + x / perStep);
    return end == 0 ? 0 : static_cast<u64>(std::clamp(n, 0.0, static_cast<double>(end - 1)));
}

std::vector<u64> ticksOf(const TimelineScale& scale, double apart) {
    std::vector<u64> ticks;
    const u64 step = niceStep(apart / scale.perStep);
    for (u64 at = scale.first() / step * step; at <= scale.last() + 1; at += step)
        if (scale.x(at) >= 0)
            ticks.push_back(at);
    return ticks;
}

std::vector<TimelineBand> bandsOf(const Session& session, const TimelineScale& scale) {
    constexpr u64 kLookAhead = 512; // micro-steps of a race, in which steps take turns
    std::vector<TimelineBand> bands;
    const u64 last = scale.last();
    double shownTo = -scale.perStep;
    for (u64 n = scale.first(); n <= last && scale.end > 0;) {
        const u32 script = session.scriptOf(n);
        const auto extent = session.extent(script);
        if (!extent || session.scenario().step(script) == nullptr || extent->second <= n) {
            ++n;
            continue;
        }
        // Found by jumping from end to end.
        u64 end = std::min(extent->second, last + 1);
        if (session.raceAt(n)) {
            const u64 limit = std::min(end, n + kLookAhead);
            for (end = n + 1; end < limit && session.scriptOf(end) == script;)
                ++end;
        }
        const double from = scale.x(n), to = from + std::max(1.0, static_cast<double>(end - n) * scale.perStep - 1);
        if (to > shownTo + 0.5) {
            bands.push_back({from, to, script});
            shownTo = to;
        }
        // Bands narrower than a pixel: on to the next pixel.
        n = std::max(end, static_cast<u64>(static_cast<double>(n) + std::max(1.0, 0.5 / scale.perStep)));
    }
    return bands;
}

std::vector<TimelineBox> boxesOf(const Session& session, std::size_t actor, const TimelineScale& scale) {
    std::vector<TimelineBox> boxes;
    if (scale.end == 0)
        return boxes;
    if (scale.perStep >= 1) {
        const u64 last = scale.last();
        for (u64 n = session.lanes().next(scale.first(), actor); n <= last && n != kNone; n = session.lanes().next(n + 1, actor))
            boxes.push_back({scale.x(n), scale.x(n) + scale.perStep, 0, 1, groupOf(session.stepBrief(n).second)});
        return boxes;
    }
    // Several micro-steps a pixel: every kind that is among them has its share of the pixel.
    for (unsigned x = 0; x < static_cast<unsigned>(scale.width); ++x) {
        const u64 from = scale.step(x), to = std::max(from + 1, scale.step(x + 1));
        const u16 groups = session.lanes().groups(from, to, actor);
        const double count = std::popcount(groups);
        double k = 0;
        for (unsigned g = 0; g < kStepGroups; ++g)
            if ((groups >> g & 1) != 0) {
                boxes.push_back({static_cast<double>(x), x + 1.0, k / count, (k + 1) / count, static_cast<StepGroup>(g)});
                ++k;
            }
    }
    return boxes;
}

std::vector<TimelineSpan> spansOf(const std::vector<Span>& spans, const TimelineScale& scale, std::optional<ActorId> only) {
    std::vector<TimelineSpan> shown;
    const auto add = [&](const Span& span) {
        shown.push_back({std::max(scale.x(span.begin), 0.0), std::min(scale.x(span.end), scale.width), &span});
    };
    const u64 first = scale.first(), last = scale.last();
    for (const std::size_t i : Lanes::lasting(spans, first))
        if (!only || spans[i].actor == *only)
            add(spans[i]);
    // Of those that begin within one pixel and end within it one is seen; one that lasts longer is not hidden by them.
    constexpr std::size_t kLook = 64; // spans of one pixel that are looked at
    for (std::size_t i = Lanes::firstFrom(spans, first); i < spans.size() && spans[i].begin <= last;) {
        const auto next = std::max(spans[i].begin + 1, static_cast<u64>(static_cast<double>(spans[i].begin) + 1 / scale.perStep));
        bool narrow = false;
        const std::size_t until = std::min(spans.size(), i + kLook);
        for (; i < until && spans[i].begin < next; ++i) {
            if (only && spans[i].actor != *only)
                continue;
            const bool wide = static_cast<double>(spans[i].end - spans[i].begin) * scale.perStep >= 1;
            if (wide || !narrow)
                add(spans[i]);
            narrow |= !wide;
        }
        if (i < spans.size() && spans[i].begin < next)
            i = Lanes::firstFrom(spans, next);
    }
    return shown;
}

std::vector<OverviewColumn> overviewOf(const Session& session, unsigned columns) {
    std::vector<OverviewColumn> overview(columns);
    const u64 end = session.end();
    for (unsigned c = 0; c < columns && end > 0; ++c) {
        const u64 from = end * c / columns, to = std::min(end, std::max(from + 1, end * (c + 1) / columns));
        u16 groups = 0;
        for (std::size_t actor = 0; actor < session.actors().size(); ++actor)
            groups |= session.lanes().groups(from, to, actor);
        const auto has = [&](StepGroup g) { return (groups >> static_cast<unsigned>(g) & 1) != 0; };
        overview[c] = {has(StepGroup::Entry), has(StepGroup::Seamcall)};
    }
    return overview;
}

} // namespace mirrorscope
