// SPDX-License-Identifier: GPL-3.0-or-later
// `import` and `conform` as they are called.
#include "scenario/yaml.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <sys/wait.h>

namespace {
const std::string kProgram = "'" MIRRORSCOPE_PROGRAM "'";
const std::string kTraces = std::string(MIRRORSCOPE_SOURCE_DIR) + "/tests/data/traces/";
std::string recording(const std::string& name) { return "'" + kTraces + name + "'"; }

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
// Without the line breaks, which are where the length of a path puts them.
std::string flat(const std::string& text) {
    std::string out;
    for (const char c : text)
        if (c != ' ' && c != '\n')
            out += c;
        else if (!out.empty() && out.back() != ' ')
            out += ' ';
    return out;
}
nlohmann::json lastOf(const std::string& text) {
    const std::size_t end = text.find_last_not_of('\n');
    const std::size_t begin = text.rfind('\n', end);
    return nlohmann::json::parse(text.substr(begin == std::string::npos ? 0 : begin + 1, end - begin));
}
} // namespace

// Whoever runs one hears what can be done with it.
TEST(TraceCommands, a_recording_is_no_scenario) {
    const std::string snapshot = "'" MIRRORSCOPE_SOURCE_DIR "/tests/data/snapshots/lab-6.12.json'";
    for (const char* command : {"run", "check", "explore"})
        for (const std::string& file : {recording("private-exits.trace"), recording("lab-6.12-v7.dat.gz"), snapshot}) {
            const Answer answer = shell(kProgram + " " + command + " " + file);
            EXPECT_EQ(answer.status, 2) << command << " " << file;
            EXPECT_NE(answer.text.find("`import` says what is in it"), std::string::npos) << answer.text;
            EXPECT_EQ(std::count(answer.text.begin(), answer.text.end(), '\n'), 1) << answer.text;
        }
}

TEST(TraceCommands, import_counts_and_makes_a_session) {
    const std::string session = testing::TempDir() + "/run.session";
    const Answer made = shell(kProgram + " import " + recording("lab-6.12-v7.dat.gz") + " -o " + session);
    EXPECT_EQ(made.status, 0) << made.text;
    EXPECT_NE(flat(made.text).find("9069 events in 9069 records"), std::string::npos) << made.text;
    EXPECT_NE(flat(made.text).find("no discontinuity"), std::string::npos);
    const auto end = lastOf(shell(kProgram + " import --format jsonl " + session).text);
    EXPECT_EQ(end["kind"], "imported");
    EXPECT_EQ(end["events"], 9069);
    EXPECT_EQ(end["kinds"]["kvm_tdp_mmu_spte_changed"], 8397);
    for (const char* key : {"lines", "skipped", "lost", "discontinuities", "entries", "tables", "seconds"})
        EXPECT_TRUE(end.contains(key)) << key;
    // From standard input, and as a session whose trees can be exported at each line.
    EXPECT_NE(shell("cat " + recording("private-exits.trace") + " | " + kProgram + " import -").text.find("165 events in"),
              std::string::npos);
    // Whether or not the program was given anything to read from or to write to.
    for (const char* closed : {"<&-", "2>&-", "<&- 2>&-"})
        EXPECT_EQ(shell("( " + kProgram + " import " + recording("lab-6.12-v7.dat.gz") + " -o " + session + " " + closed + " )").status, 0)
            << closed;
    const Answer text = shell(kProgram + " export " + session + " --as text --at 100");
    EXPECT_EQ(text.status, 0);
    EXPECT_NE(text.text.find("position 100 of 9069"), std::string::npos) << text.text;
    std::filesystem::remove(session);
}

