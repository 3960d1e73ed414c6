// SPDX-License-Identifier: GPL-3.0-or-later
// Random runs and what the code of Linux v6.16.1 and of the TDX module 1.5.01 itself answered (tests/data/golden, compressed JSON lines).
#include "support/effort.h"
#include "support/run.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <functional>

namespace mirrorscope::test {

namespace {
using Json = nlohmann::json;

unsigned forEachGolden(const char* name, const std::function<void(const Json&)>& f) {
    const std::string file = (kSource / "tests/data/golden" / name).string();
    std::FILE* in = popen(("zcat '" + file + "'").c_str(), "r");
    std::string line, text;
    unsigned runs = 0;
    for (int c; (c = std::fgetc(in)) != EOF;) {
        if (c != '\n') {
            line.push_back(static_cast<char>(c));
            continue;
        }
        if (runs++ % effort(1, 8) == 0)
            f(Json::parse(line));
        line.clear();
    }
    EXPECT_EQ(pclose(in), 0);
    return runs;
}
} // namespace

// Every entry with all of its bits but those of the frame, which each side allocates as it likes.
TEST(Golden, kvm_leaves_the_entries_that_the_kernel_leaves) {
    constexpr u64 kFrame = 0x000ffffffffff000;
    EXPECT_EQ(forEachGolden("kernel.jsonl.gz",
                            [](const Json& run) {
                                SCOPED_TRACE("seed " + run["seed"].dump());
                                Session session(bindScenario("golden.yaml", run["scenario"]));
                                session.seek(session.end());
                                const Json state = Json::parse(stateJson(session));
                                for (const char* tree : {"direct", "mirror"}) {
                                    std::set<std::vector<u64>> expected, found;
                                    for (const Json& e : run[tree])
                                        expected.insert(e.get<std::vector<u64>>());
                                    if (const auto entries = state["trees"].find(tree); entries != state["trees"].end())
                                        for (const Json& e : *entries)
                                            found.insert({e["gfn"].get<u64>(), e["level"].get<u64>(),
                                                          std::stoull(e["raw"].get<std::string>(), nullptr, 16) & ~kFrame});
                                    EXPECT_EQ(found, expected) << tree;
                                }
                            }),
              120u);
}

TEST(Golden, the_module_answers_what_the_module_answers) {
    EXPECT_EQ(forEachGolden("tdx.jsonl.gz",
                            [](const Json& run) {
                                SCOPED_TRACE("seed " + run["seed"].dump());
                                Session session(bindScenario("golden.yaml", run["scenario"]));
                                std::vector<std::string> found;
                                for (const Json& e : eventsOf(session))
                                    if (e.contains("leaf") && e.contains("status") && e.contains("step")) {
                                        const std::string status = e["status"];
                                        found.push_back(status.starts_with("TDX_") ? status.substr(4) : status);
                                    }
                                const std::size_t calls = run["calls"];
                                ASSERT_GE(found.size(), calls);
                                found.erase(found.begin(), found.end() - static_cast<std::ptrdiff_t>(calls));
                                std::vector<std::string> expected = run["status"];
                                for (std::string& status : expected)
                                    if (status.empty())
                                        status = "SUCCESS";
                                EXPECT_EQ(found, expected);
                            }),
              60u);
}

} // namespace mirrorscope::test
