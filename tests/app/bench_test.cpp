// SPDX-License-Identifier: GPL-3.0-or-later
// `bench` tells what it measured, and whether another build was faster; not how fast this one is.
#include "support/command_line.h"

#include <nlohmann/json.hpp>

#include <sstream>

namespace mirrorscope::test {

TEST_F(CommandLine, bench_rows_are_medians_that_another_build_can_be_held_against) {
    const std::string small = "bench --pages 64 --repeat 3 --only 'private ";
    const Result lines = call(small + "' --format jsonl");
    ASSERT_EQ(lines.status, 0) << lines.error;
    std::istringstream in(lines.out);
    unsigned rows = 0;
    for (std::string line; std::getline(in, line); ++rows) {
        const auto row = nlohmann::json::parse(line);
        EXPECT_EQ(row["kind"], "bench");
        EXPECT_EQ(row["unit"], "page");
        EXPECT_EQ(row["pages"], 64);
        EXPECT_LE(row["low"], row["per_s"]);
        EXPECT_LE(row["per_s"], row["high"]);
        EXPECT_GT(row["low"], 0);
        EXPECT_EQ(row["steps_per_page"] > 0, row["mode"] != "no history") << row;
    }
    EXPECT_EQ(rows, 9u);
    // A build that was a thousand times as fast, and one as slow, in all that it measured.
    const auto other = [&](u64 speed) {
        return write("other",
                     nlohmann::json{{"kind", "bench"}, {"workload", "private zap"}, {"mode", "no history"}, {"per_s", speed}}.dump() +
                         "\n");
    };
    const Result slower = call(small + "zap, no' --against " + other(u64{1} << 50));
    EXPECT_EQ(slower.status, 0) << slower.error;
    EXPECT_NE(slower.out.find(" 0.00\n"), std::string::npos) << slower.out;
    const Result unknown = call(small + "fault, no' --against " + other(1));
    EXPECT_NE(unknown.out.find(" –\n"), std::string::npos) << unknown.out;
    expectOneLine(call(small + "' --against " + write("text", "no measurement\n")));
    expectOneLine(call(small + "' --against /nowhere"));
    expectOneLine(call("bench --only 'public fault'"));
}

TEST_F(CommandLine, bench_predicts_how_long_a_td_takes_to_start) {
    const Result csv = call("bench --boot 1G --vcpus 2 --format csv");
    ASSERT_EQ(csv.status, 0) << csv.error;
    EXPECT_TRUE(csv.out.starts_with("kernel,features,accept,page,phase,things,seconds,seamcalls,exits\n6.16,,lazy,4K,image,1024,"))
        << csv.out;
    const Result dear = call("bench --boot 1G --vcpus 2 --format csv --costs " + write("costs.yaml", "TDH.VP.ENTER: 150000\n"));
    EXPECT_EQ(dear.status, 0) << dear.error;
    EXPECT_NE(dear.out, csv.out);
    EXPECT_TRUE(call("bench --boot 1G --format svg").out.starts_with("<svg "));
    expectOneLine(call("bench --boot much"));
    expectOneLine(call("bench --boot 1G --format jsonl"));
    expectOneLine(call("bench --vcpus 2 --only 'private fault'"));
    expectOneLine(call("bench --format csv --only 'private fault'"));
    expectOneLine(call("bench --boot 1G --pages 5"));
    expectOneLine(call("cost"));
    expectOneLine(call("cost --table --format csv"));
    // The table that is printed can be read.
    const std::string table = write("table.yaml", call("cost --table").out);
    const std::string lesson = std::string(" '") + MIRRORSCOPE_SOURCE_DIR + "/scenarios/lessons/04-convert-and-back.yaml'";
    const Result by = call("cost --costs " + table + " --format csv" + lesson);
    EXPECT_EQ(by.out, call("cost --format csv" + lesson).out);
    const std::string odd = write("odd.yaml", "ipi: {ns: 123456789.5, source: \"a \\\"b\\\" \\\\ c\"}\n");
    const std::string printed = call("cost --table --costs " + odd).out;
    EXPECT_NE(printed.find("123456789.5"), std::string::npos);
    EXPECT_EQ(call("cost --table --costs " + write("printed.yaml", printed)).out, printed);
    EXPECT_NE(by.out.find("TDH.MEM.RANGE.BLOCK,1,1200\n"), std::string::npos) << by.out;
}

} // namespace mirrorscope::test
