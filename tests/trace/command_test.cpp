// SPDX-License-Identifier: GPL-3.0-or-later
// `import` and `conform` as they are called.
#include "scenario/yaml.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <array>
#include <cstdio>
#include <filesystem>
#include <sys/wait.h>

namespace {
const std::string kProgram = MIRRORSCOPE_PROGRAM;
const std::string kRecordings = std::string(MIRRORSCOPE_SOURCE_DIR) + "/tests/data/traces/";

struct Answer {
    int status = 0;
    std::string text; // both streams
};
Answer shell(const std::string& command) {
    Answer answer;
    FILE* pipe = popen(("{ " + command + "; } 2>&1").c_str(), "r");
    std::array<char, 4096> buffer{};
    for (std::size_t n = 0; (n = std::fread(buffer.data(), 1, buffer.size(), pipe)) > 0;)
        answer.text.append(buffer.data(), n);
    const int status = pclose(pipe);
    answer.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    return answer;
}
nlohmann::json lastOf(const std::string& text) {
    const std::size_t end = text.find_last_not_of('\n');
    const std::size_t begin = text.rfind('\n', end);
    return nlohmann::json::parse(text.substr(begin == std::string::npos ? 0 : begin + 1, end - begin));
}
} // namespace

TEST(TraceCommands, import_counts_and_makes_a_session) {
    const std::string session = testing::TempDir() + "/run.session";
    const Answer made = shell(kProgram + " import " + kRecordings + "lab-6.12-v7.dat.gz -o " + session);
    EXPECT_EQ(made.status, 0) << made.text;
    EXPECT_NE(made.text.find("9069 events in 9069 records"), std::string::npos) << made.text;
    EXPECT_NE(made.text.find("no discontinuity"), std::string::npos);
    const auto end = lastOf(shell(kProgram + " import --format jsonl " + session).text);
    EXPECT_EQ(end["kind"], "imported");
    EXPECT_EQ(end["events"], 9069);
    EXPECT_EQ(end["kinds"]["kvm_tdp_mmu_spte_changed"], 8397);
    for (const char* key : {"lines", "skipped", "lost", "discontinuities", "entries", "tables", "seconds"})
        EXPECT_TRUE(end.contains(key)) << key;
    // From standard input, and as a session whose trees can be exported at each line.
    EXPECT_NE(shell("cat " + kRecordings + "private-exits.trace | " + kProgram + " import -").text.find("165 events"), std::string::npos);
    const Answer text = shell(kProgram + " export " + session + " --as text --at 100");
    EXPECT_EQ(text.status, 0);
    EXPECT_NE(text.text.find("position 100 of 9069"), std::string::npos) << text.text;
    std::filesystem::remove(session);
}

TEST(TraceCommands, conform_exits_with_what_it_found) {
    const Answer good = shell(kProgram + " conform " + kRecordings + "private-exits.trace --kernel 6.16");
    EXPECT_EQ(good.status, 0) << good.text;
    EXPECT_NE(good.text.find("44 transitions, no finding"), std::string::npos) << good.text;
    const Answer bad = shell(kProgram + " conform " + kRecordings + "bad/another-frame.trace");
    EXPECT_EQ(bad.status, 1);
    EXPECT_NE(bad.text.find("another-frame.trace:42: frame:"), std::string::npos) << bad.text;
    for (std::size_t at = 0; at < bad.text.size();) {
        const std::size_t end = bad.text.find('\n', at);
        EXPECT_LE(end - at, 78u + kRecordings.size());
        at = end + 1;
    }
    const Answer json = shell(kProgram + " conform --format jsonl " + kRecordings + "bad/another-frame.trace");
    const auto first = nlohmann::json::parse(json.text.substr(0, json.text.find('\n')));
    EXPECT_EQ(first["kind"], "finding");
    EXPECT_EQ(first["rule"], "frame");
    EXPECT_EQ(first["line"], 42);
    EXPECT_EQ(lastOf(json.text)["kind"], "conformed");
    EXPECT_EQ(lastOf(json.text)["findings"], 1);
}

TEST(TraceCommands, follow_tells_as_it_comes) {
    const Answer answer =
        shell("(cat " + kRecordings + "bad/another-frame.trace; sleep 1; echo late) | " + kProgram + " conform --follow -");
    EXPECT_EQ(answer.status, 1);
    EXPECT_NE(answer.text.find("standard input:42: frame:"), std::string::npos) << answer.text;
}

TEST(TraceCommands, what_is_none_is_one_line_and_exit_2) {
    const std::vector<std::string> calls{"import /nowhere",
                                         "conform /",
                                         "import /dev/null",
                                         "conform " + kRecordings + "private-exits.trace --kernel 6.15",
                                         "import " + std::string(MIRRORSCOPE_SOURCE_DIR) + "/README.md",
                                         "conform --format xml x"};
    for (const std::string& what : calls) {
        const Answer answer = shell(kProgram + " " + what);
        EXPECT_EQ(answer.status, 2) << what << answer.text;
        EXPECT_EQ(std::count(answer.text.begin(), answer.text.end(), '\n'), 1) << answer.text;
    }
}

// A run of ours, as the kernel would have traced it.
TEST(TraceCommands, a_run_is_exported_as_a_trace) {
    const Answer answer = shell(kProgram + " export " + MIRRORSCOPE_SOURCE_DIR +
                                "/scenarios/lessons/01-first-private-page.yaml --as trace -o - | " + kProgram + " conform - --kernel 6.16");
    EXPECT_EQ(answer.status, 0) << answer.text;
    EXPECT_NE(answer.text.find("no finding"), std::string::npos);
}
