// SPDX-License-Identifier: GPL-3.0-or-later
#include "support/effort.h"
#include "support/run.h"

#include <gtest/gtest.h>

namespace mirrorscope::test {

using Json = nlohmann::json;

TEST(Jsonl, positions_rise_and_the_stream_begins_and_ends_as_documented) {
    for (const auto& file : someOf(shippedScenarios())) {
        SCOPED_TRACE(file);
        Session session(loadScenario(file.string()));
        const auto events = eventsOf(session);
        EXPECT_EQ(events.front()["kind"], "begin");
        EXPECT_EQ(events.back()["kind"], "end");
        EXPECT_EQ(events.back()["steps"], session.end());
        u64 n = 0;
        unsigned depth = 0;
        for (const Json& e : events) {
            EXPECT_GE(e["n"], n) << e;
            n = e["n"];
            if (e["kind"] == "seamcall" && e["leaf"] != "TDG.MEM.PAGE.ACCEPT")
                depth += e["phase"] == "enter" ? 1 : -1;
            EXPECT_LE(depth, session.system().sim().actors()) << e;
        }
        EXPECT_EQ(depth, 0u);
    }
}

TEST(Jsonl, replaying_the_entries_gives_the_state_at_the_end) {
    for (const auto& file : someOf(shippedScenarios())) {
        SCOPED_TRACE(file);
        Session session(loadScenario(file.string()));
        std::map<std::tuple<std::string, u64, unsigned>, std::string> entries;
        for (const Json& e : eventsOf(session)) {
            const bool secure = e["kind"] == "sept";
            if (!secure && e["kind"] != "spte")
                continue;
            entries[{secure ? "secure" : e["tree"].get<std::string>(), e["gfn"], e["level"]}] = e["is"];
        }
        session.seek(session.end());
        const Json state = Json::parse(stateJson(session));
        std::map<std::tuple<std::string, u64, unsigned>, std::string> found;
        for (const auto& [tree, list] : state["trees"].items())
            for (const Json& e : list)
                found[{tree, e["gfn"], e["level"]}] = e["is"];
        for (const auto& [key, is] : found)
            EXPECT_EQ(entries[key], is) << std::get<0>(key) << " gfn " << std::get<1>(key) << " level " << std::get<2>(key);
        // The other way round, what is below a table that was taken out is gone with it.
        for (const auto& [key, is] : entries) {
            const auto& [tree, gfn, level] = key;
            const u64 span = u64{1} << 9 * level;
            const auto parent = found.find({tree, gfn & ~(span - 1), level + 1});
            // A table is taken out entry by entry (FROZEN), and another may come in its place.
            if (is != "none" && is != "free" && is != "frozen" && parent != found.end() && parent->second.starts_with("table")) {
                EXPECT_TRUE(found.contains(key)) << tree << " gfn " << gfn << " " << is;
            }
        }
    }
}

TEST(Jsonl, an_exit_has_the_name_that_its_vendor_gives_it) {
    const auto reasonsOf = [](const std::string& vm, const std::string& steps) {
        Session session(
            bindScenario("t.yaml", "mirrorscope: 1\nmachine: {vm: " + vm + ", slots: [{id: 0, gpa: 0, size: 64K}]}\nscript:\n" + steps));
        std::vector<std::string> reasons;
        for (const Json& e : eventsOf(session))
            if (e["kind"] == "exit")
                reasons.push_back(e["reason"]);
        return reasons;
    };
    using Reasons = std::vector<std::string>;
    const std::string convert = "  - vcpu0: {map-gpa: {gpa: 0x1000, size: 4K, as: shared}}\n";
    EXPECT_EQ(reasonsOf("snp", "  - vcpu0: {accept: 0x1000}\n" + convert), (Reasons{"NPF", "VMGEXIT"}));
    EXPECT_EQ(reasonsOf("tdx", "  - finalize-vm\n  - vcpu0: {accept: 0x1000}\n" + convert), (Reasons{"EPT_VIOLATION", "TDCALL"}));
    EXPECT_EQ(reasonsOf("sw-protected", "  - vcpu0: {read: 0x1000}\n" + convert), (Reasons{"EPT_VIOLATION", "VMCALL"}));
    EXPECT_EQ(reasonsOf("default", "  - vcpu0: {read: 4M}\n  - vcpu0: {read: 4M}\n"), (Reasons{"EPT_VIOLATION", "EPT_MISCONFIG"}));
}

TEST(Jsonl, a_raw_seamcall_gives_exactly_one_leave) {
    unsigned leaves = 0;
    for (const Json& e : eventsOf(td("  - seamcall: {leaf: TDH.MEM.RANGE.BLOCK, gpa: 0x123}\nexpect: []\n")))
        if (e["kind"] == "seamcall" && e["phase"] == "leave" && e["leaf"] == "TDH.MEM.RANGE.BLOCK") {
            ++leaves;
            EXPECT_EQ(e["status"], "TDX_OPERAND_INVALID");
            EXPECT_EQ(e["operand"], "RCX");
            EXPECT_EQ(e["code"], "0xc000010000000001");
        }
    EXPECT_EQ(leaves, 1u);
}

TEST(Text, the_notes_of_a_run_fit_78_columns) {
    unsigned notes = 0;
    for (const auto& file : shippedScenarios("lessons")) {
        std::istringstream lines(runText(Session(loadScenario(file.string())), true));
        for (std::string line; std::getline(lines, line); notes += line.starts_with("  # ")) {
            EXPECT_TRUE(!line.starts_with("  # ") || line.size() <= 78 + 8) << file << ": " << line; // signs of several bytes
        }
    }
    EXPECT_GT(notes, 50u);
}

TEST(Text, the_trees_fit_78_columns) {
    for (const auto& file : shippedScenarios()) {
        Session session(loadScenario(file.string()));
        for (const u64 at : {session.openingPosition(), session.end()}) {
            session.seek(at);
            std::istringstream lines(treesText(session));
            for (std::string line; std::getline(lines, line);) {
                std::size_t width = 0;
                for (const char c : line)
                    width += (static_cast<unsigned char>(c) & 0xc0) != 0x80;
                EXPECT_LE(width, 78u) << file << ": " << line;
            }
        }
    }
}

TEST(Export, a_file_is_written_beside_and_renamed) {
    const auto folder = std::filesystem::temp_directory_path() / ("mirrorscope-export-" + std::to_string(getpid()));
    std::filesystem::create_directories(folder);
    const std::string file = (folder / "out.txt").string();
    writeFile(file, "first");
    writeFile(file, "second");
    EXPECT_EQ(readFile(file), "second");
    EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder), {}), 1);
    EXPECT_THROW(writeFile((folder / "none/out.txt").string(), "x"), std::runtime_error);
    std::filesystem::remove_all(folder);
}

} // namespace mirrorscope::test
