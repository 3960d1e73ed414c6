// SPDX-License-Identifier: GPL-3.0-or-later
// The matrix against the table that the published module's own code gave (tests/data/sept-matrix.csv: 894 cells at 4K and 2M).
#include "base/text.h"
#include "export/matrix.h"
#include "support/run.h"

#include <gtest/gtest.h>

#include <sstream>

namespace mirrorscope::test {

namespace {
std::vector<std::vector<std::string>> facts() {
    std::istringstream in(readFile((kSource / "tests/data/sept-matrix.csv").string()));
    std::vector<std::vector<std::string>> rows;
    std::string line;
    std::getline(in, line);
    EXPECT_EQ(line, "leaf,variant,level,op_state,tracked,state,status,operand,after");
    while (std::getline(in, line)) {
        std::vector<std::string> row(1);
        for (const char c : line)
            if (c == ',')
                row.emplace_back();
            else
                row.back() += c;
        rows.push_back(row);
    }
    return rows;
}
} // namespace

TEST(Matrix, agrees_with_the_modules_own_code_cell_by_cell) {
    using Variant = MatrixCase::Variant;
    SeptMatrix matrix;
    unsigned compared = 0;
    for (const auto& row : facts()) {
        ASSERT_EQ(row.size(), 9u);
        MatrixCase c;
        const auto leaf = row[0] == "ACCEPT" ? Leaf::TdgMemPageAccept
                                             : leafFromName(row[0].starts_with("MR.") ? "TDH." + row[0] : "TDH.MEM." + row[0]).value();
        c.leaf = leaf;
        const std::string& v = row[1];
        c.variant = v == "asked for 4K below it" || v == "4K under the entry" ? Variant::Below
                    : v == "ALLOW_EXISTING=1"                                 ? Variant::AllowExisting
                    : v == "children PENDING"                                 ? Variant::ChildrenPending
                    : v == "children not uniform"                             ? Variant::ChildrenMixed
                    : v == "table not empty"                                  ? Variant::TableNotEmpty
                                                                              : Variant::Plain;
        c.level = levelFromName(row[2]).value();
        c.opState = row[3] == "RUNNABLE" ? tdcs::Runnable : tdcs::Initialized;
        c.tracked = row[4] == "yes";
        c.state = septStateFromName(row[5]).value();
        const MatrixCell cell = matrix.call(c);
        const std::string status = statusOf(cell);
        const std::string got =
            (status.starts_with("TDX_") ? status.substr(4) : status) + "," + operandOf(cell) + "," + std::string(name(cell.after));
        EXPECT_EQ(got, row[6] + "," + row[7] + "," + row[8])
            << row[0] << " " << v << " " << row[2] << " " << row[3] << " " << row[4] << " " << row[5];
        ++compared;
    }
    EXPECT_EQ(compared, 894u);
}

TEST(Matrix, has_no_empty_cell_and_the_same_in_every_format) {
    const auto cells = SeptMatrix().all();
    const auto list = nlohmann::json::parse(matrixText(cells, MatrixFormat::Json));
    ASSERT_EQ(list.size(), cells.size());
    std::set<std::string> leaves;
    for (const auto& cell : list) {
        EXPECT_EQ(cell.size(), 8u);
        const std::string status = cell["status"];
        EXPECT_TRUE(status == "n/a" || status == "EXIT" || status.starts_with("TDX_")) << cell;
        EXPECT_EQ(cell["state"].is_null(), cell["level"].is_null()) << cell;
        EXPECT_EQ(cell["after"].is_null(), status == "n/a" || cell["state"].is_null()) << cell;
        leaves.insert(cell["leaf"]);
    }
    EXPECT_EQ(leaves.size(), kLeaves);
    std::istringstream csv(matrixText(cells, MatrixFormat::Csv));
    std::size_t lines = 0;
    for (std::string line; std::getline(csv, line); ++lines)
        EXPECT_EQ(std::count(line.begin(), line.end(), ','), 7) << line;
    EXPECT_EQ(lines, cells.size() + 1);
    std::istringstream text(matrixText(cells, MatrixFormat::Text));
    for (std::string line; std::getline(text, line);)
        EXPECT_LE(line.size(), 82u) << line; // arrows are three bytes
    EXPECT_NE(matrixText(cells, MatrixFormat::Html).find("</html>"), std::string::npos);
}

TEST(Matrix, higher_levels_follow_the_rules_of_the_lower_ones) {
    SeptMatrix matrix;
    for (const LeafInfo& leaf : leafTable())
        for (const unsigned opState : {tdcs::Initialized, tdcs::Runnable})
            for (const bool tracked : {false, true})
                for (const SeptState state : {SeptState::Free, SeptState::Table, SeptState::TableBlocked, SeptState::Mapped,
                                              SeptState::Blocked, SeptState::Pending, SeptState::PendingBlocked}) {
                    if (leaf.rcx != Operand::GpaLevel || leaf.maxLevel < 2 || leaf.leaf == Leaf::MemPagePromote)
                        continue;
                    const MatrixCell at2M = matrix.call({leaf.leaf, Level::k2M, opState, tracked, state});
                    const MatrixCell at1G = matrix.call({leaf.leaf, Level::k1G, opState, tracked, state});
                    EXPECT_EQ(statusOf(at2M), statusOf(at1G)) << leaf.name << " " << name(state);
                    EXPECT_EQ(at2M.after, at1G.after) << leaf.name << " " << name(state);
                }
}

TEST(Matrix, a_cell_opens_as_a_scenario_that_shows_it) {
    unsigned opened = 0;
    for (const MatrixCell& cell : SeptMatrix().all()) {
        const auto text = scenarioOf(cell);
        if (!text)
            continue;
        const Scenario scenario = bindScenario("cell.yaml", *text);
        Runner runner(scenario, {.check = false});
        runner.runAll();
        for (const auto& e : runner.expectations())
            EXPECT_TRUE(e.holds) << *text << e.text << " found " << e.found;
        ++opened;
    }
    EXPECT_GT(opened, 300u);
}

} // namespace mirrorscope::test
