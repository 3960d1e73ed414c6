// SPDX-License-Identifier: GPL-3.0-or-later
// Each rule can fail: through raw SEAMCALLs behind KVM's back, or with one step of the protocol turned off.
#include "base/text.h"
#include "explore/explorer.h"
#include "support/effort.h"
#include "support/run.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace mirrorscope::test {

namespace {
struct Case {
    Rule rule;
    const char* how;
    std::string text;
};

std::vector<Case> cases() {
    const std::string raw = "  - vcpu0: {accept: 0x4000}\n  - vcpu0: {read: 0x4000}\n";
    return {
        {Rule::Coherent, "a page is blocked", td("  - seamcall: {leaf: TDH.MEM.RANGE.BLOCK, gpa: 0}\n")},
        {Rule::Coherent, "a page is added", td("  - seamcall: {leaf: TDH.MEM.PAGE.AUG, gpa: 0x7000}\n")},
        {Rule::ParentBeforeChild, "a leaf in a table that the mirror does not have",
         td("  - seamcall: {leaf: TDH.MEM.SEPT.ADD, gpa: 0x40000000, level: 1G}\n  - seamcall: {leaf: TDH.MEM.SEPT.ADD, gpa: 0x40000000, "
            "level: 2M}\n  - seamcall: {leaf: TDH.MEM.PAGE.AUG, gpa: 0x40000000}\n")},
        {Rule::SingleOwner, "a page of shared memory is given to the TD",
         td("  - set-memory-attributes: {gpa: 0x9000, size: 4K, as: shared}\n  - vcpu0: {write: {gpa: 0x9000, as: shared}}\n"
            "  - seamcall: {leaf: TDH.MEM.PAGE.AUG, gpa: 0x7000, page: {of: 0x9000}}\n")},
        {Rule::NoStaleTlb, "a page of shared memory is given to the TD while a TLB leads to it",
         td("  - set-memory-attributes: {gpa: 0x9000, size: 4K, as: shared}\n  - vcpu0: {write: {gpa: 0x9000, as: shared}}\n"
            "  - seamcall: {leaf: TDH.MEM.PAGE.AUG, gpa: 0x7000, page: {of: 0x9000}}\n")},
        {Rule::NoStaleTlb, "nobody flushes after a zap",
         "mirrorscope: 1\nmachine: {vm: default, break: [skip-flush], slots: [{id: 0, gpa: 0, size: 4M}]}\nscript:\n"
         "  - vcpu0: {write: 0x1000}\n  - discard: {gpa: 0x1000}\n"},
        {Rule::NoLostWrite, "a page moves under a vCPU that still reaches the old copy",
         "mirrorscope: 1\nmachine: {vm: default, vcpus: 2, break: [skip-flush], slots: [{id: 0, gpa: 0, size: 4M}]}\nscript:\n"
         "  - vcpu1: {write: 0x1000}\n  - migrate: {gpa: 0x1000}\n  - vcpu1: {write: 0x1000}\n  - vcpu0: {read: 0x1000}\n"},
        {Rule::OneAlias, "a shared page gets a private twin",
         td("  - set-memory-attributes: {gpa: 0x9000, size: 4K, as: shared}\n  - vcpu0: {write: {gpa: 0x9000, as: shared}}\n"
            "  - seamcall: {leaf: TDH.MEM.PAGE.AUG, gpa: 0x9000}\n")},
        {Rule::NoUseAfterFree, "a table is freed under the walk that ages",
         readFile((kSource / "scenarios/broken/free-without-rcu.yaml").string())},
        {Rule::ModuleAgrees, "KVM removes what was taken away",
         td(raw + "  - seamcall: {leaf: TDH.MEM.RANGE.BLOCK, gpa: 0x4000}\n  - punch-hole: {gpa: 0x4000}\n")},
        {Rule::NoLeak, "a page cannot be removed, so it is never given back",
         td(raw + "  - inject: {seamcall: TDH.PHYMEM.PAGE.WBINVD, status: TDX_OPERAND_BUSY}\n  - punch-hole: {gpa: 0x4000}\n")},
        {Rule::NoLeak, "a TD whose key is not given back keeps its control pages when the VM is gone",
         td("  - vcpu0: {accept: 0x4000}\n  - inject: {seamcall: TDH.MNG.KEY.FREEID, status: TDX_OPERAND_BUSY}\n  - destroy-vm\n")},
        {Rule::KernelAsserts, "entries of the TD are write-protected as if they were an ordinary VM's",
         td("  - kernel: {call: kvm_tdp_mmu_wrprot_slot, gpa: 0, size: 4M, level: 4K}\n")},
        {Rule::NoStaleTlb, "write protection that nobody flushes",
         "mirrorscope: 1\nmachine: {vm: default, pml: false, break: [skip-flush], slots: [{id: 0, gpa: 0, size: 4M}]}\nscript:\n"
         "  - vcpu0: {write: 0x1000}\n  - dirty-log: {id: 0, do: start}\n"},
        {Rule::MapsThePage, "a page goes between its lookup and its entry",
         readFile((kSource / "scenarios/broken/ignore-invalidate-seq.yaml").string())},
        // The faults that were in flight map 2M, of which only a page in the middle is wrong.
        {Rule::MapsThePage, "a page in the middle of a huge one is taken away from the guest",
         "mirrorscope: 1\nmachine: {vm: default, break: [ignore-invalidate-seq], slots: [{id: 0, gpa: 0, size: 4M, backing: 2M}]}\n"
         "script:\n  - race:\n      vcpu0: [{read: 0x3000}]\n      host: [{mprotect: {gpa: 0x5000, prot: none}}]\n"
         "    schedule: [{host: until lock.release}, {vcpu0: done}, {host: done}]\n"},
        {Rule::MapsThePage, "a page in the middle of a huge one becomes private",
         "mirrorscope: 1\nmachine: {vm: sw-protected, attributes: shared, break: [attributes-of-the-range-only], slots: [{id: 0, gpa: 0, "
         "size: 4M, backing: 2M}]}\nscript:\n  - race:\n      vcpu0: [{read: 0x3000}]\n      host: [{set-memory-attributes: {gpa: 0x1000, "
         "size: 4K, as: private}}]\n    schedule: [{host: until attr.set}, {vcpu0: done}, {host: done}]\n"},
        {Rule::DirtyLogComplete, "a vCPU writes through a right that was not flushed",
         "mirrorscope: 1\nmachine: {vm: default, pml: false, break: [skip-flush], slots: [{id: 0, gpa: 0, size: 4M, dirty-log: true}]}\n"
         "script:\n  - vcpu0: {write: 0x1000}\n  - dirty-log: {id: 0, do: get}\n  - vcpu0: {write: 0x1000}\n  - dirty-log: {id: 0, do: "
         "get}\n"},
        {Rule::FrozenOwned, "a failed update leaves the entry frozen",
         td("  - inject: {seamcall: TDH.MEM.PAGE.AUG, status: TDX_OPERAND_BUSY}\n  - vcpu0: {accept: 0x4000}\n",
            "vcpus: 1, break: [stay-frozen]")},
        {Rule::Progress, "nobody ever thaws the entry",
         td("  - inject: {seamcall: TDH.MEM.PAGE.AUG, status: TDX_OPERAND_BUSY}\n  - vcpu0: {accept: 0x4000}\n",
            "vcpus: 1, break: [stay-frozen]")},
    };
}
} // namespace

