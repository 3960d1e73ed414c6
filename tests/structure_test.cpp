// SPDX-License-Identifier: GPL-3.0-or-later
// The layering of the folders, read from the includes: arrows point down only, and the core knows no Qt.
#include "scenario/yaml.h"
#include "support/run.h"

#include <gtest/gtest.h>

#include <map>
#include <regex>

namespace mirrorscope::test {

namespace {
// What each folder of the core may include beside itself.
const std::map<std::string, std::set<std::string>> kBelow = [] {
    std::map<std::string, std::set<std::string>> below;
    const auto add = [&](const std::string& folder, std::initializer_list<const char*> direct) {
        for (const char* d : direct) {
            below[folder].insert(d);
            below[folder].insert(below[d].begin(), below[d].end());
        }
    };
    below["base"] = {};
    add("machine", {"base"});
    add("sim", {"machine"});
    add("kvm", {"sim"});
    add("tdx/module", {"sim"});
    add("tdx/backend", {"kvm", "tdx/module"});
    add("snp", {"kvm"});
    add("system", {"tdx/backend", "snp"});
    add("tdx/matrix", {"system"});
    add("rules", {"system"});
    add("scenario", {"rules"});
    add("explore", {"scenario"});
    add("trace", {"scenario"});
    add("session", {"trace"});
    add("cost", {"session"});
    add("contrast", {"session", "explore"});
    add("explain", {"scenario", "tdx/matrix"});
    add("review", {"explore"});
    add("export", {"contrast", "review", "cost", "tdx/matrix"});
    add("replay", {"export"});
    add("console", {"export"});
    return below;
}();

std::string folderOf(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    const std::string folder = slash == std::string::npos ? "" : path.substr(0, slash);
    // Other ways to do what a layer does - rival dispatches, broken and later versions - are part of it.
    for (const char* layer : {"kvm", "tdx/backend"})
        for (const char* part : {"/dispatch", "/broken", "/versions"})
            if (folder == std::string(layer) + part)
                return layer;
    return folder;
}
} // namespace

TEST(Structure, includes_point_down_only) {
    const std::regex include("#include [\"<]([^\">]+)[\">]");
    const auto core = kSource / "core";
    for (const auto& entry : std::filesystem::recursive_directory_iterator(core)) {
        const auto extension = entry.path().extension();
        if (extension != ".h" && extension != ".cpp")
            continue;
        const std::string file = std::filesystem::relative(entry.path(), core).string();
        const std::string folder = folderOf(file);
        ASSERT_TRUE(kBelow.contains(folder)) << folder << " has no place in the layering";
        const std::string text = readFile(entry.path().string());
        for (std::sregex_iterator it(text.begin(), text.end(), include), end; it != end; ++it) {
            const std::string target = (*it)[1];
            EXPECT_FALSE(target.starts_with("Q") || target.starts_with("views/") || target.starts_with("app/")) << file << ": " << target;
            if (std::filesystem::exists(core / target) && folderOf(target) != folder) {
                EXPECT_TRUE(kBelow.at(folder).contains(folderOf(target))) << file << " includes " << target;
            }
        }
    }
}

// Whoever tries again says so to Retry (sim/sim.h), so that `progress` hears it.
TEST(Structure, the_protocol_tries_again_through_the_one_helper_only) {
    const std::regex endless("(while \\((true|1)\\)|for \\(;;\\))");
    unsigned retries = 0;
    for (const char* part : {"kvm", "tdx/backend", "snp", "system"})
        for (const auto& entry : std::filesystem::recursive_directory_iterator(kSource / "core" / part)) {
            if (!entry.is_regular_file())
                continue;
            const std::string text = readFile(entry.path().string());
            EXPECT_FALSE(std::regex_search(text, endless)) << entry.path() << ": a loop that nobody hears";
            for (std::size_t at = 0; (at = text.find("Retry retry(", at)) != std::string::npos; ++at)
                ++retries;
        }
    EXPECT_GE(retries, 10u);
}

TEST(Structure, kvm_knows_no_word_of_tdx) {
    const std::regex word("\\b(Tdx[A-Z]|tdh_|TDH_|hkid|Hkid|tdvpr|tdcs|sept_)");
    for (const auto& entry : std::filesystem::recursive_directory_iterator(kSource / "core/kvm")) {
        if (!entry.is_regular_file())
            continue;
        std::istringstream lines(readFile(entry.path().string()));
        for (std::string line; std::getline(lines, line);) {
            const std::string code = line.substr(0, line.find("//"));
            EXPECT_FALSE(std::regex_search(code, word)) << entry.path() << ": " << line;
        }
    }
}

TEST(Structure, every_file_says_its_licence_in_its_first_line) {
    for (const char* top : {"app", "core", "views", "tests"})
        for (const auto& entry : std::filesystem::recursive_directory_iterator(kSource / top)) {
            const auto extension = entry.path().extension();
            if (extension == ".h" || extension == ".cpp") {
                EXPECT_TRUE(readFile(entry.path().string()).starts_with("// SPDX-License-Identifier: GPL-3.0-or-later\n")) << entry.path();
            }
        }
}

TEST(Structure, views_have_no_rule_of_the_mmu) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(kSource / "views")) {
        if (!entry.is_regular_file() || entry.path().extension() == ".txt")
            continue;
        const std::string text = readFile(entry.path().string());
        for (const char* inner : {"#include \"kvm/", "#include \"tdx/module/", "#include \"tdx/backend/", "#include \"machine/",
                                  "#include \"sim/", "#include \"rules/", "#include \"scenario/runner", "system()", "runner()"})
            EXPECT_EQ(text.find(inner), std::string::npos) << entry.path() << " reaches past the session: " << inner;
    }
}

