// SPDX-License-Identifier: GPL-3.0-or-later
// What the docs say to type can be typed, and where they point to is something.
#include "support/run.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <regex>
#include <sys/wait.h>

namespace mirrorscope::test {

namespace {
std::vector<std::filesystem::path> pages() {
    std::vector<std::filesystem::path> files{kSource / "README.md"};
    for (const auto& entry : std::filesystem::directory_iterator(kSource / "resources/docs"))
        if (entry.path().extension() == ".md")
            files.push_back(entry.path());
    std::sort(files.begin(), files.end());
    return files;
}
// The lines between ```sh and ```.
std::vector<std::string> commandsOf(const std::string& text) {
    std::vector<std::string> commands;
    bool inside = false;
    for (std::size_t from = 0; from < text.size();) {
        const std::size_t end = std::min(text.find('\n', from), text.size());
        const std::string line = text.substr(from, end - from);
        from = end + 1;
        if (line.starts_with("```"))
            inside = line == "```sh";
        else if (inside && !line.empty())
            commands.push_back(line);
    }
    return commands;
}
} // namespace

// "# exit 1" behind a command is what it is expected to end with.
// Longer ones lintian complains of, which only --all asks.
TEST(Docs, the_changelog_of_the_package_has_lines_of_eighty_columns) {
    std::ifstream in(kSource / "resources/package/changelog");
    unsigned number = 0;
    for (std::string line; std::getline(in, line); ++number)
        EXPECT_TRUE(line.size() <= 80 || line.starts_with(" -- ")) << "line " << number + 1 << ": " << line;
    EXPECT_GT(number, 10u);
}

TEST(Docs, EachCommandDoesWhatIsSaid) {
    unsigned run = 0;
    for (const auto& page : pages())
        for (const std::string& command : commandsOf(readFile(page.string()))) {
            if (!command.starts_with("mirrorscope "))
                continue;
            const std::size_t said = command.find("# exit ");
            const int expected = said == std::string::npos ? 0 : std::atoi(command.c_str() + said + 7);
            const std::string typed = command.substr(0, command.find(" #")).substr(std::string_view("mirrorscope").size());
            const int raw =
                std::system(("cd '" + kSource.string() + "' && '" + MIRRORSCOPE_PROGRAM + "'" + typed + " >/dev/null 2>&1").c_str());
            EXPECT_EQ(WIFEXITED(raw) ? WEXITSTATUS(raw) : 128, expected) << page << ": " << command;
            ++run;
        }
    EXPECT_GE(run, 12u);
}

TEST(Docs, EachBugOfHistoryIsInTheTable) {
    const std::string table = readFile((kSource / "resources/docs/history.md").string());
    for (const auto& file : shippedScenarios("history")) {
        const Scenario scenario = loadScenario(file.string());
        const std::size_t row = table.find("scenarios/history/" + file.filename().string() + ")");
        ASSERT_NE(row, std::string::npos) << file;
        const std::string line = table.substr(row, table.find('\n', row) - row);
        EXPECT_NE(line.find(scenario.reference), std::string::npos) << file;
        for (const auto* list : {&scenario.expectations, &scenario.sometimes})
            for (const Expectation& e : *list)
                if (e.form == Expectation::Form::Violation) {
                    EXPECT_NE(line.find(info(e.rule).name), std::string::npos) << file << ": " << info(e.rule).name;
                }
    }
}

TEST(Docs, EachLinkLeadsSomewhere) {
    const std::regex link(R"(\]\(([^)#\s]+)(#[^)]*)?\))");
    unsigned links = 0;
    for (const auto& page : pages()) {
        if (page.filename() == "contributing.md") // its patches have C++ that looks like it
            continue;
        const std::string text = readFile(page.string());
        for (std::sregex_iterator it(text.begin(), text.end(), link), end; it != end; ++it) {
            const std::string target = (*it)[1];
            if (target.starts_with("http") || target.starts_with("mirrorscope:"))
                continue;
            EXPECT_TRUE(std::filesystem::exists(page.parent_path() / target)) << page << ": " << target;
            ++links;
        }
    }
    EXPECT_GE(links, 80u);
}

} // namespace mirrorscope::test