TEST(Rules, each_can_fail_and_says_what_is_wrong) {
    std::set<Rule> shown;
    for (const Case& c : cases()) {
        SCOPED_TRACE(std::string(info(c.rule).name) + ": " + c.how);
        Ran run(c.text);
        EXPECT_TRUE(run.violated(c.rule)) << run.failures();
        for (const Violation& v : run.runner.checker().violations())
            EXPECT_GT(v.text.size(), 20u);
        shown.insert(c.rule);
    }
    shown.insert(Rule::LockOrder); // no script can take locks wrongly: below
    shown.insert(Rule::Conforms);  // of recordings: trace/conform_test.cpp
    for (unsigned i = 0; i < kRules; ++i)
        EXPECT_TRUE(shown.contains(static_cast<Rule>(i))) << info(static_cast<Rule>(i)).name << " is never shown to fail";
}

TEST(Rules, lock_order_sees_a_wrong_order_and_a_lock_that_is_kept) {
    System system(bindScenario("t.yaml", td("")).machine);
    Checker checker(system);
    checker.reset();
    Sim& sim = system.sim();
    sim.onStep([&] { checker.afterStep(); });
    sim.writeLock(LockId::SlotsLock);
    sim.readLock(LockId::MmuLock);
    sim.finishStep();
    EXPECT_TRUE(checker.violations().empty());
    sim.writeLock(LockId::FilemapInvalidateLock);
    sim.finishStep();
    ASSERT_EQ(checker.violations().size(), 1u);
    EXPECT_EQ(checker.violations()[0].rule, Rule::LockOrder);
    sim.writeUnlock(LockId::FilemapInvalidateLock);
    sim.readUnlock(LockId::MmuLock);
    sim.finishStep();
    checker.atQuiet();
    EXPECT_EQ(checker.violations().size(), 2u); // slots_lock
}