// fidelity.md promises a twin of the same name for each of these.
TEST(Structure, every_twin_that_fidelity_names_is_there) {
    std::string sources;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(kSource / "core"))
        if (const auto extension = entry.path().extension(); extension == ".h" || extension == ".cpp")
            sources += readFile(entry.path().string());
    const std::string text = readFile((kSource / "resources/docs/fidelity.md").string());
    const std::size_t begin = text.find("### Twins"), end = text.find("Under another name", begin);
    ASSERT_NE(begin, std::string::npos);
    ASSERT_NE(end, std::string::npos);
    const std::string list = text.substr(begin, end - begin);
    const std::regex name("`([a-z0-9_]+)`");
    unsigned count = 0;
    for (std::sregex_iterator it(list.begin(), list.end(), name), last; it != last; ++it, ++count)
        EXPECT_NE(sources.find((*it)[1]), std::string::npos) << (*it)[1] << " has no twin";
    EXPECT_GT(count, 60u);
}

// The list of twins in fidelity.md is true: what it says to have the kernel's name has it, and what stands for a function of another name
// is there. Comments do not count.
TEST(Structure, the_twins_that_fidelity_names_are_there) {
    std::set<std::string> words;
    const std::regex word("[A-Za-z_]\\w*"), comment("//[^\n]*");
    for (const auto& entry : std::filesystem::recursive_directory_iterator(kSource / "core")) {
        if (entry.path().extension() != ".h" && entry.path().extension() != ".cpp")
            continue;
        const std::string code = std::regex_replace(readFile(entry.path().string()), comment, "");
        for (auto it = std::sregex_iterator(code.begin(), code.end(), word); it != std::sregex_iterator(); ++it)
            words.insert(it->str());
    }
    const std::string text = readFile((kSource / "resources/docs/fidelity.md").string());
    const std::size_t begin = text.find("### Twins"), other = text.find("Under another name", begin), end = text.find("\n## ", other);
    ASSERT_NE(end, std::string::npos);
    const auto check = [&](const std::string& part, const std::regex& name) {
        unsigned names = 0;
        for (auto it = std::sregex_iterator(part.begin(), part.end(), name); it != std::sregex_iterator(); ++it, ++names)
            EXPECT_TRUE(words.contains((*it)[1].str())) << (*it)[1].str() << " stands in the list of twins and in no code";
        return names;
    };
    EXPECT_GT(check(text.substr(begin, other - begin), std::regex("`(\\w+)`")), 60u);
    // Of the table, what stands for it here: the column after the second bar of each row.
    const std::string table = text.substr(other, end - other);
    std::string here;
    const std::regex row("\\| [^\n]* \\| ([^\n]*) \\|");
    for (auto it = std::sregex_iterator(table.begin(), table.end(), row); it != std::sregex_iterator(); ++it)
        here += (*it)[1].str() + "\n";
    EXPECT_GT(check(here, std::regex("`(?:\\w+::)?(\\w+)(?:\\(\\))?`")), 20u);
}

} // namespace mirrorscope::test
