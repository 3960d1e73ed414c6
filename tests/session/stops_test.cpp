// SPDX-License-Identifier: GPL-3.0-or-later
// Where a run stops: each kind of point, in both directions, in slices; and the words of a filter.
#include "session/stops.h"
#include "support/run.h"
#include "support/seed.h"

#include <gtest/gtest.h>

#include <random>

namespace mirrorscope::test {

namespace {
Session lessonSession(const char* name) { return Session(loadScenario((kSource / "scenarios/lessons" / name).string())); }

EventFilter filterOf(const std::string& words) {
    std::string error;
    EventFilter filter = EventFilter::parse(words, error);
    EXPECT_EQ(error, "") << words;
    return filter;
}

std::set<u64> positionsOf(Session& session, const std::string& words) {
    std::vector<FoundEvent> found;
    session.find(filterOf(words), 0, found, ~std::size_t{0}, std::chrono::steady_clock::time_point::max());
    std::set<u64> positions;
    for (const FoundEvent& event : found)
        positions.insert(event.n + 1);
    return positions;
}

StopPoint eventAt(const std::string& words) {
    StopPoint point;
    point.filter = filterOf(words);
    point.text = words;
    return point;
}

StopPoint lineAt(unsigned line) {
    StopPoint point;
    point.kind = StopPoint::Kind::Line;
    point.line = line;
    return point;
}

// Every position at which a run from the one end to the other stops; the end itself is none.
std::vector<u64> stopsOf(Session& session, const StopPoints& points, bool back) {
    std::vector<u64> positions;
    session.seek(back ? session.end() : 0);
    for (;;) {
        StopSearch search(session, points, back);
        const StopHit hit = search.toEnd();
        if (hit.id == 0 && !hit.pause)
            break;
        positions.push_back(hit.position);
        session.seek(hit.position);
    }
    if (back)
        std::reverse(positions.begin(), positions.end());
    return positions;
}

unsigned lineWith(const Session& session, const std::string& text) {
    const std::string& source = session.scenario().source;
    return static_cast<unsigned>(1 + std::count(source.begin(), source.begin() + static_cast<std::ptrdiff_t>(source.find(text)), '\n'));
}
} // namespace

TEST(Stops, a_line_stops_before_the_first_micro_step_of_its_step) {
    Session session = lessonSession("01-first-private-page.yaml");
    const unsigned line = lineWith(session, "- vcpu0: {write: {gpa: 0x4000");
    StopPoints points;
    points.add(lineAt(line));
    session.seek(session.pauses().back());
    const StopHit hit = StopSearch(session, points, false).toEnd();
    ASSERT_NE(hit.id, 0u);
    EXPECT_EQ(session.scenario().step(session.scriptOf(hit.position))->line, line);
    EXPECT_NE(session.scenario().step(session.scriptOf(hit.position - 1))->line, line);
}

TEST(Stops, a_pause_stops_a_run_in_both_directions) {
    Session session = lessonSession("01-first-private-page.yaml");
    ASSERT_EQ(session.pauses().size(), 1u);
    for (const bool back : {false, true}) {
        session.seek(back ? session.end() : 0);
        const StopHit hit = StopSearch(session, {}, back).toEnd();
        EXPECT_TRUE(hit.pause);
        EXPECT_EQ(hit.position, session.pauses()[0]);
        EXPECT_EQ(hit.position, session.pauses().front());
    }
    // By steps of the script, too: the frozen moment is not passed.
    EXPECT_EQ(session.nextScriptPosition(session.pauses()[0] - 1), session.pauses()[0]);
}

TEST(Stops, a_watchpoint_stops_at_every_write_of_the_word_and_at_nothing_else) {
    Session session = lessonSession("01-first-private-page.yaml");
    session.seek(session.end());
    const Place place = session.cell(Column::Mirror, {4}, Level::k4K).place;
    std::vector<u64> written = session.pauses();
    for (const HistoryEntry& entry : session.history(place))
        written.push_back(entry.n + 1);
    std::sort(written.begin(), written.end());
    written.erase(std::unique(written.begin(), written.end()), written.end());
    StopPoints points;
    StopPoint point;
    point.kind = StopPoint::Kind::Word;
    point.place = place;
    points.add(point);
    EXPECT_GE(written.size(), 3u);
    EXPECT_EQ(stopsOf(session, points, false), written);
    EXPECT_EQ(stopsOf(session, points, true), written);
}

TEST(Stops, conditions_counts_and_points_that_are_off) {
    Session session = lessonSession("05-two-vcpus-one-page.yaml");
    const auto all = positionsOf(session, "site:spte.read");
    const auto ofOne = positionsOf(session, "site:spte.read actor:vcpu1");
    ASSERT_GT(ofOne.size(), 2u);
    ASSERT_LT(ofOne.size(), all.size());
    const auto without = [&](std::vector<u64> list) {
        std::erase_if(list,
                      [&](u64 p) { return std::binary_search(session.pauses().begin(), session.pauses().end(), p) && !ofOne.contains(p); });
        return list;
    };
    StopPoints points;
    StopPoint point = eventAt("site:spte.read");
    point.condition = filterOf("actor:vcpu1");
    const unsigned id = points.add(point);
    EXPECT_EQ(without(stopsOf(session, points, false)), std::vector<u64>(ofOne.begin(), ofOne.end()));
    // The third time is the third time of the run, from wherever one looks.
    points.find(id)->nth = 3;
    const u64 third = *std::next(ofOne.begin(), 2);
    for (const bool back : {false, true})
        EXPECT_EQ(without(stopsOf(session, points, back)), std::vector<u64>{third}) << back;
    points.find(id)->enabled = false;
    EXPECT_EQ(stopsOf(session, points, false), session.pauses());
    EXPECT_TRUE(points.remove(id));
    EXPECT_FALSE(points.remove(id));
}

TEST(Stops, slices_end_where_one_run_does_and_leave_the_session_where_it_stands) {
    Session session = lessonSession("05-two-vcpus-one-page.yaml");
    StopPoints points;
    points.add(eventAt("leaf:ACCEPT"));
    session.seek(7);
    StopSearch sliced(session, points, false);
    unsigned slices = 1;
    while (!sliced.more(std::chrono::steady_clock::now() - std::chrono::seconds(1))) {
        ASSERT_EQ(session.position(), 7u);
        ++slices;
    }
    EXPECT_GT(slices, 1u);
    EXPECT_EQ(session.position(), 7u);
    EXPECT_EQ(sliced.hit().position, StopSearch(session, points, false).toEnd().position);
}

// Forwards, backwards and looked up one by one is the same, whatever the points.
TEST(Stops, both_directions_agree_with_a_naive_look_at_every_position) {
    const u64 seed = propertySeed();
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    const std::vector<std::string> words{
        "site:spte", "frozen",      "actor:vcpu0", "leaf:PAGE.AUG", "status:SUCCESS",      "lock:mmu_lock", "was:frozen",
        "is:leaf",   "tree:mirror", "gpa:0x4000",  "fn:tdp_mmu",    "result:RET_PF_FIXED", "tree:private",  "-site:ept.walk"};
    for (const char* file : {"01-first-private-page.yaml", "05-two-vcpus-one-page.yaml", "18-snp-first-private-page.yaml"}) {
        Session session = lessonSession(file);
        for (unsigned round = 0; round < 12; ++round) {
            StopPoints points;
            std::set<u64> expected(session.pauses().begin(), session.pauses().end());
            expected.erase(0);
            expected.erase(session.end());
            for (unsigned i = 0; i < 1 + random() % 2; ++i) {
                const std::string a = words[random() % words.size()], b = words[random() % words.size()];
                const std::string text = a + (random() % 2 == 0 ? " or " : " not ") + b;
                points.add(eventAt(text));
                for (const u64 p : positionsOf(session, text))
                    expected.insert(p);
            }
            const unsigned line = 1 + static_cast<unsigned>(random() % 50);
            points.add(lineAt(line));
            for (const u64 p : session.startsOfLine(line))
                expected.insert(p);
            const auto forward = stopsOf(session, points, false), back = stopsOf(session, points, true);
            std::set<u64> inside = expected;
            inside.erase(0);
            std::set<u64> ahead(forward.begin(), forward.end()), behind(back.begin(), back.end());
            // Nobody runs to where he stands.
            inside.erase(session.end());
            ahead.erase(session.end());
            behind.erase(0);
            EXPECT_EQ(ahead, inside) << file << " round " << round;
            EXPECT_EQ(behind, inside) << file << " round " << round;
        }
    }
}

TEST(EventFilter, or_unites_not_complements_and_what_is_wrong_is_said) {
    Session session = lessonSession("05-two-vcpus-one-page.yaml");
    const auto a = positionsOf(session, "actor:vcpu0"), b = positionsOf(session, "site:spte.freeze");
    std::set<u64> united = a;
    united.insert(b.begin(), b.end());
    EXPECT_EQ(positionsOf(session, "actor:vcpu0 or site:spte.freeze"), united);
    const auto rest = positionsOf(session, "not actor:vcpu0");
    EXPECT_EQ(rest.size() + a.size(), session.end());
    EXPECT_EQ(positionsOf(session, "-actor:vcpu0"), rest);
    EXPECT_EQ(positionsOf(session, "!actor:vcpu0 and site:spte.freeze").size() +
                  positionsOf(session, "actor:vcpu0 site:spte.freeze").size(),
              b.size());
    struct Row {
        const char* words;
        const char* error;
    };
    for (const Row& row : {Row{"or frozen", "before `or` a word is missing"}, Row{"frozen or", "behind `or` a word is missing"},
                           Row{"frozen not", "behind `not` a word is missing"}, Row{"actr:vcpu0", "unknown key `actr`; `actor:`?"},
                           Row{"frozen and", "behind `and` a word is missing"}, Row{"not not", "behind `not` a word is missing"},
                           Row{"gpa:here", "`here` is no number"}, Row{"site:", "`site:` of what?"}}) {
        std::string error;
        EXPECT_TRUE(EventFilter::parse(row.words, error).empty()) << row.words;
        EXPECT_EQ(error, row.error) << row.words;
    }
}

TEST(EventFilter, an_address_finds_the_leaf_that_translates_it_at_any_level) {
    Session session(bindScenario("t.yaml", "mirrorscope: 1\nmachine: {vm: default, slots: [{id: 0, gpa: 0, size: 8M, backing: 2M}]}\n"
                                           "script:\n  - vcpu0: {read: 0x201000}\n"));
    session.seek(session.end());
    const auto where = session.entryAt({0x201});
    ASSERT_TRUE(where);
    ASSERT_EQ(where->level, Level::k2M);
    std::set<u64> written;
    for (const HistoryEntry& entry : session.history(session.cell(where->column, where->gfn, where->level).place))
        written.insert(entry.n + 1);
    ASSERT_FALSE(written.empty());
    const auto found = positionsOf(session, "gpa:0x2ff000 site:spte");
    EXPECT_TRUE(std::includes(found.begin(), found.end(), std::prev(written.end()), written.end()));
}

// A small page of a large translation, and a large leaf that was split: the same frames, so nothing is waiting for a flush.
TEST(TlbLines, only_what_the_entry_says_otherwise_waits_for_a_flush) {
    unsigned cached = 0, waiting = 0;
    for (const char* file : {"08-split-and-collapse.yaml", "04-convert-and-back.yaml", "02-shared-beside-private.yaml"}) {
        Session session = lessonSession(file);
        for (u64 at = 0; at <= session.end(); ++at) {
            session.seek(at);
            for (const TlbLine& line : session.cachedTranslations()) {
                ++cached;
                waiting += line.stale ? 1 : 0;
                const bool leaf = line.now.starts_with("leaf") || line.now.starts_with("mapped");
                EXPECT_FALSE(line.stale && leaf)
                    << file << " at " << at << ": " << line.address << " pfn " << line.entry.pfn.v << ", now " << line.now;
            }
        }
    }
    // SMM's tree is another one.
    Session smm(loadScenario((kSource / "scenarios/races/31-a-page-in-two-address-spaces.yaml").string()));
    for (u64 at = 0; at <= smm.end(); ++at) {
        smm.seek(at);
        for (const TlbLine& line : smm.cachedTranslations())
            EXPECT_FALSE(line.stale && line.address.find("SMM") != std::string::npos) << at << ": " << line.address;
    }
    EXPECT_GT(cached, 1000u);
    EXPECT_GT(waiting, 0u); // between BLOCK and the flush of lesson 4
}

TEST(Stops, lines_of_the_script_only_and_of_a_step_with_several_lines_the_first) {
    Session session = lessonSession("01-first-private-page.yaml");
    EXPECT_FALSE(session.stepLineOf(1));
    EXPECT_FALSE(session.stepLineOf(lineWith(session, "tags:")));
    EXPECT_FALSE(session.stepLineOf(lineWith(session, "expect:\n")));
    EXPECT_FALSE(session.stepLineOf(lineWith(session, "- {violations: 0}")));
    const unsigned accept = lineWith(session, "- {accept: 0x4000");
    EXPECT_EQ(session.stepLineOf(accept), accept);
    StopPoint nowhere = lineAt(lineWith(session, "expect:\n"));
    EXPECT_FALSE(canStop(session, nowhere));
    EXPECT_TRUE(canStop(session, lineAt(accept)));
}

} // namespace mirrorscope::test