// A search comes to many ends by one beginning: what was taken there may be lost behind it, at any of them; what was taken elsewhere is no
// matter.
TEST(Rules, what_was_touched_on_the_way_is_asked_for_at_each_end_and_nothing_else) {
    for (const bool onTheWay : {true, false}) {
        const Scenario scenario = bindScenario("t.yaml", "mirrorscope: 1\nmachine: {vm: default, slots: [{id: 0, gpa: 0, size: "
                                                         "4M}]}\nscript:\n  - vcpu0: {write: 0x1000}\n");
        Runner runner(scenario);
        Checker& checker = runner.checker();
        checker.goesBack();
        const Touched::Moment before = checker.now();
        runner.runItem(scenario.script[0]); // one end, at which nothing is lost
        ASSERT_TRUE(checker.violations().empty());
        const Touched::Moment behind{before.from, checker.now().size};
        // At another the lowest table is cut off, and no rule hears of that.
        Machine& machine = runner.system().machine();
        machine.beginStep({});
        machine.set(runner.system().spteAt(runner.system().directRoot(), {1}, Level::k2M).place, spte::kNonpresent);
        checker.reset();
        checker.backTo(onTheWay ? behind : before);
        checker.atQuiet();
        const auto& found = checker.violations();
        EXPECT_EQ(std::any_of(found.begin(), found.end(), [](const Violation& v) { return v.rule == Rule::NoLeak; }), onTheWay);
    }
}

// What a word was in the midst of a micro-step is nobody's matter; what it was before is.
TEST(Rules, a_word_that_changes_twice_in_a_micro_step_is_judged_by_what_it_was_before) {
    const Scenario scenario = bindScenario("t.yaml", "mirrorscope: 1\nmachine: {vm: default, slots: [{id: 0, gpa: 0, size: "
                                                     "4M}]}\nscript:\n  - vcpu0: {write: 0x1000}\n");
    Runner runner(scenario);
    runner.runItem(scenario.script[0]);
    System& system = runner.system();
    const Place upper = system.spteAt(system.directRoot(), {1}, Level::k2M).place;
    const Pfn lost = pfnOf(system.machine().peek(upper));
    system.machine().beginStep({});
    system.machine().set(upper, system.machine().peek(system.spteAt(system.directRoot(), {1}, Level::k1G).place));
    system.machine().set(upper, spte::kNonpresent);
    runner.checker().afterStep();
    runner.checker().atQuiet();
    std::string leaks;
    for (const Violation& v : runner.checker().violations())
        leaks += v.rule == Rule::NoLeak ? v.text + "\n" : "";
    EXPECT_NE(leaks.find(fmt::format("pfn 0x{:x} is table", lost.v)), std::string::npos) << leaks;
}

