// SPDX-License-Identifier: GPL-3.0-or-later
// What a run costs, by which table, and how a TD's start is predicted from small runs.
#include "cost/boot.h"
#include "cost/run_cost.h"
#include "session/gpa_map.h"
#include "support/run.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <sstream>

namespace mirrorscope::test {

namespace {
RunCost costOfLesson(const char* name) {
    return costOf(Session(loadScenario((kSource / "scenarios/lessons" / name).string())), CostTable());
}

u64 times(const RunCost& cost, std::string_view name) {
    const CostLine* line = cost.line(name);
    return line == nullptr ? 0 : line->times;
}

class TableFile : public ::testing::Test {
protected:
    void SetUp() override {
        std::string pattern = (std::filesystem::temp_directory_path() / "mirrorscope-costs-XXXXXX").string();
        ASSERT_NE(mkdtemp(pattern.data()), nullptr);
        folder_ = pattern;
    }
    void TearDown() override { std::filesystem::remove_all(folder_); }
    CostTable read(const std::string& text) {
        const std::string file = (folder_ / "costs.yaml").string();
        std::ofstream(file) << text;
        return CostTable::read(file);
    }
    std::string problem(const std::string& text) {
        try {
            read(text);
        } catch (const InputError& error) {
            return error.what();
        }
        return "";
    }
    std::filesystem::path folder_;
};
} // namespace

// The lesson's own expectations and story say how often.
TEST(RunCost, counts_what_the_lesson_does) {
    const RunCost cost = costOfLesson("04-convert-and-back.yaml");
    EXPECT_EQ(times(cost, "TDH.MEM.RANGE.BLOCK"), 1u);
    EXPECT_EQ(times(cost, "TDH.MEM.PAGE.REMOVE"), 1u);
    EXPECT_EQ(times(cost, "TDH.MR.EXTEND"), 16u);
    EXPECT_EQ(times(cost, "TDH.MEM.PAGE.AUG"), 2u);
    double sum = 0;
    for (std::size_t i = 0; i < cost.lines.size(); ++i) {
        sum += cost.lines[i].ns;
        if (i > 0) {
            EXPECT_GE(cost.lines[i - 1].ns, cost.lines[i].ns);
        }
    }
    EXPECT_DOUBLE_EQ(sum, cost.ns);
    const auto lock = std::find_if(cost.locks.begin(), cost.locks.end(), [](const LockCost& l) { return l.name == "mmu_lock"; });
    ASSERT_NE(lock, cost.locks.end());
    EXPECT_GT(lock->times[0], 0u); // faults
    EXPECT_GT(lock->times[1], 0u); // the conversion
    EXPECT_LE(lock->longest[1], lock->held[1]);
    // An ordinary guest leaves without the module.
    const RunCost ordinary = costOfLesson("24-walk-an-ept.yaml");
    EXPECT_GT(times(ordinary, "exit"), 0u);
    EXPECT_EQ(times(ordinary, "TDH.VP.ENTER"), 0u);
}

// The chart over the run adds up to it, row by row, and each bar leads into its part.
TEST(RunCost, the_chart_adds_up_to_it) {
    for (const char* lesson : {"04-convert-and-back.yaml", "24-walk-an-ept.yaml", "18-snp-first-private-page.yaml"}) {
        Session session(loadScenario((kSource / "scenarios/lessons" / lesson).string()));
        const RunCost cost = costOf(session, CostTable());
        const GpaMap map(session);
        Statistics statistics(session, map, 20, std::make_unique<RunCosts>(session, CostTable()));
        while (!statistics.advance(std::chrono::steady_clock::now()))
            ;
        double all = 0;
        for (const Series& series : statistics.series(Statistic::Time)) {
            double sum = 0;
            for (unsigned part = 0; part < statistics.parts(); ++part) {
                sum += series.values[part];
                EXPECT_EQ(series.values[part] > 0, series.first[part] != ~0ull);
                if (series.first[part] != ~0ull) {
                    EXPECT_GT(series.first[part], statistics.positionOf(part));
                }
            }
            const CostLine* line = cost.line(series.name);
            ASSERT_NE(line, nullptr) << series.name;
            EXPECT_NEAR(sum * 1000, line->ns, 1e-6 * line->ns) << series.name;
            all += sum;
        }
        EXPECT_GT(all, 0) << lesson;
        EXPECT_NEAR(all * 1000, cost.ns, 1e-6 * cost.ns) << lesson;
    }
}

// A TLB hit and a walk by the CPU are no work of KVM's.
TEST(RunCost, what_the_guest_does_by_itself_is_free) {
    const std::string script =
        "mirrorscope: 1\nmachine: {vm: default, slots: [{id: 0, gpa: 0, size: 4M}]}\nscript:\n  - vcpu0: {read: 0}\n";
    const RunCost once = costOf(Session(bindScenario("a.yaml", script)), CostTable());
    const RunCost ten = costOf(Session(bindScenario("a.yaml", script + "  - vcpu0: {read: {gpa: 0, pages: 1}}\n")), CostTable());
    EXPECT_GT(ten.microSteps, once.microSteps);
    EXPECT_LE(times(ten, "micro-step") - times(once, "micro-step"), 12u); // it enters and leaves
}

TEST_F(TableFile, replaces_rows) {
    const CostTable defaults;
    const CostTable table = read("TDH.MEM.PAGE.AUG: 5000\nipi: {ns: 7, source: measured}\nTDH.MEM.TRACK: 9\n");
    EXPECT_FALSE(table.isDefault());
    EXPECT_EQ(table.ns("TDH.MEM.PAGE.AUG"), 5000);
    EXPECT_EQ(table.ns("ipi"), 7);
    EXPECT_EQ(table.ns("TDH.MEM.TRACK"), 9);
    EXPECT_EQ(table.ns("TDH.MEM.RANGE.BLOCK"), defaults.ns("seamcall"));
    EXPECT_EQ(table.ns("TDG.VP.VMCALL"), defaults.ns("tdcall"));
    for (const Cost& cost : defaults.rows())
        EXPECT_FALSE(cost.source.empty()) << cost.name;
}

TEST_F(TableFile, is_refused_at_the_word) {
    EXPECT_NE(problem("TDH.MEM.PAGE.AUGG: 1\n").find("costs.yaml:1:1: `TDH.MEM.PAGE.AUGG` is nothing that costs time; did you mean"),
              std::string::npos);
    EXPECT_NE(problem("ipi: 1\nseamcall: fast\n").find("costs.yaml:2:11: nanoseconds"), std::string::npos);
    for (const char* text : {"ipi: \"1\\0abc\"\n", "ipi: \" 5\"\n", "ipi: {ns: 1, source: [a]}\n", "ipi: -1\n", "ipi: nan\n",
                             "ipi: 1e300\n", "ipi: {source: a}\n", "ipi: {ns: 1, by: me}\n", "- ipi\n", "ipi:\n"})
        EXPECT_FALSE(problem(text).empty()) << text;
}

// What is predicted for a size that was not run is what a run of that size comes to.
TEST(Boot, a_prediction_is_what_a_larger_run_comes_to) {
    const CostTable costs;
    const BootTable table = predictBoots({64u << 20, 1, [] { return false; }}, costs);
    ASSERT_EQ(table.boots.size(), 12u); // four releases, two of them twice; lazy and eager
    EXPECT_LT(table.off, 0.01);
    const auto accepting = [&](u64 pages) {
        return costOf(Session(bindScenario("a.yaml", "mirrorscope: 1\nmachine: {vm: tdx, slots: [{id: 0, gpa: 0, size: 64M}]}\nscript:\n"
                                                     "  - finalize-vm\n  - vcpu0: {accept: {gpa: 0, size: " +
                                                         std::to_string(pages * 4) + "K}}\n")),
                      costs)
            .ns;
    };
    const u64 pages = 8192;
    const Boot& eager = table.boots[1];
    ASSERT_TRUE(eager.eager);
    EXPECT_EQ(eager.phases[2].things, 16384u);
    const double predicted = eager.phases[2].ns * static_cast<double>(pages) / 16384;
    EXPECT_NEAR(accepting(pages) - accepting(0), predicted, predicted * 0.01);
}

TEST(Boot, grows_with_memory_and_vcpus) {
    const CostTable costs;
    const BootTable small = predictBoots({4ull << 30, 4, [] { return false; }}, costs),
                    large = predictBoots({8ull << 30, 8, [] { return false; }}, costs);
    for (std::size_t i = 0; i < small.boots.size(); ++i) {
        EXPECT_EQ(small.boots[i].phases[0].ns, large.boots[i].phases[0].ns); // the image
        EXPECT_DOUBLE_EQ(2 * small.boots[i].phases[1].ns, large.boots[i].phases[1].ns);
    }
    EXPECT_DOUBLE_EQ(2 * small.boots[1].phases[2].ns, large.boots[1].phases[2].ns); // eager
    EXPECT_LT(large.boots[0].phases[2].ns, large.boots[1].phases[2].ns);            // lazy
    // A private 4K fault, as it was measured where the default costs are from: 8 us.
    EXPECT_NEAR(large.boots[1].phases[2].ns / static_cast<double>(large.boots[1].phases[2].things), 8000, 800);
    // With 2M at a time an accept is an exit for 512 pages, so that clearing them is most of what is left.
    const Boot &small4K = large.boots[5], &of2M = large.boots[7];
    ASSERT_EQ(nameOf(of2M), "7.2 2M");
    ASSERT_TRUE(of2M.eager && small4K.eager);
    EXPECT_EQ(of2M.phases[2].things, small4K.phases[2].things);
    EXPECT_NEAR(of2M.phases[2].exits * 512, small4K.phases[2].exits, small4K.phases[2].exits * 0.01);
    EXPECT_LT(of2M.phases[2].ns * 4, small4K.phases[2].ns);
    EXPECT_GT(of2M.phases[2].ns, 250.0 * 511 / 512 * static_cast<double>(of2M.phases[2].things));
    const std::string csv = bootCsv(large);
    EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 1 + 12 * 4);
    std::istringstream lines(bootText(large, costs));
    for (std::string line; std::getline(lines, line);)
        EXPECT_LE(line.size(), 78u) << line;
    EXPECT_EQ(bootSvg(large).find("nan"), std::string::npos);
}

} // namespace mirrorscope::test
