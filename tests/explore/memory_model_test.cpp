// SPDX-License-Identifier: GPL-3.0-or-later
// Races on CPUs with store buffers; and two searches that must say the same.
#include "explore/explorer.h"
#include "support/effort.h"
#include "support/run.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace mirrorscope::test {

namespace {
ExploreResult explored(const std::string& text, ExploreMode mode, std::optional<unsigned> preemptions = {}) {
    const Scenario scenario = bindScenario("t.yaml", text);
    ExploreOptions options;
    options.mode = mode;
    options.all = true;
    options.preemptions = preemptions;
    return Explorer(scenario, options).run();
}

std::set<std::string> rulesOf(const ExploreResult& result) {
    std::set<std::string> rules;
    for (const ExploreFinding& f : result.findings)
        rules.insert(f.rule);
    return rules;
}

std::string entryAgainstDiscard(const std::string& machine) {
    return "mirrorscope: 1\nmachine: {vm: default, " + machine + "slots: [{id: 0, gpa: 0, size: 4M}]}\nscript:\n" +
           "  - vcpu0: {write: 0x1000}\n  - race: {vcpu0: [{write: 0x1000}], host: [{discard: {gpa: 0x1000}}]}\n";
}
} // namespace

TEST(MemoryModel, the_entry_barrier_matters_with_store_buffers_only) {
    const std::string broken = "break: [no-entry-barrier], ", tso = "memory-model: tso, ";
    const std::vector<ExploreMode> modes{ExploreMode::Stateful, ExploreMode::Plain};
    for (const ExploreMode mode : someOf(modes)) {
        EXPECT_TRUE(rulesOf(explored(entryAgainstDiscard(""), mode)).empty());
        EXPECT_TRUE(rulesOf(explored(entryAgainstDiscard(broken), mode)).empty());
        EXPECT_TRUE(rulesOf(explored(entryAgainstDiscard(tso), mode)).empty());
        EXPECT_EQ(rulesOf(explored(entryAgainstDiscard(tso + broken), mode)), std::set<std::string>{"no-stale-tlb"});
    }
}

TEST(MemoryModel, store_buffers_break_no_shipped_race_of_the_honest_protocol) {
    unsigned tried = 0, whole = 0;
    for (const auto& entry : std::filesystem::directory_iterator(kSource / "scenarios" / "races")) {
        const Scenario scenario = loadScenario(entry.path().string(), {{"machine.memory-model", "tso"}});
        if (std::count_if(scenario.tags.begin(), scenario.tags.end(), [](const std::string& tag) { return tag == "long"; }) != 0)
            continue;
        ExploreOptions options;
        options.mode = ExploreMode::Stateful;
        options.preemptions = 1;
        options.maxTransitions = effort(60'000, 6'000); // the largest are tried in part
        const ExploreResult result = Explorer(scenario, options).run();
        EXPECT_TRUE(result.findings.empty()) << entry.path() << ": " << result.findings.front().text;
        ++tried;
        whole += result.transitions < options.maxTransitions;
    }
    EXPECT_GE(tried, 20u);
    EXPECT_GE(whole, effort(8, 2));
}

// A ring of states in which a guest takes the same fault for ever: no state of it is new when its last round begins.
TEST(Searches, hear_of_a_loop_that_nothing_can_end) {
    for (const char* model : {"sc", "tso"})
        for (const ExploreMode mode : {ExploreMode::Plain, ExploreMode::Stateless, ExploreMode::Stateful, ExploreMode::Auto})
            EXPECT_EQ(rulesOf(explored(std::string("mirrorscope: 1\nmachine: {vm: snp, vcpus: 2, memory-model: ") + model +
                                           ", slots: [{id: 0, gpa: 0, size: 64K}]}\nscript:\n  - race: {host1: [{rmpupdate: {gpa: 0x1000, "
                                           "assigned: false}}], vcpu1: [{read: {gpa: 0x1000}}]}\n",
                                       mode)),
                      std::set<std::string>{"progress"})
                << name(mode) << ", " << model;
}