TEST(TraceCommands, conform_exits_with_what_it_found) {
    const Answer good = shell(kProgram + " conform " + recording("private-exits.trace") + " --kernel 6.16");
    EXPECT_EQ(good.status, 0) << good.text;
    EXPECT_NE(flat(good.text).find("44 transitions, no finding"), std::string::npos) << good.text;
    const Answer bad = shell(kProgram + " conform " + recording("bad/another-frame.trace"));
    EXPECT_EQ(bad.status, 1);
    EXPECT_NE(flat(bad.text).find("another-frame.trace:42: frame:"), std::string::npos) << bad.text;
    for (std::size_t at = 0; at < bad.text.size();) {
        const std::size_t end = bad.text.find('\n', at);
        const std::string line = bad.text.substr(at, end - at);
        EXPECT_TRUE(line.size() <= 78 || line.starts_with(kTraces)) << line; // a path is not broken
        at = end + 1;
    }
    const Answer json = shell(kProgram + " conform --format jsonl " + recording("bad/another-frame.trace"));
    const auto first = nlohmann::json::parse(json.text.substr(0, json.text.find('\n')));
    EXPECT_EQ(first["kind"], "finding");
    EXPECT_EQ(first["rule"], "frame");
    EXPECT_EQ(first["line"], 42);
    EXPECT_EQ(lastOf(json.text)["kind"], "conformed");
    EXPECT_EQ(lastOf(json.text)["findings"], 1);
}

TEST(TraceCommands, follow_tells_as_it_comes) {
    const Answer answer =
        shell("(cat " + recording("bad/another-frame.trace") + "; sleep 1; echo late) | " + kProgram + " conform --follow -");
    EXPECT_EQ(answer.status, 1);
    EXPECT_NE(flat(answer.text).find("standard input:42: frame:"), std::string::npos) << answer.text;
}

// What was told and turns out to be explained is taken back; where nobody waits for it, it is not told at all.
TEST(TraceCommands, what_a_loss_explains_is_taken_back) {
    const auto conform = [](const std::string& options) {
        return shell("(cat " + recording("bad/lost-line.trace") + "; echo 'CPU:9 [LOST 5 EVENTS]') | " + kProgram + " conform - " +
                     options);
    };
    const Answer whole = conform("");
    EXPECT_EQ(whole.status, 0) << whole.text;
    EXPECT_EQ(flat(whole.text).find("discontinuity:"), std::string::npos) << whole.text;
    EXPECT_NE(flat(whole.text).find("where events were lost: 1 entry"), std::string::npos) << whole.text;
    const Answer followed = conform("--follow");
    EXPECT_EQ(followed.status, 0) << followed.text;
    EXPECT_LT(flat(followed.text).find(": discontinuity:"), flat(followed.text).find(": withdrawn: discontinuity:")) << followed.text;
    const Answer json = conform("--follow --format jsonl");
    EXPECT_NE(json.text.find("{\"kind\":\"withdrawn\",\"rule\":\"discontinuity\",\"line\":"), std::string::npos) << json.text;
    EXPECT_EQ(lastOf(json.text)["findings"], 0);
}

TEST(TraceCommands, what_is_none_is_one_line_and_exit_2) {
    const std::vector<std::string> calls{"import /nowhere",
                                         "conform /",
                                         "import /dev/null",
                                         "conform " + recording("private-exits.trace") + " --kernel 6.15",
                                         "import '" MIRRORSCOPE_SOURCE_DIR "/README.md'",
                                         "conform --format xml x"};
    for (const std::string& what : calls) {
        const Answer answer = shell(kProgram + " " + what);
        EXPECT_EQ(answer.status, 2) << what << answer.text;
        EXPECT_EQ(std::count(answer.text.begin(), answer.text.end(), '\n'), 1) << answer.text;
    }
}

// A run of ours, as the kernel would have traced it.
TEST(TraceCommands, a_run_is_exported_as_a_trace) {
    const Answer answer =
        shell(kProgram + " export '" MIRRORSCOPE_SOURCE_DIR "/scenarios/lessons/01-first-private-page.yaml' --as trace -o - | " + kProgram +
              " conform - --kernel 6.16");
    EXPECT_EQ(answer.status, 0) << answer.text;
    EXPECT_NE(flat(answer.text).find("no finding"), std::string::npos);
}

// What was lost while it was recorded is lost in what is written of it, too.
TEST(TraceCommands, a_recording_with_losses_stays_one) {
    const std::string out = shell(kProgram + " export " + recording("lab-6.12-lossy.txt.xz") + " --as trace -o -").text;
    EXPECT_NE(out.find(" EVENTS]\n"), std::string::npos);
    const Answer answer =
        shell(kProgram + " export " + recording("lab-6.12-lossy.txt.xz") + " --as trace -o - | " + kProgram + " conform -");
    EXPECT_EQ(answer.status, 0) << answer.text;
    EXPECT_NE(flat(answer.text).find("where events were lost: 3 entries"), std::string::npos) << answer.text;
}
