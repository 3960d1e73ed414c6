// SPDX-License-Identifier: GPL-3.0-or-later
// What is done before `begin-history` is done all the same: the machine behind it is the one that a recorded run leads to.
#include "explore/explorer.h"
#include "support/run.h"

#include <gtest/gtest.h>

#include <set>

namespace mirrorscope::test {

namespace {
const std::string kBefore = "  - vcpu0: {accept: {gpa: 16K, size: 4M}}\n"
                            "  - vcpu0: {write: {gpa: 0x5000, value: 7}}\n"
                            "  - punch-hole: {gpa: 2M, size: 64K}\n";
const std::string kBehind = "  - vcpu1: {id: r, read: 0x5000}\n"
                            "  - vcpu0: {accept: {gpa: 2M}}\n";
const std::string kExpected = "expect:\n"
                              "  - {result: r, value: 7}\n"
                              "  - {count: TDH.MEM.PAGE.AUG, is: 1025}\n"
                              "  - {violations: 0}\n";

std::string begun(const std::string& before, const std::string& behind) { return td(before + "  - begin-history\n" + behind); }

std::string refusal(const std::string& text) {
    try {
        bindScenario("test.yaml", text);
    } catch (const InputError& error) {
        return error.message;
    }
    return "";
}
} // namespace

TEST(BeginHistory, TheStateBehindItIsThatOfTheWholeRun) {
    Ran whole(td(kBefore + kBehind) + kExpected);
    Ran later(begun(kBefore, kBehind) + kExpected);
    EXPECT_TRUE(whole.runner.ok()) << whole.failures();
    EXPECT_TRUE(later.runner.ok()) << later.failures();
    EXPECT_EQ(later.runner.system().machine().hash(), whole.runner.system().machine().hash());
    EXPECT_LT(later.runner.system().machine().steps() * 20, whole.runner.system().machine().steps());
    for (unsigned site = 0; site < kSites; ++site)
        EXPECT_EQ(later.runner.system().machine().siteCount(static_cast<Site>(site)),
                  whole.runner.system().machine().siteCount(static_cast<Site>(site)))
            << info(static_cast<Site>(site)).name;
}

TEST(BeginHistory, PositionZeroIsThereAndNothingIsBeforeIt) {
    Session session(bindScenario("test.yaml", begun(kBefore, kBehind) + kExpected));
    session.seek(session.end());
    const u64 atEnd = session.system().machine().hash();
    session.seek(0);
    EXPECT_EQ(session.system().machine().hash(), session.system().machine().hashFromScratch());
    EXPECT_NE(treesText(session).find("0x5000"), std::string::npos);
    EXPECT_NE(treesText(session).find("The history begins here"), std::string::npos);
    Session whole(bindScenario("test.yaml", td(kBefore + kBehind)));
    EXPECT_NE(runText(session, true).find(std::to_string(whole.end() - session.end()) + " micro-steps, of which nothing is told"),
              std::string::npos)
        << runText(session, true);
    session.seek(session.end());
    EXPECT_EQ(session.system().machine().hash(), atEnd);
    for (const auto& event : eventsOf(session))
        EXPECT_NE(event.value("verb", ""), "punch-hole");
}

TEST(BeginHistory, RulesLookAtWhatIsDoneBehindIt) {
    // A raw SEAMCALL that KVM knows nothing of: the mirror keeps what the secure EPT has no more.
    const std::string raw = "  - seamcall: {leaf: TDH.MEM.RANGE.BLOCK, gpa: 0x5000}\n";
    EXPECT_TRUE(Ran(td(kBefore + raw)).violated(Rule::Coherent));
    EXPECT_TRUE(Ran(begun(kBefore, raw)).violated(Rule::Coherent));
    EXPECT_FALSE(Ran(begun(kBefore + raw, "  - note: nothing\n")).violated(Rule::Coherent));
    // But what is left over is found wherever it comes from.
    const std::string lost = "  - inject: {seamcall: TDH.PHYMEM.PAGE.WBINVD, status: TDX_OPERAND_BUSY}\n  - punch-hole: {gpa: 0x5000}\n";
    EXPECT_TRUE(Ran(td(kBefore + lost)).violated(Rule::NoLeak));
    EXPECT_TRUE(Ran(begun(kBefore + lost, "  - note: nothing\n")).violated(Rule::NoLeak));
}

TEST(BeginHistory, AQuestionAboveItIsNotAnsweredBelow) {
    const std::string ask = "  - ask: {question: which one, choices: [a, b], answer: a}\n";
    Session session(bindScenario("test.yaml", begun(kBefore + ask, kBehind)));
    for (const auto& event : eventsOf(session))
        EXPECT_NE(event.value("kind", ""), "answer");
}

TEST(BeginHistory, ARaceBehindItIsExploredAsWithAHistory) {
    const std::string race = "  - race:\n      vcpu0:\n        - accept: 0x600000\n      host:\n        - punch-hole: {gpa: 0x600000}\n";
    const Scenario whole = bindScenario("test.yaml", td(kBefore + race)), later = bindScenario("test.yaml", begun(kBefore, race));
    const ExploreResult a = Explorer(whole, {}).run(), b = Explorer(later, {}).run();
    EXPECT_TRUE(a.complete);
    EXPECT_TRUE(b.complete);
    const auto hashes = [](const ExploreResult& result) {
        std::set<u64> set;
        for (const ExploreEnd& end : result.ends)
            set.insert(end.hash);
        return set;
    };
    EXPECT_EQ(hashes(a), hashes(b));
    EXPECT_GT(a.ends.size(), 1u);
    EXPECT_EQ(a.findings.size(), b.findings.size());
}

TEST(BeginHistory, IsSaidOnceInTheScriptItself) {
    EXPECT_EQ(refusal(begun("  - begin-history\n", kBehind)), "the history begins once");
    EXPECT_NE(refusal(td("  - vcpu0: [begin-history]\n")).find("in the script itself"), std::string::npos);
    EXPECT_NE(refusal(td("  - race: {vcpu0: [{read: 0}], host: [begin-history]}\n")).find("in the script itself"), std::string::npos);
    EXPECT_NE(refusal(td("  - race: {vcpu0: [{read: 0}], host: [zap-all]}\n  - begin-history\n")).find("before the first race"),
              std::string::npos);
}

TEST(BeginHistory, WhatIsBeforeItHasABound) {
    Ran run(begun("  - vcpu0: {accept: {gpa: 16K, size: 16M}}\n", kBehind), {.maxSteps = 1000});
    EXPECT_TRUE(run.runner.bounded());
    EXPECT_NE(run.runner.stopped().find("before `begin-history`"), std::string::npos) << run.runner.stopped();
}

} // namespace mirrorscope::test
