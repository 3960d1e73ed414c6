// SPDX-License-Identifier: GPL-3.0-or-later
// What a timeline shows at a scale, held against a walk over every micro-step and every span.
#include "session/timeline.h"

#include "support/run.h"
#include "support/seed.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace mirrorscope::test {

namespace {
constexpr const char* kLong = "  - vcpu1: {accept: {gpa: 2M, size: 1M}}\n  - punch-hole: {gpa: 2M, size: 1M}\n  - vcpu0: {accept: 8M}\n";

// Somewhere between the whole run and a few micro-steps.
TimelineScale anyScale(std::mt19937_64& random, u64 end) {
    const double width = 40 + static_cast<double>(random() % 900);
    const double closest = std::log(40.0), farthest = std::log(width / static_cast<double>(end));
    const double share = static_cast<double>(random() % 1000) / 1000;
    const double perStep = std::exp(farthest + (closest - farthest) * share);
    const double start = static_cast<double>(random() % end);
    return {start, perStep, width, end};
}
} // namespace

TEST(Timeline, ticks_are_round_and_as_far_apart_as_asked) {
    const u64 seed = propertySeed();
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    for (unsigned k = 0; k < 500; ++k) {
        const TimelineScale scale = anyScale(random, 1 + random() % 10'000'000);
        const double apart = 30 + static_cast<double>(random() % 100);
        const std::vector<u64> ticks = ticksOf(scale, apart);
        for (std::size_t i = 0; i < ticks.size(); ++i) {
            ASSERT_GE(scale.x(ticks[i]), 0);
            ASSERT_LE(ticks[i], scale.last() + 1);
            if (i == 0)
                continue;
            u64 step = ticks[i] - ticks[i - 1];
            ASSERT_GE(static_cast<double>(step) * scale.perStep, apart);
            ASSERT_LE(static_cast<double>(step) * scale.perStep, std::max(apart * 2.5, scale.perStep)) << "too few";
            ASSERT_EQ(ticks[i] % step, 0u);
            while (step % 10 == 0)
                step /= 10;
            ASSERT_TRUE(step == 1 || step == 2 || step == 5) << step;
        }
    }
}

TEST(Timeline, an_actors_boxes_are_its_micro_steps_or_the_kinds_of_a_pixel) {
    const u64 seed = propertySeed();
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    Session session(bindScenario("test.yaml", td(kLong)));
    for (unsigned k = 0; k < 60; ++k) {
        const TimelineScale scale = anyScale(random, session.end());
        const std::size_t actor = random() % session.actors().size();
        const auto acts = [&](u64 n) { return session.stepBrief(n).first == session.actors()[actor]; };
        const std::vector<TimelineBox> boxes = boxesOf(session, actor, scale);
        if (scale.perStep >= 1) {
            std::size_t i = 0;
            for (u64 n = scale.first(); n <= scale.last(); ++n)
                if (acts(n)) {
                    ASSERT_LT(i, boxes.size());
                    ASSERT_EQ(boxes[i].from, scale.x(n));
                    ASSERT_EQ(boxes[i].group, groupOf(session.stepBrief(n).second));
                    ++i;
                }
            ASSERT_EQ(i, boxes.size());
            continue;
        }
        std::map<double, std::set<StepGroup>> shown, wanted;
        std::map<double, double> height;
        for (const TimelineBox& box : boxes) {
            shown[box.from].insert(box.group);
            ASSERT_NEAR(box.top, height[box.from], 1e-9) << "kinds stand on one another";
            height[box.from] = box.bottom;
        }
        for (const auto& [x, h] : height)
            ASSERT_NEAR(h, 1, 1e-9) << x;
        for (unsigned x = 0; x < static_cast<unsigned>(scale.width); ++x)
            for (u64 n = scale.step(x); n < std::max(scale.step(x) + 1, scale.step(x + 1)); ++n)
                if (acts(n))
                    wanted[x].insert(groupOf(session.stepBrief(n).second));
        ASSERT_EQ(shown, wanted);
    }
}