// A state in which a guest's last round begins may have been entered by another's micro-step, or hold two such guests.
TEST(Searches, hear_of_loops_that_others_end_in) {
    const struct {
        const char* race;
        std::set<std::string> progress;
    } table[] = {
        {"{vcpu1: [{accept: 0x1000}], vcpu0: [{write: 0x2000}], host: [{seamcall: {leaf: TDH.MEM.RANGE.BLOCK, gpa: 0x1000}}]}",
         {"nobody can go on: vcpu1 repeats kvm_arch_vcpu_ioctl_run(), and nothing changes"}},
        {"{vcpu0: [{accept: 0x0}], vcpu1: [{accept: 0x1000}], host: [{seamcall: {leaf: TDH.MEM.RANGE.BLOCK, gpa: 0x0}}, "
         "{seamcall: {leaf: TDH.MEM.RANGE.BLOCK, gpa: 0x1000}}]}",
         {"nobody can go on: vcpu0 repeats kvm_arch_vcpu_ioctl_run(), and nothing changes",
          "nobody can go on: vcpu1 repeats kvm_arch_vcpu_ioctl_run(), and nothing changes",
          "nobody can go on: vcpu0 repeats kvm_arch_vcpu_ioctl_run(), and nothing changes; vcpu1 repeats kvm_arch_vcpu_ioctl_run(), and "
          "nothing changes"}},
    };
    for (const auto& row : table) {
        const std::string text =
            "mirrorscope: 1\nmachine: {vm: tdx, vcpus: 2, kernel: fixed, sept-ve-disable: false, slots: [{id: 0, gpa: 0, "
            "size: 2M, gmem: f}]}\nscript:\n  - init-mem-region: {gpa: 0, size: 8K, measure: false}\n  - finalize-vm\n"
            "  - vcpu0: {map-gpa: {gpa: 0x2000, size: 4K, as: shared}}\n  - race: ";
        const Scenario scenario = bindScenario("loops.yaml", text + row.race + "\n");
        for (const ExploreMode mode : {ExploreMode::Stateless, ExploreMode::Stateful})
            for (const auto reduce : {ExploreOptions::Reduce::Never, ExploreOptions::Reduce::Always}) {
                ExploreOptions options;
                options.all = true;
                options.mode = mode;
                options.reduce = reduce;
                std::set<std::string> progress;
                for (const ExploreFinding& finding : Explorer(scenario, options).run().findings)
                    if (finding.rule == "progress")
                        progress.insert(finding.text);
                EXPECT_EQ(progress, row.progress) << row.race << ", " << name(mode);
            }
    }
}

// What the schedule leaves open may be nothing but stores that wait.
TEST(MemoryModel, a_race_that_ends_with_stores_in_a_buffer_is_over) {
    Ran run("mirrorscope: 1\nmachine: {vm: default, memory-model: tso, slots: [{id: 0, gpa: 0, size: 64K}]}\nscript:\n"
            "  - race:\n      vcpu0: [{read: 0x1000}]\n      host: [{kernel: {call: kvm_zap_gfn_range, gpa: 0x1000, size: 4K}}]\n"
            "    schedule: [{vcpu0: done}, {host: done}]\nexpect: [{violations: 0}]\n");
    EXPECT_TRUE(run.runner.ok()) << run.failures();
}

// A page that KVM has let go and the module has not, until somebody removes it: which frame that is follows from no change of the end
// alone.
TEST(Searches, find_the_same_leaks) {
    const std::string text = "mirrorscope: 1\nmachine: {vm: tdx, vcpus: 2, slots: [{id: 0, gpa: 0, size: 64K}]}\nscript:\n  - finalize-vm\n"
                             "  - vcpu1: {read: {gpa: 0x1000}}\n  - race: {host: [{seamcall: {leaf: TDH.MEM.PAGE.REMOVE, gpa: 0x1000}}], "
                             "host1: [{punch-hole: {gpa: 0x1000, size: 8K}}]}\n";
    for (const ExploreMode mode : {ExploreMode::Plain, ExploreMode::Stateless, ExploreMode::Stateful})
        EXPECT_EQ(rulesOf(explored(text, mode)), (std::set<std::string>{"coherent", "module-agrees", "no-leak"})) << name(mode);
}

TEST(Searches, auto_compares_what_stateless_proves) {
    const std::string text = "mirrorscope: 1\nmachine: {vm: default, vcpus: 2, slots: [{id: 0, gpa: 0, size: 64K}]}\nscript:\n"
                             "  - race: {vcpu0: [{read: 0x1000, id: a}], host: [{age: {gpa: 0x1000}, id: b}]}\n";
    const ExploreResult whole = explored(text, ExploreMode::Auto);
    EXPECT_EQ(whole.mode, ExploreMode::Stateless);
    EXPECT_TRUE(whole.compared);
    EXPECT_FALSE(explored(text, ExploreMode::Stateless).compared);
    // With a part of the reduction left out some race is proved wrongly; auto does not let that pass.
    bool noticed = false;
    for (const char* race : {"05-fault-and-punch-hole", "09-zap-and-accept", "10-block-and-cached-access", "11-track-and-entering-vcpu",
                             "12-busy-sept-and-kick", "16-dirty-clear-and-write"}) {
        const Scenario scenario = loadScenario((kSource / "scenarios" / "races" / race).string() + ".yaml");
        for (const auto part :
             {Reduction::Part::WaitingActors, Reduction::Part::WhatWasRead, Reduction::Part::WholeExecution, Reduction::Part::Waking}) {
            ExploreOptions options;
            options.all = true;
            options.without = part;
            try {
                Explorer(scenario, options).run();
            } catch (const InternalError& error) {
                noticed = true;
                EXPECT_NE(std::string(error.what()).find("do not agree"), std::string::npos) << error.what();
            }
        }
    }
    EXPECT_TRUE(noticed);
}

} // namespace mirrorscope::test
