// SPDX-License-Identifier: GPL-3.0-or-later
// How much there is to explore in the shipped races. A number that changes is no fault by itself, but somebody has to say why it did: the
// model has other actions, the reduction leaves out other orders, or a state has other parts.
#include "explore/explorer.h"
#include "support/run.h"

#include <gtest/gtest.h>

#include <set>

namespace mirrorscope::test {

namespace {
struct Size {
    const char* race;
    u64 executions; // inequivalent ones; 0: too many to run them here
    u64 ends;
};

constexpr Size kSizes[] = {
    {"01-two-faults-one-page", 0, 12},
    {"02-two-faults-one-table", 132, 4},
    {"03-two-faults-two-tables", 6, 1},
    {"04-fault-and-discard", 3661, 3},
    {"05-fault-and-punch-hole", 0, 5},
    {"06-fault-and-conversion", 0, 8},
    {"09-zap-and-accept", 0, 4},
    {"10-block-and-cached-access", 0, 2},
    {"11-track-and-entering-vcpu", 214, 3},
    {"12-busy-sept-and-kick", 788, 3},
    {"13-split-and-fault", 4, 1},
    {"16-dirty-clear-and-write", 420, 2},
    {"17-dirty-bits-and-write", 202, 2},
    {"18-age-and-zap", 4, 2},
    {"20-snp-conversion-and-fault", 0, 8},
    {"21-snp-hole-and-access", 2548, 2},
    {"22-link-fails-and-rolls-back", 564, 10},
    {"23-aug-fails-and-rolls-back", 0, 5},
    {"27-migration-and-write", 2885, 1},
    {"29-two-conversions", 2, 2},
    {"30-image-and-new-vcpu", 2, 1},
};
} // namespace

TEST(Counts, of_the_shipped_races_are_what_they_were) {
    for (const Size& size : kSizes) {
        SCOPED_TRACE(size.race);
        const Scenario scenario = loadScenario((kSource / "scenarios/races" / (std::string(size.race) + ".yaml")).string());
        ExploreOptions options;
        options.mode = ExploreMode::Stateful;
        const ExploreResult states = Explorer(scenario, options).run();
        EXPECT_TRUE(states.complete);
        EXPECT_EQ(states.ends.size(), size.ends);
        if (size.executions == 0)
            continue;
        options.mode = ExploreMode::Stateless;
        const ExploreResult traces = Explorer(scenario, options).run();
        EXPECT_TRUE(traces.complete);
        EXPECT_EQ(traces.executions, size.executions);
        EXPECT_EQ(traces.ends.size(), size.ends);
    }
}

// An event that somebody counts is part of a state, up to where one more is all the same; those that nobody asks for are not.
TEST(Counts, of_events_make_no_more_states_than_they_tell_apart) {
    const std::string file = (kSource / "scenarios/races/12-busy-sept-and-kick.yaml").string();
    const auto explored = [&](const std::string& expectation, ExploreMode mode) {
        std::string text = readFile(file);
        text.replace(text.find("expect:"), 7, "expect:\n" + expectation);
        ExploreOptions options;
        options.all = true;
        options.mode = mode;
        options.reduce = ExploreOptions::Reduce::Never;
        return Explorer(bindScenario(file, text), options).run();
    };
    const ExploreResult without = explored("", ExploreMode::Stateful);
    for (const char* event : {"TDH.MEM.PAGE.AUG", "TDH.MEM.TRACK", "seamcall.enter"}) {
        const std::string count = std::string("  - {count: ") + event;
        const ExploreResult with = explored(count + ", at-least: 1}\n", ExploreMode::Stateful);
        EXPECT_TRUE(with.complete) << event;
        EXPECT_LE(with.states, 3 * without.states) << event;
        // In some orders it happens another time.
        std::set<std::size_t> found;
        for (const ExploreMode mode : {ExploreMode::Plain, ExploreMode::Stateful, ExploreMode::Stateless})
            found.insert(explored(count + ", is: 1}\n", mode).findings.empty());
        EXPECT_EQ(found.size(), 1u) << event << ": the searches do not agree";
    }
}

} // namespace mirrorscope::test
