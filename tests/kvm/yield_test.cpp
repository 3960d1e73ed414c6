// SPDX-License-Identifier: GPL-3.0-or-later
// Where the iterators drop mmu_lock changes nothing that anybody sees at the end; stepping and bulk run the same code.
#include "base/text.h"
#include "support/run.h"

#include <gtest/gtest.h>

namespace mirrorscope::test {

namespace {
bool races(const Scenario& scenario) {
    return std::any_of(scenario.script.begin(), scenario.script.end(), [](const Step& s) { return s.verb == Verb::Race; });
}

// Every entry of every tree but for frame numbers, which follow from when a table was freed.
std::string shape(const System& system) {
    std::string text;
    const auto walk = [&](const auto& self, Pfn table, Level level, u64 base) -> void {
        for (unsigned i = 0; i < 512; ++i) {
            const u64 entry = system.machine().peek(wordOf(table, i));
            if (entry == spte::kNonpresent)
                continue;
            const u64 gfn = base + i * pagesPer(level);
            text += std::to_string(number(level)) + " " + hex(gfn) + " " + hex(entry & ~ept::kPfnMask) + "\n";
            if (spte::isTable(entry, level))
                self(self, ept::pfnOf(entry), below(level), gfn);
        }
    };
    for (const Pfn root : {system.directRoot(), system.mirrorRoot()})
        if (root.v != 0)
            walk(walk, root, system.kvm().peekPage(root).level(), 0);
    return text;
}
} // namespace

TEST(Yield, at_every_possible_place_changes_no_final_state) {
    unsigned tried = 0;
    for (const auto& file : shippedScenarios()) {
        const Scenario always = loadScenario(file.string(), {{"machine.yield", "always"}});
        const Scenario never = loadScenario(file.string(), {{"machine.yield", "never"}});
        if (races(always) || always.machine.breaks.any() || !always.countedEvents.empty())
            continue;
        SCOPED_TRACE(file);
        Runner often(always), seldom(never);
        EXPECT_TRUE(often.runAll());
        EXPECT_TRUE(seldom.runAll());
        EXPECT_TRUE(often.ok());
        EXPECT_TRUE(seldom.ok());
        EXPECT_EQ(shape(often.system()), shape(seldom.system()));
        ++tried;
    }
    EXPECT_GT(tried, 5u);
}

TEST(Yield, happens_at_every_entry_when_it_is_asked_for) {
    const std::string text = "mirrorscope: 1\nmachine: {vm: default, yield: WHEN, slots: [{id: 0, gpa: 0, size: 4M}]}\nscript:\n"
                             "  - vcpu0: {write: {gpa: 0, pages: 8}}\n  - discard: {gpa: 0, size: 32K}\n";
    const auto locks = [&](const char* when) {
        std::string with = text;
        with.replace(with.find("WHEN"), 4, when);
        Ran run(with);
        EXPECT_TRUE(run.runner.ok()) << run.failures();
        return run.runner.system().machine().siteCount(Site::LockAcquire);
    };
    EXPECT_EQ(locks("never"), locks("contended")); // nobody else is there
    EXPECT_EQ(locks("always"), locks("never") + 7);
}

} // namespace mirrorscope::test