TEST(Timeline, a_span_that_is_wider_than_a_pixel_is_never_hidden) {
    const u64 seed = propertySeed();
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    for (unsigned k = 0; k < 200; ++k) {
        // Two actors; some spans last long, most are short.
        std::vector<Span> spans;
        const u64 end = 2'000 + random() % 100'000;
        for (u64 at = random() % 20; at < end; at += 1 + random() % 40) {
            const u64 lasts = random() % 12 == 0 ? random() % 2'000 : 1 + random() % 4;
            const auto actor = static_cast<ActorId>(random() % 2);
            spans.push_back({.begin = at, .end = std::min(end, at + lasts), .actor = actor});
        }
        const TimelineScale scale = anyScale(random, end);
        const std::optional<ActorId> only = k % 2 == 0 ? std::nullopt : std::optional<ActorId>(1);
        const std::vector<TimelineSpan> shown = spansOf(spans, scale, only);
        ASSERT_LT(static_cast<double>(shown.size()), 3 * scale.width + 64) << "costs the pixels";
        for (const Span& span : spans) {
            if ((only && span.actor != *only) || span.begin < scale.first() || span.begin > scale.last())
                continue;
            const bool wide = static_cast<double>(span.end - span.begin) * scale.perStep >= 1;
            // Itself, or, of a narrow one, another within the pixel.
            const bool seen = std::any_of(shown.begin(), shown.end(), [&](const TimelineSpan& s) {
                return s.span == &span || (!wide && std::abs(s.from - scale.x(span.begin)) <= 1);
            });
            if (seen)
                continue;
            // Of a pixel 64 are looked at.
            const auto before = std::count_if(spans.begin(), spans.end(), [&](const Span& s) {
                return s.begin <= span.begin && static_cast<double>(span.begin - s.begin) * scale.perStep <= 1;
            });
            ASSERT_GT(before, 64) << span.begin << " to " << span.end << " at " << scale.perStep << " pixels a micro-step";
        }
        for (const TimelineSpan& s : shown) {
            ASSERT_TRUE(!only || s.span->actor == *only);
            ASSERT_GE(s.from, 0);
            ASSERT_LE(s.to, scale.width);
        }
    }
}

TEST(Timeline, bands_name_the_step_of_the_script_and_do_not_overlap) {
    const u64 seed = propertySeed();
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    const auto files = shippedScenarios("races");
    for (const bool races : {false, true}) {
        Session session(races ? loadScenario(files.at(4).string()) : bindScenario("test.yaml", td(kLong)));
        for (unsigned k = 0; k < 40; ++k) {
            const TimelineScale scale = anyScale(random, session.end());
            const std::vector<TimelineBand> bands = bandsOf(session, scale);
            ASSERT_FALSE(bands.empty());
            for (std::size_t i = 0; i < bands.size(); ++i) {
                ASSERT_GE(bands[i].to - bands[i].from, 1);
                ASSERT_NE(session.scenario().step(bands[i].script), nullptr);
                if (i > 0) {
                    ASSERT_GE(bands[i].from, bands[i - 1].from);
                    ASSERT_GT(bands[i].to, bands[i - 1].to);
                }
                if (scale.perStep < 2)
                    continue;
                // Each micro-step within it is of that step.
                for (u64 n = scale.step(std::max(0.0, bands[i].from) + 0.5);
                     static_cast<double>(n) < scale.start + bands[i].to / scale.perStep - 0.6; ++n)
                    ASSERT_EQ(session.scriptOf(n), bands[i].script) << n;
            }
        }
    }
}

TEST(Timeline, the_overview_has_what_happened_in_each_column) {
    Session session(bindScenario("test.yaml", td(kLong)));
    for (const unsigned columns : {1u, 7u, 300u, 90'000u}) {
        const std::vector<OverviewColumn> overview = overviewOf(session, columns);
        ASSERT_EQ(overview.size(), columns);
        for (unsigned c = 0; c < columns; c += 1 + columns / 100) {
            const u64 from = session.end() * c / columns, to = std::max(from + 1, session.end() * (c + 1) / columns);
            bool entries = false, calls = false;
            for (u64 n = from; n < std::min(to, session.end()); ++n) {
                const StepGroup group = groupOf(session.stepBrief(n).second);
                entries |= group == StepGroup::Entry;
                calls |= group == StepGroup::Seamcall;
            }
            ASSERT_EQ(overview[c].entries, entries) << c << " of " << columns;
            ASSERT_EQ(overview[c].calls, calls) << c << " of " << columns;
        }
    }
}

} // namespace mirrorscope::test
