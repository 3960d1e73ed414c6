// SPDX-License-Identifier: GPL-3.0-or-later
// Two runs compared: what is the same is said to be, what differs stands there once, at its micro-step.
#include "export/difference.h"
#include "support/run.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>

namespace mirrorscope::test {

namespace {
std::string tdWith(const std::string& machine, const std::string& script) {
    return "mirrorscope: 1\nmachine: {vm: tdx, vcpus: 2, slots: [{id: 0, gpa: 0, size: 64K}]" + machine +
           "}\nscript:\n  - {init-mem-region: {gpa: 0, size: 4K}}\n  - finalize-vm\n" + script;
}
Difference differenceBetween(const std::string& a, const std::string& b) {
    Session first(bindScenario("a.yaml", a)), second(bindScenario("b.yaml", b));
    return differenceOf({first, first.end(), "a"}, {second, second.end(), "b"});
}
const std::string kAcceptPage = "  - {vcpu0: {accept: 0x1000}}\n", kPunchHole = "  - {punch-hole: {gpa: 0x1000}}\n";
} // namespace

TEST(Difference, every_shipped_lesson_is_like_itself) {
    for (const auto& file : std::filesystem::directory_iterator(kSource / "scenarios/lessons")) {
        if (file.path().extension() != ".yaml")
            continue;
        SCOPED_TRACE(file.path().string());
        Session a(loadScenario(file.path().string())), b(loadScenario(file.path().string()));
        const Difference d = differenceOf({a, a.end(), "a"}, {b, b.end(), "b"});
        EXPECT_TRUE(d.equal()) << differenceText(d);
        EXPECT_NE(differenceText(d).find("equal\n"), std::string::npos);
    }
}

// The thread's question: decided by the fault, the private table is not told of a zap.
TEST(Difference, another_dispatch_leaves_the_private_entry_and_parts_at_the_missing_block) {
    const Difference d = differenceBetween(tdWith("", kAcceptPage + kPunchHole), tdWith(", dispatch: fault", kAcceptPage + kPunchHole));
    EXPECT_FALSE(d.equal());
    ASSERT_EQ(d.trees.size(), 1u);
    EXPECT_EQ(d.trees[0].name, "private 0x1000 4K");
    EXPECT_EQ(d.trees[0].a, "–");
    EXPECT_EQ(d.trees[0].b, "mapped rwx");
    EXPECT_TRUE(d.results.empty());
    std::vector<std::string> leaves;
    for (const auto& one : d.seamcalls.missing) {
        EXPECT_FALSE(one.inB);
        leaves.push_back(one.text.substr(0, one.text.find(" →")));
    }
    EXPECT_EQ(leaves, (std::vector<std::string>{"host TDH.MEM.RANGE.BLOCK 0x1000", "host TDH.MEM.TRACK", "host TDH.MEM.PAGE.REMOVE 0x1000",
                                                "host TDH.PHYMEM.PAGE.WBINVD"}));
    EXPECT_TRUE(d.locks.missing.empty());
    ASSERT_TRUE(d.parting);
    EXPECT_NE(d.parting->a.find("tdh_mem_range_block"), std::string::npos) << d.parting->a;
    EXPECT_EQ(d.parting->b.find("seamcall"), std::string::npos) << d.parting->b;
}

// The page of the image is added while its entry is frozen, from 6.19 on; and where 7.2's trace line stands shows in the trace alone.
TEST(Difference, frozen_entries_trace_lines_and_cost_are_compared) {
    const auto withKernel = [](const std::string& more) { return differenceBetween(tdWith("", kAcceptPage), tdWith(more, kAcceptPage)); };
    const Difference image = withKernel(", kernel: 6.19");
    ASSERT_EQ(image.frozen.missing.size(), 2u) << differenceText(image);
    EXPECT_EQ(image.frozen.missing[0].text, "host freezes mirror 0x0 4K for 1 micro-step");
    EXPECT_EQ(image.frozen.missing[1].text, "host freezes mirror 0x0 4K for 6 micro-steps");
    EXPECT_EQ(image.lines.a, image.lines.b);
    ASSERT_TRUE(image.costs && !image.costs->empty());
    EXPECT_EQ(image.costs->front().name, "all on one CPU");

    const std::string busy = "  - inject: {seamcall: TDH.MEM.PAGE.AUG, status: TDX_OPERAND_BUSY}\n" + kAcceptPage;
    const Difference draft = differenceBetween(tdWith(", kernel: 7.2", busy), tdWith(", kernel: 7.2, trace-line: before", busy));
    EXPECT_FALSE(draft.equal());
    EXPECT_FALSE(draft.parting);
    EXPECT_EQ(draft.lines.b, draft.lines.a + 1) << differenceText(draft);
    EXPECT_TRUE(draft.frozen.missing.empty() && draft.costs && draft.costs->empty());
    // Nobody thaws it.
    const Difference gone = differenceBetween(tdWith("", busy), tdWith(", break: [stay-frozen]", busy));
    EXPECT_TRUE(std::any_of(gone.frozen.missing.begin(), gone.frozen.missing.end(), [](const auto& one) {
        return one.text.find(" up to the end") != std::string::npos;
    })) << differenceText(gone);
}

// What is not compared is not said to be the same; and what a table that goes leaves frozen is no hold on anything.
TEST(Difference, only_what_was_compared_is_said_to_be_the_same) {
    Session a(bindScenario("a.yaml", tdWith("", kAcceptPage))), b(bindScenario("b.yaml", tdWith(", kernel: 7.2", kAcceptPage)));
    const Difference part = differenceOf({a, 100, "a"}, {b, 100, "b"});
    EXPECT_FALSE(part.costs);
    EXPECT_TRUE(differenceJson(part).at("cost").is_null());
    EXPECT_EQ(differenceText(part).find("cost"), std::string::npos);

    const std::string zapped = "mirrorscope: 1\nmachine: {vm: default, slots: [{id: 0, gpa: 0, size: 64K}]}\nscript:\n"
                               "  - vcpu0: {read: 0x1000}\n  - zap-all\n  - vcpu0: {read: 0x1000}\n";
    Session session(bindScenario("z.yaml", zapped));
    const Difference all = differenceWithin(session, 0, session.end());
    EXPECT_TRUE(all.frozen.missing.empty()) << all.frozen.missing[0].text;
    EXPECT_GT(all.lines.missing.size(), 1536u);
}

// Thousands of lines on each side, a few of them not the same: those are named, however far apart they are.
TEST(Difference, long_sequences_are_laid_side_by_side) {
    std::string script;
    for (unsigned i = 0; i < 3; ++i)
        script += "  - vcpu0: {read: 0x1000}\n  - zap-all\n";
    const auto machine = [&](const std::string& line) {
        return "mirrorscope: 1\nmachine: {vm: default, kernel: \"7.2\", trace-line: " + line +
               ", slots: [{id: 0, gpa: 0, size: 64K}]}\nscript:\n" + script + "  - vcpu0: {read: 0x1000}\n";
    };
    const Difference d = differenceBetween(machine("after"), machine("before"));
    EXPECT_GT(d.lines.a * d.lines.b, 4'000'000u);
    EXPECT_EQ(d.lines.a, d.lines.b);
    EXPECT_TRUE(d.lines.aligned);
    EXPECT_FALSE(d.lines.missing.empty());
    EXPECT_LE(d.lines.missing.size(), 60u); // the lines of tables that go, before those of what they held or behind them
    u64 ofB = 0;
    for (const auto& one : d.lines.missing)
        ofB += one.inB;
    EXPECT_EQ(ofB * 2, d.lines.missing.size());
}

// Many entries that are alike are one row of the trees, and each of them an entry all the same.
TEST(Difference, of_entries_that_are_alike_none_is_overlooked) {
    const std::string machine = "mirrorscope: 1\nmachine: {vm: default, slots: [{id: 0, gpa: 0, size: 64K}]}\nscript:\n";
    const Difference d =
        differenceBetween(machine + "  - pre-fault: {vcpu: 0, gpa: 0, size: 48K}\n  - pre-fault: {vcpu: 0, gpa: 0xd000, size: 4K}\n",
                          machine + "  - pre-fault: {vcpu: 0, gpa: 0, size: 44K}\n  - pre-fault: {vcpu: 0, gpa: 0xd000, size: 4K}\n");
    ASSERT_EQ(d.trees.size(), 1u) << differenceText(d);
    EXPECT_EQ(d.trees[0].name, "direct 0xb000 4K");
}

TEST(Difference, frames_are_compared_up_to_renaming_and_not_beyond) {
    // Another page first takes the frame that the page had, in the same tables.
    const std::string first = "  - {vcpu0: {accept: 0x1000}}\n  - {vcpu0: {accept: 0x2000}}\n";
    const std::string second = "  - {vcpu0: {accept: 0x2000}}\n  - {vcpu0: {accept: 0x1000}}\n";
    const Difference d = differenceBetween(tdWith("", first), tdWith("", second));
    EXPECT_TRUE(d.trees.empty()) << differenceText(d);
    EXPECT_FALSE(d.equal()); // in another order
    EXPECT_FALSE(d.seamcalls.missing.empty());
}

TEST(Difference, a_run_that_goes_on_differs_where_the_other_ends) {
    const Difference d = differenceBetween(tdWith("", kAcceptPage), tdWith("", kAcceptPage + kPunchHole));
    ASSERT_TRUE(d.parting);
    EXPECT_EQ(d.parting->n, d.stepsA);
    EXPECT_TRUE(d.parting->a.empty());
    ASSERT_EQ(d.results.size(), 1u);
    EXPECT_EQ(d.results[0].name, "host punch-hole");
    EXPECT_EQ(d.results[0].a, "–");
}

TEST(Difference, two_moments_of_a_run_differ_in_what_came_between) {
    Session session(bindScenario("t.yaml", tdWith("", kAcceptPage + kPunchHole)));
    const u64 end = session.end();
    EXPECT_TRUE(differenceWithin(session, end, end).equal());
    u64 mapped = 0;
    for (u64 n = 0; n < end; ++n) // the first time it exits, and the page is mapped
        if (session.step(n).site == Site::TdcallLeave)
            mapped = n + 1;
    ASSERT_NE(mapped, 0u);
    const Difference d = differenceWithin(session, mapped, end);
    EXPECT_FALSE(d.equal());
    EXPECT_EQ(d.trees.size(), 2u) << differenceText(d); // the mirror's entry and the private one
    EXPECT_TRUE(std::any_of(d.seamcalls.missing.begin(), d.seamcalls.missing.end(),
                            [](const auto& one) { return one.text.find("PAGE.REMOVE") != std::string::npos; }));
    for (const auto& one : d.seamcalls.missing)
        EXPECT_GE(one.n, mapped);
}

TEST(Difference, text_fits_78_columns_and_json_says_the_same) {
    const Difference d = differenceBetween(tdWith("", kAcceptPage + kPunchHole), tdWith(", dispatch: fault", kAcceptPage + kPunchHole));
    std::istringstream lines(differenceText(d));
    for (std::string line; std::getline(lines, line);) {
        const auto columns = std::count_if(line.begin(), line.end(), [](char c) { return (c & 0xc0) != 0x80; });
        EXPECT_LE(columns, 78) << line;
    }
    const auto json = differenceJson(d);
    EXPECT_EQ(json.at("equal"), false);
    EXPECT_EQ(json.at("seamcalls").at("differ").size(), d.seamcalls.missing.size());
    EXPECT_EQ(json.at("trees").at(0).at("b"), "mapped rwx");
    EXPECT_EQ(json.at("parting").at("n"), d.parting->n);
    EXPECT_EQ(json.at("frozen").at("a"), d.frozen.a);
    EXPECT_EQ(json.at("trace_lines").at("differ").size(), d.lines.missing.size());
    EXPECT_EQ(json.at("cost").size(), d.costs->size());
}

} // namespace mirrorscope::test
