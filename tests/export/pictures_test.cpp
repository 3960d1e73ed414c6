// SPDX-License-Identifier: GPL-3.0-or-later
// The files that leave the program say what the state is: DOT, CSV, the page that steps, the Perfetto trace.
#include "session/style.h"
#include "support/run.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <sstream>

namespace mirrorscope::test {

namespace {
const std::string kPicturedLesson = (kSource / "scenarios/lessons/01-first-private-page.yaml").string();
} // namespace

TEST(Csv, has_the_entries_of_the_json) {
    for (const auto& file : shippedScenarios("lessons")) {
        SCOPED_TRACE(file);
        Session session(loadScenario(file.string()));
        session.seek(session.end() / 2);
        std::istringstream lines(stateCsv(session));
        std::string line;
        std::getline(lines, line);
        EXPECT_EQ(line, "tree,root,gfn,level,raw,is,pfn");
        const auto state = nlohmann::json::parse(stateJson(session));
        for (const char* tree : {"direct", "mirror", "secure"})
            if (state["trees"].contains(tree))
                for (const auto& e : state["trees"][tree]) {
                    ASSERT_TRUE(std::getline(lines, line));
                    EXPECT_EQ(line, fmt::format("{},{},{},{},{},{},{}", tree, e["root"].get<u64>(), e["gfn"].get<u64>(),
                                                e["level"].get<u64>(), e["raw"].get<std::string>(), e["is"].get<std::string>(),
                                                e["pfn"].is_null() ? "" : std::to_string(e["pfn"].get<u64>())));
                }
        EXPECT_FALSE(std::getline(lines, line));
    }
}

TEST(Dot, has_a_node_for_each_shown_entry_and_joins_twins_in_flight) {
    Session session(loadScenario(kPicturedLesson));
    session.seek(session.pauses().front());
    const std::string dot = treesDot(session);
    EXPECT_EQ(std::count(dot.begin(), dot.end(), '{'), std::count(dot.begin(), dot.end(), '}'));
    EXPECT_NE(dot.find("frozen"), std::string::npos);
    for (const char* cluster : {"cluster_shared", "cluster_mirror", "cluster_private"})
        EXPECT_NE(dot.find(cluster), std::string::npos);
    // Four levels and the entry that changed: four lines in the mirror.
    std::size_t lines = 0;
    for (std::size_t at = dot.find(" -> m"); at != std::string::npos; at = dot.find(" -> m", at + 1))
        ++lines;
    EXPECT_EQ(lines, 4u);
}

// The page's changes, played from its first state, end in the state of every position.
TEST(Html, plays_forward_to_the_entries_of_every_position) {
    for (const char* name : {"lessons/01-first-private-page.yaml", "lessons/04-convert-and-back.yaml", "lessons/08-split-and-collapse.yaml",
                             "lessons/19-snp-page-state-change.yaml"}) {
        SCOPED_TRACE(name);
        Session session(loadScenario((kSource / "scenarios" / name).string()));
        session.seek(3);
        const std::string page = pageHtml(session, session.openingPosition());
        EXPECT_EQ(session.position(), 3u);
        EXPECT_EQ(page.find("http"), std::string::npos) << "it must need nothing else";
        const std::size_t begin = page.find("const D = ") + 10, end = page.find(";\n", begin);
        std::string json = page.substr(begin, end - begin);
        for (std::size_t at = json.find("<\\/"); at != std::string::npos; at = json.find("<\\/", at))
            json.replace(at, 3, "</");
        const auto data = nlohmann::json::parse(json);
        EXPECT_EQ(data["open"].get<u64>(), session.openingPosition());
        ASSERT_EQ(data["steps"].size(), session.end());
        // The story, and the notes where they come into force.
        EXPECT_EQ(data["about"].get<std::string>(), session.scenario().about);
        std::string note;
        auto next = data["notes"].begin();
        for (u64 at = 0; at <= session.end(); ++at) {
            if (next != data["notes"].end() && (*next)[0].get<u64>() == at)
                note = (*next++)[1].get<std::string>();
            ASSERT_EQ(note, session.storyAt(at)) << at;
        }
        std::map<std::tuple<int, u64, unsigned>, std::string> cells;
        const auto set = [&](const nlohmann::json& e, const std::string& value) {
            const std::tuple key{e[0].get<int>(), e[1].get<u64>(), e[2].get<unsigned>()};
            if (value.empty())
                cells.erase(key);
            else
                cells[key] = value;
        };
        for (const auto& e : data["start"])
            set(e, e[3].get<std::string>());
        for (u64 n = 0; n < session.end(); ++n) {
            for (const auto& e : data["steps"][n]["c"]) {
                const std::tuple key{e[0].get<int>(), e[1].get<u64>(), e[2].get<unsigned>()};
                ASSERT_EQ(cells.contains(key) ? cells[key] : "", e[3].get<std::string>()) << "going back would be wrong at " << n;
                set(e, e[4].get<std::string>());
            }
            if (n % 16 != 0 && n + 1 != session.end())
                continue;
            session.seek(n + 1);
            const auto state = nlohmann::json::parse(stateJson(session));
            std::set<std::tuple<int, u64, unsigned>> expected, found;
            for (const auto& [column, tree] : std::map<int, std::string>{{0, "direct"}, {1, "mirror"}, {2, "secure"}})
                if (state["trees"].contains(tree))
                    for (const auto& e : state["trees"][tree])
                        expected.insert({column, e["gfn"].get<u64>(), e["level"].get<unsigned>()});
            // Beside an NPT stands what the RMP says to be the guest's.
            for (u64 gfn = 0; gfn < 64; ++gfn)
                if (const auto rmp = session.rmpAt({gfn}); rmp && rmp->entry.assigned) {
                    expected.insert({1, gfn, 1});
                    EXPECT_TRUE((cells[{1, gfn, 1}].ends_with("|" + rmpText(*rmp)))) << "position " << n + 1;
                    if (n + 1 == session.end()) { // the tables are there by then
                        EXPECT_NE(treesText(session).find(rmpText(*rmp)), std::string::npos);
                        EXPECT_NE(treesSvg(session).find(rmpText(*rmp)), std::string::npos);
                    }
                }
            for (const auto& [key, value] : cells)
                found.insert(key);
            ASSERT_EQ(found, expected) << "position " << n + 1;
        }
    }
}

TEST(Html, a_title_cannot_break_out) {
    Session session(bindScenario("test.yaml", "mirrorscope: 1\ntitle: \"</script><script>alert(1)</script><!-- <script>\"\nmachine: {vm: "
                                              "default}\nscript:\n  - note: \"</script>\"\n"));
    const std::string page = pageHtml(session, 0);
    EXPECT_EQ(page.find("<script>alert"), std::string::npos);
    EXPECT_EQ(page.find("</script>"), page.rfind("</script>"));
    EXPECT_EQ(page.find("<!--"), std::string::npos);
}

// The picture of the README is what the program draws of lesson 1 today.
TEST(Svg, the_moving_picture_of_the_readme_is_that_of_lesson_1) {
    Session session(loadScenario(kPicturedLesson));
    const u64 frozen = session.pauses().front();
    const std::string svg = treesSvgMoving(session, frozen - 4, frozen + 12);
    EXPECT_TRUE(svg == readFile((kSource / "resources/docs/freeze.svg").string()))
        << "sh tests/regenerate.sh, or mirrorscope export scenarios/lessons/01-first-private-page.yaml --as svg --at " << frozen - 4
        << " --to " << frozen + 12 << " -o resources/docs/freeze.svg";
    EXPECT_EQ(session.position(), 0u);
    // At each moment one frame is to be seen.
    std::size_t frames = 0;
    for (std::size_t at = svg.find("<animate "); at != std::string::npos; at = svg.find("<animate ", at + 1))
        ++frames;
    EXPECT_EQ(frames, 17u);
}

TEST(Perfetto, has_a_slice_for_each_micro_step_and_balanced_calls) {
    Session session(loadScenario((kSource / "scenarios/races/01-two-faults-one-page.yaml").string()));
    std::string all;
    writePerfetto(session, [&](const std::string& piece) { all += piece; });
    const auto trace = nlohmann::json::parse(all);
    constexpr int kCalls = 3;
    u64 steps = 0, seamcalls = 0;
    std::map<u64, std::vector<std::pair<u64, u64>>> calls; // by track
    std::map<std::string, int> open;
    for (const auto& e : trace["traceEvents"]) {
        const std::string phase = e["ph"].get<std::string>();
        if (phase == "X" && e["cat"] == "call")
            calls[e["tid"].get<u64>()].push_back({e["ts"].get<u64>(), e["ts"].get<u64>() + e["dur"].get<u64>()});
        else if (phase == "X" && e["pid"] == kCalls)
            // With what it was given and gave back, and as long as it lasted.
            seamcalls += e["args"].contains("RAX") || e["args"].contains("→ RAX") ? 1 : 0;
        else if (phase == "X")
            ++steps;
        else if (phase == "b" || phase == "e")
            open[e["id"].get<std::string>()] += phase == "b" ? 1 : -1;
    }
    EXPECT_EQ(steps, session.end());
    EXPECT_EQ(seamcalls, session.lanes().seamcalls().size());
    for (const auto& [id, n] : open)
        EXPECT_EQ(n, 0) << id;
    // Two calls of one actor are one inside of the other or apart.
    for (const auto& [track, list] : calls)
        for (const auto& a : list)
            for (const auto& b : list)
                EXPECT_FALSE(a.first < b.first && b.first < a.second && a.second < b.second) << track << ": " << a.first << " " << b.first;
}

} // namespace mirrorscope::test
