// SPDX-License-Identifier: GPL-3.0-or-later
// What searches once got wrong, each as the small scenario that shows it.
#include "explore/explorer.h"
#include "support/effort.h"
#include "support/run.h"

#include <gtest/gtest.h>

#include <set>

namespace mirrorscope::test {

namespace {
ExploreResult exploreText(const std::string& text, ExploreMode mode, u64 most = 0) {
    ExploreOptions options;
    options.mode = mode;
    options.all = true;
    options.maxTransitions = most;
    return Explorer(bindScenario("found.yaml", text), options).run();
}
void expectTheSameEnds(const std::string& text, std::size_t ends) {
    for (const ExploreMode mode : {ExploreMode::Stateful, ExploreMode::Stateless, ExploreMode::Plain}) {
        const ExploreResult result = exploreText(text, mode);
        EXPECT_TRUE(result.complete);
        EXPECT_TRUE(result.findings.empty()) << result.findings.front().text;
        EXPECT_EQ(result.ends.size(), ends) << name(mode);
    }
}
} // namespace

// A loop that passes by what it does not read stands somewhere else afterwards: at word 1 is not at word 0, whatever came to be in word 0.
TEST(Found, where_a_loop_stands_is_part_of_a_state) {
    // Two pages are moved, the first of which comes to be meanwhile.
    expectTheSameEnds("mirrorscope: 1\nmachine: {vm: default, vcpus: 2, slots: [{id: 0, gpa: 0, size: 64K}]}\nscript:\n"
                      "  - {vcpu0: {write: {gpa: 0x2000, value: 1}}}\n"
                      "  - race: {host: [{migrate: {gpa: 0x1000, size: 8K}}], host1: [{host-write: {gpa: 0x1000, value: 5}}, {host-read: "
                      "{gpa: 0x1000}}]}\n",
                      2);
    // The dirty log of 128 pages is taken while a page of the first 64 becomes dirty.
    expectTheSameEnds("mirrorscope: 1\nmachine: {vm: default, vcpus: 1, kernel: fixed, pml: false, slots: [{id: 0, gpa: 0, size: 512K, "
                      "dirty-log: true}]}\n"
                      "script:\n  - {vcpu0: {write: {gpa: 0x1000, value: 1}}}\n  - {vcpu0: {write: {gpa: 0x41000, value: 1}}}\n"
                      "  - {dirty-log: {id: 0, do: get}}\n  - {vcpu0: {write: {gpa: 0x41000, value: 1}}}\n"
                      "  - race: {host: [{dirty-log: {id: 0, do: get}, id: g}], vcpu0: [{write: {gpa: 0x1000, value: 5}}]}\n"
                      "  - {dirty-log: {id: 0, do: get}, id: h}\n  - {vcpu0: {write: {gpa: 0x1000, value: 6}}}\n"
                      "  - {dirty-log: {id: 0, do: get}, id: k}\n",
                      3);
}

// What was found before a reduced search began anew is found: more micro-steps never say less.
TEST(Found, beginning_anew_forgets_no_violation) {
    const std::string text = "mirrorscope: 1\nmachine: {vm: default, vcpus: 2, kernel: fixed, break: [ignore-invalidate-seq], slots: [{id: "
                             "0, gpa: 0, size: 64K}]}\n"
                             "script:\n  - {vcpu0: {write: {gpa: 0x1000, value: 1}}}\n  - {vcpu1: {write: {gpa: 0x1000, value: 2}}}\n"
                             "  - race:\n      vcpu0: [{write: {gpa: 0x1000, value: 3}}]\n      vcpu1: [{write: {gpa: 0x1000, value: 4}}]\n"
                             "      host: [{migrate: {gpa: 0x1000}}]\n      host1: [{age: {gpa: 0x1000}}]\n";
    std::set<std::string> before;
    for (u64 most = 1'000; most < 200'000; most = most * effort(3, 12) / 2) {
        std::set<std::string> rules;
        for (const ExploreFinding& finding : exploreText(text, ExploreMode::Stateful, most).findings)
            rules.insert(finding.rule);
        for (const std::string& rule : before)
            EXPECT_TRUE(rules.contains(rule)) << rule << " is lost with " << most << " micro-steps";
        before = rules;
    }
    EXPECT_FALSE(before.empty());
}

// A request that is asked for once more and one that is taken cannot be exchanged: what is left depends on who came last.
TEST(Found, a_request_taken_and_asked_for_again_are_two_orders) {
    const std::string text =
        "mirrorscope: 1\nmachine: {vm: tdx, vcpus: 2, slots: [{id: 0, gpa: 0, size: 64K}], break: [skip-track], yield: never}\n"
        "script:\n  - {init-mem-region: {gpa: 0, size: 4K, measure: false}}\n  - finalize-vm\n"
        "  - race: {vcpu0: [{read: 0x1000}], host1: [{punch-hole: {gpa: 0x1000, size: 4K}}], vcpu1: [{hypercall: {}}]}\n";
    EXPECT_EQ(exploreText(text, ExploreMode::Stateful).ends.size(), 17u);
    EXPECT_EQ(exploreText(text, ExploreMode::Stateless).ends.size(), 17u);
}

// A round that drops the lock when somebody waits for it, and found nobody, is not in vain once somebody does.
TEST(Found, who_comes_to_wait_for_a_lock_wakes_who_would_drop_it) {
    expectTheSameEnds("mirrorscope: 1\nmachine: {vm: default, vcpus: 1, kernel: fixed, slots: [{id: 0, gpa: 0, size: 4M, backing: 2M, "
                      "dirty-log: true}]}\n"
                      "script:\n  - {vcpu0: {write: {gpa: 0x1000, value: 1}}}\n  - {vcpu0: {write: {gpa: 0x201000, value: 1}}}\n"
                      "  - race: {host: [{dirty-log: {id: 0, do: stop}}], host1: [{kernel: {call: kvm_zap_gfn_range, gpa: 0x3000}}]}\n",
                      2);
}

} // namespace mirrorscope::test
