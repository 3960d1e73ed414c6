// SPDX-License-Identifier: GPL-3.0-or-later
// The tables: every name is unique, every entry has a help text, and what is built is reached by something.
#include "base/vocab.h"
#include "support/run.h"
#include "tdx/module/leaves.h"

#include <gtest/gtest.h>

#include <set>

namespace mirrorscope::test {

TEST(Vocabulary, names_are_unique_and_each_entry_is_explained) {
    const auto check = [](auto names, auto help) {
        std::set<std::string_view> seen;
        for (std::size_t i = 0; i < names.size(); ++i) {
            EXPECT_TRUE(seen.insert(names[i]).second) << names[i];
            EXPECT_GT(help(i).size(), 3u) << names[i];
        }
    };
    check(siteNames(), [](std::size_t i) { return info(static_cast<Site>(i)).help; });
    check(ruleNames(), [](std::size_t i) { return info(static_cast<Rule>(i)).help; });
    check(breakNames(), [](std::size_t i) { return info(static_cast<Break>(i)).help; });
    check(verbNames(), [](std::size_t i) { return info(static_cast<Verb>(i)).help; });
    check(leafNames(), [](std::size_t i) { return info(static_cast<Leaf>(i)).help; });
    for (unsigned i = 0; i < kVerbs; ++i)
        EXPECT_EQ(static_cast<unsigned>(info(static_cast<Verb>(i)).verb), i);
    for (unsigned i = 0; i < kLeaves; ++i)
        EXPECT_EQ(static_cast<unsigned>(info(static_cast<Leaf>(i)).leaf), i);
}

TEST(Vocabulary, every_site_that_is_built_is_reached_by_a_shipped_scenario_or_a_short_one) {
    std::set<Site> reached;
    const auto take = [&](Runner& runner) {
        for (unsigned i = 0; i < kSites; ++i)
            if (runner.system().machine().siteCount(static_cast<Site>(i)) > 0)
                reached.insert(static_cast<Site>(i));
    };
    for (const auto& file : shippedScenarios()) {
        const Scenario scenario = loadScenario(file.string());
        Runner runner(scenario);
        runner.runAll();
        take(runner);
    }
    Ran retry(td("  - inject: {seamcall: TDH.MEM.PAGE.AUG, status: TDX_OPERAND_BUSY}\n  - vcpu0: {accept: 0x2000}\n  - race:\n"
                 "      vcpu0: [{read: 0x2000}]\n      host: [{punch-hole: {gpa: 0x2000}}]\n    schedule: [{vcpu0: until tlb.hit}, "
                 "{host: done}, {vcpu0: done}]\n  - destroy-vm\n"));
    take(retry.runner);
    Ran ordinary("mirrorscope: 1\nmachine: {vm: default, slots: [{id: 0, gpa: 0, size: 4M}]}\nscript:\n  - vcpu0: {write: 0}\n  - discard: "
                 "{gpa: 0}\n"
                 "  - vcpu0: {write: 0}\n");
    take(ordinary.runner);
    for (unsigned i = 0; i < kSites; ++i)
        EXPECT_TRUE(reached.contains(static_cast<Site>(i))) << info(static_cast<Site>(i)).name << " is never reached";
}

} // namespace mirrorscope::test