// What is lost follows from the state: whoever looks at every frame after every step sees no more.
TEST(Rules, no_leak_asks_for_every_frame_that_something_let_go) {
    u64 lost = 0;
    std::vector<std::filesystem::path> files = someOf(shippedScenarios());
    if (!wholeEffort())
        for (const auto& file : shippedScenarios("broken"))
            files.push_back(file);
    for (const auto& file : files) {
        SCOPED_TRACE(file.string());
        const Scenario scenario = loadScenario(file.string());
        Runner runner(scenario, {.maxSteps = 300'000});
        try {
            for (std::size_t i = runner.runToHistory(); i < scenario.script.size(); ++i) {
                runner.runItem(scenario.script[i]);
                ASSERT_EQ(notNoticed(runner), "") << "line " << scenario.script[i].line;
            }
        } catch (const Stuck&) {
        } catch (const BoundReached&) {
        }
        for (const Violation& v : runner.checker().violations())
            lost += v.rule == Rule::NoLeak ? 1 : 0;
    }
    EXPECT_GE(lost, effort(6, 0)); // they are in few of the files
}

// What a script gives the module by raw SEAMCALLs is not the VM's, and stays when that is destroyed.
TEST(Rules, no_leak_knows_what_is_not_the_vms_behind_destroy_vm) {
    const auto behind = [](const std::string& features, const std::string& before, const std::string& after) {
        return "mirrorscope: 1\nmachine: {vm: tdx, vcpus: 1, slots: [{id: 0, gpa: 0, size: 4M}]" + features +
               "}\nscript:\n  - finalize-vm\n" + before + "  - destroy-vm\n" + after;
    };
    const std::string second = "  - {seamcall: {leaf: TDH.PHYMEM.PAGE.RDMD, page: 0x275}, id: second}\n"
                               "expect:\n  - {result: second, is: ok}\n";
    const std::string created = "  - seamcall: {leaf: TDH.MNG.CREATE, hkid: 2, page: 0x300}\n"
                                "  - seamcall: {leaf: TDH.MNG.KEY.CONFIG, tdr: 0x300}\n"
                                "  - {seamcall: {leaf: TDH.MNG.ADDCX, tdr: 0x300}, id: control}\n";
    const std::string control = "expect:\n  - {result: control, is: ok}\n";
    const std::string pages = "  - {seamcall: {leaf: TDH.PHYMEM.PAMT.ADD, page: 0xc12}, id: added}\n";
    for (const std::string& text : {behind("", "  - seamcall: {leaf: TDH.MNG.CREATE, hkid: 2}\n", second), behind("", created, control),
                                    behind(", kernel: next, features: [dynamic-pamt]", pages, "expect:\n  - {result: added, is: ok}\n")}) {
        Ran ran(text);
        EXPECT_EQ(ran.runner.failed(), 0u) << text << ran.failures();
        EXPECT_FALSE(ran.violated(Rule::NoLeak)) << text << notNoticed(ran.runner);
        EXPECT_EQ(notNoticed(ran.runner), "") << text;
    }
}

// locking.rst, each lock against each that is taken before it.
TEST(Rules, lock_order_knows_each_pair) {
    constexpr LockId kOrder[] = {LockId::SlotsLock, LockId::FilemapInvalidateLock, LockId::MmuLock, LockId::TdpMmuPagesLock};
    for (std::size_t inner = 0; inner < std::size(kOrder); ++inner)
        for (std::size_t outer = 0; outer < inner; ++outer) {
            System system(bindScenario("t.yaml", td("")).machine);
            Checker checker(system);
            checker.reset();
            Sim& sim = system.sim();
            sim.onStep([&] { checker.afterStep(); });
            sim.writeLock(kOrder[inner]);
            sim.writeLock(kOrder[outer]);
            sim.finishStep();
            ASSERT_EQ(checker.violations().size(), 1u) << name(kOrder[outer]) << " inside of " << name(kOrder[inner]);
            EXPECT_EQ(checker.violations()[0].rule, Rule::LockOrder);
        }
}

TEST(Rules, each_step_of_the_protocol_has_a_scenario_that_shows_what_it_is_for) {
    std::bitset<kBreaks> shown;
    // The order that shows a bug of history is found by exploring: History.EachFileShowsItsBugAndItsFix.
    for (const auto& file : shippedScenarios("history")) {
        const Scenario shows = loadScenario(file.string());
        shown |= shows.machine.breaks;
        for (const ScenarioVariant& variant : shows.variants)
            shown |= loadScenario(file.string(), {{std::string(kVariant), variant.name}}).machine.breaks;
    }
    for (const auto& file : shippedScenarios("broken")) {
        SCOPED_TRACE(file);
        const Scenario broken = loadScenario(file.string());
        EXPECT_LE(broken.machine.breaks.count(), 1u);
        Runner runner(broken);
        runner.runAll();
        EXPECT_TRUE(runner.ok());
        EXPECT_FALSE(runner.checker().violations().empty());
        shown |= broken.machine.breaks;
        // What is of one release stays with it.
        const std::string kernel = broken.machine.features.any() ? "next" : "fixed";
        const Scenario honest = loadScenario(file.string(), {{"machine.break", "[]"}, {"machine.kernel", kernel}});
        Runner follows(honest);
        follows.runAll();
        EXPECT_TRUE(follows.checker().violations().empty());
    }
    for (unsigned i = 0; i < kBreaks; ++i)
        EXPECT_TRUE(shown[i]) << info(static_cast<Break>(i)).name << " is in no scenario";
}

// So that nobody adds words to the machine of which no rule hears.
TEST(Rules, words_that_nobody_has_judged_are_not_taken_for_words_of_no_rule) {
    Regions regions;
    regions.take(512, "memory");
    const Place held = regions.take(4, "held"), pages = regions.take(8, "host-page");
    const u64 hashed = regions.used();
    const Place index = regions.take(4, "counter");
    const WordKinds kinds(regions, hashed);
    for (unsigned twice = 0; twice < 2; ++twice) {
        EXPECT_EQ(kinds.of({0}), About::Memory);
        EXPECT_EQ(kinds.of({511}), About::Memory);
        EXPECT_EQ(kinds.of(held), About::Held);
        EXPECT_EQ(kinds.of(held + 3), About::Held);
        EXPECT_EQ(kinds.of(pages), About::Page);
        EXPECT_EQ(kinds.of(pages + 7), About::Page);
        EXPECT_EQ(kinds.of(index), About::None);
        EXPECT_EQ(kinds.of({u64{held.v} + (u64{1} << 40)}), About::None);
    }
    regions.take(1, "something-new");
    EXPECT_THROW(WordKinds(regions, regions.used()), std::logic_error);
}

TEST(Rules, a_named_violation_is_a_demonstration) {
    Ran run(td("  - seamcall: {leaf: TDH.MEM.RANGE.BLOCK, gpa: 0}\nexpect: [{violation: coherent}]\n"));
    EXPECT_TRUE(run.runner.ok());
    Ran other(td("  - seamcall: {leaf: TDH.MEM.RANGE.BLOCK, gpa: 0}\nexpect: [{violation: no-leak}]\n"));
    EXPECT_FALSE(other.runner.ok());
}

TEST(Rules, each_built_step_of_the_protocol_is_missed_when_it_is_turned_off) {
    const std::string zap = "  - vcpu0: {accept: 0x4000}\n  - race:\n      vcpu0: [{read: 0x4000}]\n      host: [{punch-hole: {gpa: "
                            "0x4000}}]\n";
    const std::string two = "  - race:\n      vcpu0: [{accept: 0x4000}]\n      vcpu1: [{accept: 0x4000}]\n";
    const std::string busy = "  - inject: {seamcall: TDH.MEM.PAGE.AUG, status: TDX_OPERAND_BUSY}\n  - vcpu0: {accept: 0x4000}\n";
    const std::vector<std::pair<Break, std::string>> scenarios{
        {Break::NoFreeze, two},
        {Break::NoRollback, busy},
        {Break::StayFrozen, busy},
        {Break::SkipBlock, zap},
        {Break::SkipTrack, zap},
        {Break::SkipTrackKick, zap},
        {Break::SkipKick,
         "  - vcpu0: {accept: {gpa: 0x4000, size: 8K}}\n  - race:\n      vcpu0: [{read: 0x4000}]\n      host: [{punch-hole: "
         "{gpa: 0x4000, size: 8K}}]\n      vcpu1: [{accept: 0x4000}]\n"},
    };
    for (const auto& [which, script] : scenarios) {
        SCOPED_TRACE(info(which).name);
        const Scenario broken = bindScenario("test.yaml", td(script, "vcpus: 2, break: [" + std::string(info(which).name) + "]"));
        ExploreOptions options;
        options.seconds = 60;
        const ExploreResult result = Explorer(broken, options).run();
        EXPECT_FALSE(result.findings.empty()) << result.executions << " executions, " << result.states << " states";
    }
}

} // namespace mirrorscope::test
