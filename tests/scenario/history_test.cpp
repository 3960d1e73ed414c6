// SPDX-License-Identifier: GPL-3.0-or-later
// Bugs of upstream's history: each file shows its bug as it stands, without an order or a call that hints at it, names where it was mended,
// and has a variant `fixed` that holds in every interleaving.
#include "explore/explorer.h"
#include "explore/mutants.h"
#include "support/effort.h"
#include "support/run.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace mirrorscope::test {

TEST(History, EachFileShowsItsBugAndItsFix) {
    unsigned files = 0;
    for (const auto& entry : std::filesystem::directory_iterator(kSource / "scenarios/history")) {
        const std::string file = entry.path().string();
        SCOPED_TRACE(file);
        const Scenario scenario = loadScenario(file);
        EXPECT_EQ(scenario.source.find("schedule:"), std::string::npos);
        EXPECT_FALSE(scenario.reference.empty());
        const auto is = [](Verb verb) { return [verb](const Step& step) { return step.verb == verb; }; };
        EXPECT_LE(std::count_if(scenario.script.begin(), scenario.script.end(), is(Verb::Race)), 1);
        EXPECT_FALSE(anyStep(scenario.script, is(Verb::Kernel)));
        const auto names = [](const std::vector<Expectation>& list) {
            return std::any_of(list.begin(), list.end(), [](const Expectation& e) { return e.form == Expectation::Form::Violation; });
        };
        EXPECT_TRUE(names(scenario.expectations) || names(scenario.sometimes));
        ASSERT_TRUE(std::any_of(scenario.variants.begin(), scenario.variants.end(), [](const auto& v) { return v.name == "fixed"; }));

        ExploreOptions options;
        options.maxTransitions = effort(3'000'000, 40'000);
        // What is mended has no bug, and neither has another way to mend it.
        for (const ScenarioVariant& variant : scenario.variants) {
            SCOPED_TRACE(variant.name);
            const Scenario mended = loadScenario(file, {{std::string(kVariant), variant.name}});
            const bool stillHasIt = names(mended.expectations) || names(mended.sometimes);
            EXPECT_FALSE(stillHasIt && variant.name == "fixed");
            if (stillHasIt)
                continue;
            const ExploreResult held = Explorer(mended, options).run();
            EXPECT_TRUE(held.findings.empty()) << held.findings[0].rule << ": " << held.findings[0].text;
        }
        // As it stands the bug is found, as far as that is near enough here; what is not near is found by the search for released bugs.
        const bool isLong = std::any_of(scenario.tags.begin(), scenario.tags.end(),
                                        [](const std::string& tag) { return tag == "long" || tag.starts_with("preemptions"); });
        if (!isLong) {
            options.all = true;
            Scenario broken = scenario;
            const ExploreResult found = Explorer(broken, options).run();
            EXPECT_TRUE(!names(scenario.sometimes) ||
                        std::any_of(found.sometimes.begin(), found.sometimes.end(), [](const auto& s) { return s.second; }));
            EXPECT_TRUE(found.ok(false)) << found.findings[0].rule << ": " << found.findings[0].text;
        }
        ++files;
    }
    EXPECT_GE(files, 30u);
}

// Their table says how long one looks until the bug is found. (What is left over on a stack makes states differ that are alike, so that the
// number is not the same in each process.)
TEST(History, EachBugIsFoundAsSoonAsTheTableSays) {
    const std::string table = readFile((kSource / "resources/docs/history.md").string());
    for (const auto& entry : std::filesystem::directory_iterator(kSource / "scenarios/history")) {
        SCOPED_TRACE(entry.path().string());
        Scenario scenario = loadScenario(entry.path().string());
        forgetExpectations(scenario);
        const ExploreResult found = Explorer(scenario, {}).run();
        EXPECT_FALSE(found.findings.empty());
        const std::size_t row = table.find("scenarios/history/" + entry.path().filename().string() + ")");
        ASSERT_NE(row, std::string::npos);
        const std::string line = table.substr(row, table.find('\n', row) - row);
        if (found.transitions == 0) {
            EXPECT_NE(line.find("| at once |"), std::string::npos);
            continue;
        }
        std::string digits;
        const std::size_t unit = line.rfind(" micro-steps |");
        ASSERT_NE(unit, std::string::npos);
        for (std::size_t i = line.rfind('|', unit); i < unit; ++i)
            if (std::isdigit(static_cast<unsigned char>(line[i])) != 0)
                digits += line[i];
        const double said = std::stod(digits), is = static_cast<double>(found.transitions);
        EXPECT_TRUE(said <= 4 * is && is <= 4 * said)
            << said << " micro-steps, found after " << is << " (" << name(found.mode) << ", " << found.states << " states)";
    }
}

} // namespace mirrorscope::test
