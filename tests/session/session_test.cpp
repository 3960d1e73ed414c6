// SPDX-License-Identifier: GPL-3.0-or-later
// What the window asks: where it opens, the trees, twins, history, breakpoints.
#include "session/style.h"
#include "support/run.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <set>

namespace mirrorscope::test {

namespace {
Session lesson(const char* name) { return Session(loadScenario((kSource / "scenarios/lessons" / name).string())); }

const TreeRow* rowOf(const std::vector<TreeRow>& rows, u64 gpa, Level level) {
    for (const TreeRow& row : rows)
        if (row.more == 0 && row.gfn.v == gpa >> 12 && row.level == level)
            return &row;
    return nullptr;
}

std::vector<StepResult> resultsIn(const Session& session, u64 from, u64 to) {
    std::vector<StepResult> results;
    for (const std::size_t mark : session.returnsIn(from, to))
        results.push_back(session.resultOf(mark).value());
    return results;
}
} // namespace

TEST(Session, opens_at_the_first_pause_on_a_frozen_entry) {
    Session session = lesson("01-first-private-page.yaml");
    session.seek(session.pauses().front());
    const auto frozen = session.frozenNearby();
    ASSERT_TRUE(frozen);
    EXPECT_EQ(frozen->gfn.v, 4u);
    EXPECT_EQ(frozen->column, Column::Mirror);
    const auto rows = session.rows();
    const TreeRow* row = rowOf(rows, 0x4000, Level::k4K);
    ASSERT_NE(row, nullptr);
    EXPECT_EQ(row->cells[1].spte, SpteState::Frozen);
    EXPECT_TRUE(row->cells[1].changed);
    EXPECT_EQ(row->cells[2].sept, SeptState::Free);
    EXPECT_FALSE(row->cells[0].exists);
    EXPECT_NE(session.sentence(session.position()).find("frozen"), std::string::npos);
}

TEST(Session, tells_who_wrote_an_entry_and_when) {
    Session session = lesson("01-first-private-page.yaml");
    session.seek(session.end());
    const TreeCell cell = session.cell(Column::Mirror, {4}, Level::k4K);
    ASSERT_TRUE(cell.exists);
    const auto history = session.history(cell.place);
    ASSERT_EQ(history.size(), 3u); // the fresh table, frozen, the leaf
    EXPECT_EQ(history[1].now, spte::kFrozen);
    EXPECT_EQ(history[2].now, cell.raw);
    const std::string text = session.describe(history[2]);
    EXPECT_NE(text.find("vcpu0"), std::string::npos) << text;
    EXPECT_NE(text.find("kvm_tdp_mmu_map"), std::string::npos) << text;
    EXPECT_NE(text.find("position " + std::to_string(history[2].n + 1)), std::string::npos) << text;
    const StepView step = session.step(history[2].n);
    EXPECT_EQ(step.site, Site::SpteSet);
    session.seek(history[2].n);
    EXPECT_EQ(session.cell(Column::Mirror, {4}, Level::k4K).raw, spte::kFrozen);
}

TEST(Session, knows_what_each_step_returned_and_when) {
    Session session(bindScenario("results",
                                 "mirrorscope: 1\nmachine: {vm: tdx, slots: [{id: 0, gpa: 0, size: 4M}]}\nscript:\n  - finalize-vm\n"
                                 "  - vcpu0: {accept: 0x4000}\n  - repeat:\n      times: 2\n      do:\n"
                                 "        - vcpu0: {write: {gpa: 0x4000, value: 42}}\n        - vcpu0: {read: 0x4000}\n"
                                 "  - race:\n      vcpu0: [{read: 0x4000}]\n      host: [{punch-hole: {gpa: 0x4000}}]\n"));
    std::vector<std::string> told;
    u64 before = 0;
    for (const StepResult& result : resultsIn(session, 0, session.end())) {
        EXPECT_GE(result.position, before);
        before = result.position;
        ASSERT_NE(result.step, nullptr);
        told.push_back(std::to_string(result.step->line) + " " + result.actor + " " + result.call + " → " + result.outcome);
    }
    ASSERT_GE(told.size(), 6u);
    EXPECT_EQ(told[0], "4 host finalize-vm → ok");
    EXPECT_EQ(told[1], "5 vcpu0 accept 0x4000 → ok");
    EXPECT_EQ(told[3], "10 vcpu0 read 0x4000 → ok, value 42");
    EXPECT_EQ(told[5], told[3]) << "a step that is repeated returns each time";
    // At the position where it is over, and at no other.
    const StepResult accept = resultsIn(session, 0, session.end())[1];
    EXPECT_EQ(session.extent(accept.step->index)->second, accept.position);
    EXPECT_EQ(resultsIn(session, accept.position, accept.position).size(), 1u);
    EXPECT_TRUE(resultsIn(session, accept.position - 1, accept.position - 1).empty());
}

TEST(Session, finds_each_step_of_each_script_by_its_number) {
    for (const auto& file : shippedScenarios()) {
        const Scenario scenario = loadScenario(file.string());
        for (u32 n = 1; n <= scenario.steps; ++n) {
            const Step* step = scenario.step(n);
            ASSERT_NE(step, nullptr) << file << " " << n;
            EXPECT_EQ(step->index, n) << file;
        }
        EXPECT_EQ(scenario.step(0), nullptr);
        EXPECT_EQ(scenario.step(scenario.steps + 1), nullptr);
    }
}

TEST(Session, a_vcpu_that_was_not_made_is_not_reclaimed) {
    Session session(bindScenario("test.yaml",
                                 "mirrorscope: 1\nmachine: {vm: tdx, vcpus: 2, init-vcpus: 1, slots: [{id: 0, gpa: 0, size: 4M}]}\n"
                                 "script:\n  - init-vcpu: 1\n  - destroy-vm\n"));
    ASSERT_EQ(session.td().vcpus.size(), 2u);
    EXPECT_EQ(session.td().vcpus[1].state, "not made yet");
    EXPECT_FALSE(session.td().vcpus[1].exists);
    EXPECT_TRUE(session.td().vcpus[0].exists);
    std::set<std::string> seen;
    for (u64 at = 0; at <= session.end(); ++at) {
        session.seek(at);
        if (const TdView td = session.td(); td.vcpus.size() == 2)
            seen.insert(td.vcpus[1].state);
    }
    EXPECT_TRUE(seen.contains("reclaimed"));
    EXPECT_GT(seen.size(), 2u);
}

// Two versions of the kernel take other micro-steps for the same thing.
TEST(Session, the_same_moment_of_another_run_is_found) {
    const std::string file = (kSource / "scenarios/lessons/04-convert-and-back.yaml").string();
    const Session now(loadScenario(file)), then(loadScenario(file, {{"machine.kernel", "7.2"}}));
    ASSERT_LT(now.commonPrefix(then, ~u64{0}), now.end());
    unsigned calls = 0, moved = 0;
    for (u64 at = 0; at <= now.end(); ++at) {
        EXPECT_EQ(now.sameMoment(at, now), at);
        const u64 there = now.sameMoment(at, then);
        if (at == 0 || now.stepBrief(at - 1).second != Site::SeamcallEnter)
            continue;
        // What the module is asked is asked by both.
        EXPECT_EQ(then.sentence(there).substr(0, 25), now.sentence(at).substr(0, 25)) << at << " and " << there;
        ++calls;
        moved += there != at;
    }
    EXPECT_GT(calls, 5u);
    EXPECT_GT(moved, 0u);
    // Of another script there is no such moment.
    const Session other = lesson("01-first-private-page.yaml");
    EXPECT_EQ(now.sameMoment(7, other), 7u);
}

TEST(Session, a_zapped_entry_stays_for_a_while_with_its_old_value) {
    Session session = lesson("04-convert-and-back.yaml");
    u64 zap = 0;
    for (u64 n = 0; n < session.end() && zap == 0; ++n)
        if (session.stepBrief(n).second == Site::SpteStore)
            zap = n;
    ASSERT_GT(zap, 0u);
    session.seek(zap);
    const TreeCell before = session.cell(Column::Mirror, {4}, Level::k4K);
    ASSERT_EQ(before.spte, SpteState::Leaf);
    session.seek(zap + 1);
    auto rows = session.rows();
    const TreeRow* row = rowOf(rows, 0x4000, Level::k4K);
    ASSERT_NE(row, nullptr);
    ASSERT_TRUE(row->cells[1].zapped);
    EXPECT_EQ(*row->cells[1].zapped, before.raw);
    EXPECT_EQ(styleOf(Column::Mirror, row->cells[1]).name, "zapped");
    session.seek(zap + 1 + kZappedVisible);
    rows = session.rows({.collapsed = {}, .opened = {}, .keep = std::pair{Gfn{4}, Level::k4K}});
    row = rowOf(rows, 0x4000, Level::k4K);
    ASSERT_NE(row, nullptr);
    EXPECT_FALSE(row->cells[1].zapped);
}

// Of a large range every page counts, wherever it is, and only those that are in a memslot.
TEST(Session, a_range_of_both_kinds_says_so_at_every_level) {
    for (const char* machine : {"vm: tdx", "vm: tdx, kernel: next, features: [in-place-conversion]"})
        for (const u64 page : {u64{0x10}, u64{0x1ff}, u64{0x40001}, u64{0x7ffff}}) {
            Session session(bindScenario(
                "t.yaml", fmt::format("mirrorscope: 1\nmachine: {{{}, slots: [{{id: 0, gpa: 0, size: 2G}}]}}\nscript:\n  - finalize-vm\n"
                                      "  - set-memory-attributes: {{gpa: {}, size: 4K, as: shared}}\n",
                                      machine, page << 12)));
            session.seek(session.end());
            const auto kindAt = [&](u64 gfn, Level level) { return session.memoryAt(roundDown({gfn}, level), level).kind; };
            for (const Level level : {Level::k2M, Level::k1G, Level::k512G}) {
                EXPECT_EQ(kindAt(page, level), MemoryView::Kind::Mixed) << machine << " " << page << " " << levelName(level);
                if (level != Level::k512G) {
                    const u64 beside = page < 0x40000 ? 0x40000 : 0;
                    EXPECT_EQ(kindAt(beside, level), MemoryView::Kind::Private) << machine << " " << page << " " << levelName(level);
                }
            }
            EXPECT_EQ(kindAt(page, Level::k4K), MemoryView::Kind::Shared);
        }
}

// Tables that are alike and folded stand for each other, and none of them behind one that comes later.
TEST(Session, rows_ascend_whatever_is_folded_and_unfolded) {
    Session session(bindScenario("t.yaml", "mirrorscope: 1\nmachine: {vm: default, slots: [{id: 0, gpa: 0, size: 64M}]}\nscript:\n"
                                           "  - vcpu0: {write: {gpa: 0, pages: 16384}}\n"));
    session.seek(session.end());
    for (const std::size_t tables : {0u, 1u, 3u}) {
        RowOptions options;
        options.tables = tables;
        options.alikeAsOne = true;
        options.opened.insert({Gfn{20 * 512}.v, number(Level::k2M)});
        options.opened.insert({Gfn{31 * 512}.v, number(Level::k2M)});
        const auto rows = session.rows(options);
        ASSERT_GT(rows.size(), 10u);
        for (std::size_t i = 1; i < rows.size(); ++i)
            EXPECT_GE(rows[i].gfn.v, rows[i - 1].gfn.v) << "row " << i << ", " << tables << " unfolded";
    }
}

TEST(Session, script_steps_are_walked_in_both_directions) {
    Session session = lesson("02-shared-beside-private.yaml");
    std::vector<u64> forward{0};
    while (forward.back() < session.end())
        forward.push_back(session.nextScriptPosition(forward.back()));
    std::vector<u64> back{session.end()};
    while (back.back() > 0)
        back.push_back(session.previousScriptPosition(back.back()));
    std::reverse(back.begin(), back.end());
    EXPECT_EQ(forward, back);
    EXPECT_GT(forward.size(), 5u);
}

TEST(Session, decoding_covers_private_entries_too) {
    Session session = lesson("01-first-private-page.yaml");
    session.seek(session.end());
    const TreeCell cell = session.cell(Column::Private, {4}, Level::k4K);
    EXPECT_EQ(cell.sept, SeptState::Mapped);
    bool pfn = false;
    for (const BitField& f : session.decode(Column::Private, cell.raw, Level::k4K))
        pfn |= f.value == cell.pfn.v;
    EXPECT_TRUE(pfn);
}

} // namespace mirrorscope::test
