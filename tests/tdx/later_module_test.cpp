// SPDX-License-Identifier: GPL-3.0-or-later
// machine.module: 2.0, by what it answers otherwise than 1.5.01.
#include "explore/explorer.h"
#include "support/run.h"
#include "tdx/matrix/matrix.h"

#include <gtest/gtest.h>

#include <set>

namespace mirrorscope::test {

namespace {
std::string with(const std::string& module, const std::string& script, const std::string& more = "") {
    return "mirrorscope: 1\nmachine: {vm: tdx, vcpus: 2, sept-ve-disable: false, module: \"" + module + "\"" + more +
           ", slots: [{id: 0, gpa: 0, size: 4M}]}\nscript:\n" + script;
}
// How the step of that id ends in all orders.
std::set<std::string> answers(const std::string& text, const std::string& id, const std::vector<std::string>& names) {
    std::set<std::string> seen;
    std::string all = text + "sometimes:\n";
    for (const std::string& name : names)
        all += "  - {result: " + id + ", is: " + name + "}\n";
    const Scenario scenario = bindScenario("t.yaml", all);
    const ExploreResult result = Explorer(scenario, {}).run();
    EXPECT_TRUE(result.findings.empty() && result.complete);
    for (std::size_t i = 0; i < names.size(); ++i)
        if (result.sometimes.at(i).second)
            seen.insert(names[i]);
    return seen;
}
} // namespace

TEST(LaterModule, the_matrix_differs_in_one_operand) {
    const auto before = SeptMatrix().all(), after = SeptMatrix(ModuleLine::V2_0).all();
    ASSERT_EQ(before.size(), after.size());
    unsigned differ = 0;
    for (std::size_t i = 0; i < before.size(); ++i) {
        if (before[i].status == after[i].status && before[i].after == after[i].after && before[i].exits == after[i].exits)
            continue;
        ++differ;
        EXPECT_EQ(before[i].of.leaf, Leaf::MemRangeUnblock);
        EXPECT_EQ(before[i].status, tdx::status(tdx::TLB_TRACKING_NOT_DONE, tdx::SEPT_TREE));
        EXPECT_EQ(after[i].status, tdx::status(tdx::TLB_TRACKING_NOT_DONE, tdx::RCX));
    }
    EXPECT_GE(differ, 3u);
}

// A page comes between the guest's look at the entry and its lock.
TEST(LaterModule, an_accept_beside_an_aug_is_never_of_the_wrong_size) {
    const auto race = [](const std::string& module) {
        return with(module, "  - finalize-vm\n  - vcpu0: {accept: 0x2000}\n  - race:\n      vcpu0: [{accept: 0x1000, id: a}]\n"
                            "      host: [{pre-fault: {vcpu: 1, gpa: 0x1000}}]\n");
    };
    const std::vector<std::string> names{"ok", "TDX_PAGE_SIZE_MISMATCH"};
    EXPECT_EQ(answers(race("1.5"), "a", names).size(), 2u);
    EXPECT_EQ(answers(race("2.0"), "a", names), std::set<std::string>{"ok"});
}

// A host's leaf that lost to an accept has the next turn: 1.5.01 forgets that with the accept's store.
TEST(LaterModule, a_host_that_lost_is_remembered) {
    const auto race = [](const std::string& module) {
        return with(module, "  - finalize-vm\n  - pre-fault: {vcpu: 0, gpa: 0x1000}\n  - race:\n      vcpu0: [{accept: 0x1000}]\n"
                            "      host: [{seamcall: {leaf: TDH.MEM.SEPT.RD, gpa: 0x1000}}]\n  - {vcpu1: {accept: 0x1000}, id: next}\n");
    };
    const std::vector<std::string> names{"TDX_PAGE_ALREADY_ACCEPTED", "TDX_OPERAND_BUSY"};
    EXPECT_EQ(answers(race("1.5"), "next", names), std::set<std::string>{"TDX_PAGE_ALREADY_ACCEPTED"});
    EXPECT_EQ(answers(race("2.0"), "next", names).size(), 2u);
}

TEST(LaterModule, who_makes_a_vcpu_has_the_td_for_himself) {
    const auto found = [](const std::string& module, const std::string& kernel) {
        const Scenario scenario = bindScenario(
            "t.yaml", with(module,
                           "  - init-mem-region: {gpa: 0x1000, size: 4K}\n  - race:\n      host: [{punch-hole: {gpa: 0x1000}}]\n"
                           "      host1: [{init-vcpu: 1}]\n",
                           ", init-vcpus: 1, kernel: \"" + kernel + "\""));
        return !Explorer(scenario, {}).run().findings.empty();
    };
    EXPECT_FALSE(found("1.5", "6.16"));
    EXPECT_TRUE(found("2.0", "6.16"));
    for (const char* kernel : {"6.19", "7.2", "next"})
        EXPECT_FALSE(found("2.0", kernel)) << kernel;
}

// The same conditions, with the tree's lock in place of 512.
TEST(LaterModule, promote_locks_the_tree) {
    const std::string promoted = "  - finalize-vm\n  - seamcall: {leaf: TDH.MEM.SEPT.ADD, gpa: 0x8000000000, level: 512G}\n"
                                 "  - seamcall: {leaf: TDH.MEM.SEPT.ADD, gpa: 0x8000000000, level: 1G}\n"
                                 "  - seamcall: {leaf: TDH.MEM.PAGE.AUG, gpa: 0x8000000000, level: 2M}\n"
                                 "  - seamcall: {leaf: TDH.MEM.RANGE.BLOCK, gpa: 0x8000000000, level: 2M}\n"
                                 "  - seamcall: {leaf: TDH.MEM.TRACK}\n  - seamcall: {leaf: TDH.MEM.TRACK}\n"
                                 "  - seamcall: {leaf: TDH.MEM.PAGE.DEMOTE, gpa: 0x8000000000, level: 2M}\n"
                                 "  - seamcall: {leaf: TDH.MEM.RANGE.BLOCK, gpa: 0x8000000000, level: 2M}\n"
                                 "  - seamcall: {leaf: TDH.MEM.TRACK}\n  - seamcall: {leaf: TDH.MEM.TRACK}\n"
                                 "  - {seamcall: {leaf: TDH.MEM.PAGE.PROMOTE, gpa: 0x8000000000, level: 2M}, id: p}\n" +
                                 expecting("result: p, is: ok") + expecting("tree: secure, gpa: 0x8000000000, level: 2M, is: pending");
    for (const char* module : {"1.5", "2.0"}) {
        const Ran ran(with(module, promoted), {.check = false}); // KVM knows nothing of it
        EXPECT_EQ(ran.failures(), "") << module;
    }
}

} // namespace mirrorscope::test
