// SPDX-License-Identifier: GPL-3.0-or-later
// Tables, actors, locks, the difference of two positions, filters, branches and counts: what the panes ask.
#include "cost/run_cost.h"
#include "session/branch.h"
#include "session/statistics.h"
#include "support/run.h"
#include "support/seed.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <random>
#include <set>

namespace mirrorscope::test {

namespace {
const std::string kLesson1 = (kSource / "scenarios/lessons/01-first-private-page.yaml").string();
const auto kWithoutEnd = std::chrono::steady_clock::time_point::max();
using Key = std::tuple<int, u64, unsigned>;

std::map<Key, std::string> entries(const Session& session) {
    std::map<Key, std::string> all;
    const auto state = nlohmann::json::parse(stateJson(session));
    for (const auto& [column, tree] : std::map<int, std::string>{{0, "direct"}, {1, "mirror"}, {2, "secure"}})
        if (state["trees"].contains(tree))
            for (const auto& e : state["trees"][tree])
                all[{column, e["gfn"].get<u64>(), e["level"].get<unsigned>()}] = e["is"].get<std::string>();
    return all;
}
} // namespace

TEST(Difference, names_every_entry_whose_state_differs_and_no_other) {
    const u64 seed = propertySeed();
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    for (const auto& file : shippedScenarios("lessons")) {
        SCOPED_TRACE(file);
        Session session(loadScenario(file.string()));
        // Several roots: the entries of an invalid one are not told apart from those of the valid one.
        if (file.string().find("11-invalid") != std::string::npos)
            continue;
        for (unsigned k = 0; k < 6; ++k) {
            const u64 a = random() % (session.end() + 1), b = random() % (session.end() + 1);
            session.seek(a);
            const auto before = entries(session);
            session.seek(b);
            const auto after = entries(session);
            std::map<Key, std::pair<std::string, std::string>> expected;
            const auto look = [&](const std::map<Key, std::string>& all) {
                for (const auto& [key, state] : all) {
                    const std::string nothing = std::get<0>(key) == 2 ? "free" : "none";
                    const std::string was = before.contains(key) ? before.at(key) : nothing,
                                      is = after.contains(key) ? after.at(key) : nothing;
                    if (was != is)
                        expected[key] = {was, is};
                }
            };
            look(before);
            look(after);
            std::map<Key, std::pair<std::string, std::string>> found;
            const u64 here = session.position();
            const StateDifference difference = session.difference(a, b);
            EXPECT_EQ(session.position(), here);
            for (const EntryDifference& e : difference.entries)
                if (e.was != e.is)
                    found[{e.column, e.gfn.v, number(e.level)}] = {e.was, e.is};
            std::string wrong;
            for (const auto& [key, states] : found)
                if (!expected.contains(key) || expected.at(key) != states)
                    wrong += fmt::format("not there: {} {:x} {} {} {}\n", std::get<0>(key), std::get<1>(key), std::get<2>(key),
                                         states.first, states.second);
            for (const auto& [key, states] : expected)
                if (!found.contains(key))
                    wrong += fmt::format("missed: {} {:x} {} {} {}\n", std::get<0>(key), std::get<1>(key), std::get<2>(key), states.first,
                                         states.second);
            ASSERT_EQ(wrong, "") << a << " to " << b;
        }
    }
}

TEST(Inspect, a_table_knows_its_parent_its_twin_and_its_entries) {
    Session session(loadScenario(kLesson1));
    session.seek(session.end());
    const TreeCell leaf = session.cell(Column::Mirror, {4}, Level::k4K);
    const TablePageView table = session.tablePage(frameOf(leaf.place));
    ASSERT_TRUE(table.exists && table.mirror && !table.root);
    EXPECT_EQ(table.level, Level::k4K);
    EXPECT_EQ(table.present, 2u);
    ASSERT_TRUE(table.parent.has_value());
    EXPECT_EQ(session.cell(Column::Mirror, {0}, Level::k2M).pfn, table.pfn);
    EXPECT_EQ(frameOf(session.cell(Column::Mirror, {0}, Level::k2M).place), *table.parent);
    // The page of the secure EPT is its twin, and the other way round.
    const TreeCell secure = session.cell(Column::Private, {4}, Level::k4K);
    EXPECT_EQ(table.twin, frameOf(secure.place));
    const TablePageView twin = session.tablePage(table.twin);
    EXPECT_TRUE(twin.external);
    EXPECT_EQ(twin.twin, table.pfn);
    EXPECT_EQ(twin.present, 2u);
    EXPECT_FALSE(session.tablePage(leaf.pfn).exists);
    EXPECT_FALSE(session.tablePage({~0ull}).exists);
}

TEST(Inspect, an_actor_stands_in_a_call_stack_and_an_outline) {
    Session session(loadScenario(kLesson1));
    session.seek(session.pauses().front());
    const ActorView vcpu = session.actorView(0);
    EXPECT_TRUE(vcpu.busy && vcpu.isVcpu);
    ASSERT_GE(vcpu.stack.size(), 3u);
    EXPECT_EQ(vcpu.stack.back(), session.step(session.position() - 1).where.back());
    unsigned next = 0;
    for (const auto& line : vcpu.outline) {
        EXPECT_EQ(line.done, line.n < session.position());
        next += line.next ? 1 : 0;
        if (line.next) {
            EXPECT_GE(line.n, session.position());
        }
    }
    EXPECT_EQ(next, 1u);
    session.seek(session.end());
    EXPECT_FALSE(session.actorView(0).busy);
    EXPECT_FALSE(session.actorView(0).tlb.empty());
}

TEST(Inspect, who_waits_for_a_lock_is_seen_with_who_holds_it) {
    Session session(bindScenario("test.yaml", td("  - race:\n      vcpu0: [{accept: 0x4000}]\n      host: [{punch-hole: {gpa: 0x8000}}]\n"
                                                 "      schedule: [{vcpu0: until lock.acquire}, {host: done}]\n")));
    bool both = false;
    for (u64 at = 0; at <= session.end() && !both; ++at) {
        session.seek(at);
        const LockPane pane = session.lockPane(static_cast<unsigned>(LockId::MmuLock));
        bool holds = false, waits = false;
        for (const auto& use : pane.now) {
            holds |= !use.waits && use.actor == "vcpu0";
            waits |= use.waits && use.write && use.actor == "host";
        }
        both = holds && waits;
        if (both) {
            EXPECT_EQ(session.actorView(session.system().sim().hostActor()).waitsFor, "mmu_lock");
        }
    }
    EXPECT_TRUE(both);
}

TEST(Find, words_narrow_and_agree_with_the_stream) {
    Session session(loadScenario(kLesson1));
    const auto count = [&](const char* words) {
        std::string error;
        const EventFilter filter = EventFilter::parse(words, error);
        EXPECT_EQ(error, "") << words;
        std::vector<FoundEvent> found;
        EXPECT_EQ(session.find(filter, 0, found, 100'000, kWithoutEnd), session.end());
        std::set<u64> steps;
        for (const FoundEvent& e : found)
            steps.insert(e.n);
        EXPECT_EQ(steps.size(), found.size());
        return steps;
    };
    std::set<u64> frozen, aug, host, entry;
    for (const auto& event : eventsOf(session)) {
        const u64 n = event["n"].get<u64>();
        if (event["kind"] == "spte" && event["is"] == "frozen")
            frozen.insert(n);
        if (event["kind"] == "seamcall" && event["leaf"] == "TDH.MEM.PAGE.AUG")
            aug.insert(n);
        if ((event["kind"] == "spte" || event["kind"] == "sept") && event["gfn"] == 4 && event["level"] == 1)
            entry.insert(n);
    }
    for (u64 n = 0; n < session.end(); ++n)
        if (session.actorName(session.stepBrief(n).first) == "host")
            host.insert(n);
    EXPECT_FALSE(frozen.empty());
    EXPECT_EQ(count("is:frozen"), frozen);
    EXPECT_EQ(count("leaf:page.aug"), aug);
    EXPECT_EQ(count("actor:host"), host);
    const auto gpa = count("gpa:0x4000");
    for (const u64 n : entry)
        EXPECT_TRUE(gpa.contains(n)) << n;
    for (const u64 n : count("actor:host is:frozen"))
        EXPECT_TRUE(host.contains(n) && frozen.contains(n));
    const auto both = count("fn:set_external_spte_present is:frozen");
    EXPECT_TRUE(!both.empty() && std::includes(frozen.begin(), frozen.end(), both.begin(), both.end()));
    EXPECT_TRUE(both.contains(session.pauses().front() - 1));
    EXPECT_TRUE(count("rule:*").empty());
    std::string error;
    EXPECT_TRUE(EventFilter::parse("lef:BLOCK", error).empty());
    EXPECT_NE(error.find("leaf"), std::string::npos) << error;
    EventFilter::parse("gpa:elephant", error);
    EXPECT_NE(error.find("no number"), std::string::npos) << error;
}

TEST(Find, time_that_runs_out_goes_on_where_it_stopped) {
    Session session(bindScenario("test.yaml", td("  - vcpu0: {accept: {gpa: 2M, size: 1M}}\n")));
    std::string error;
    const EventFilter filter = EventFilter::parse("is:frozen", error);
    std::vector<FoundEvent> whole, parts;
    session.find(filter, 0, whole, 100'000, kWithoutEnd);
    session.seek(17);
    u64 rounds = 0;
    for (u64 next = 0; next < session.end(); ++rounds)
        next = session.find(filter, next, parts, 100'000, std::chrono::steady_clock::now());
    EXPECT_EQ(session.position(), 17u);
    EXPECT_GT(rounds, 3u);
    ASSERT_EQ(whole.size(), parts.size());
    for (std::size_t i = 0; i < whole.size(); ++i)
        EXPECT_EQ(whole[i].n, parts[i].n);
}

TEST(Branch, is_the_same_run_up_to_the_position_wherever_that_is) {
    const u64 seed = propertySeed();
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    unsigned whole = 0, all = 0;
    for (const char* folder : {"lessons", "races"})
        for (const auto& file : shippedScenarios(folder)) {
            SCOPED_TRACE(file);
            Session session(loadScenario(file.string()));
            for (unsigned k = 0; k < 3; ++k) {
                const u64 at = random() % (session.end() + 1);
                session.seek(at);
                const bool shared = random() % 2 == 0;
                const auto list = whatIfs(session, random() % 8 * 4096, shared);
                if (!whyNoWhatIf(session).empty())
                    continue;
                ASSERT_FALSE(list.empty());
                const WhatIf& what = list[random() % list.size()];
                const std::string text = branchOf(session, at, what);
                SCOPED_TRACE("position " + std::to_string(at) + "\n" + text);
                Session branch(bindScenario(file.string(), text));
                const u64 common = session.commonPrefix(branch, at);
                ++all;
                whole += common == at ? 1 : 0;
                // What was asked for happened.
                bool happened = false;
                for (const Step& step : branch.scenario().script) {
                    happened |= std::string_view(what.step).starts_with(info(step.verb).name);
                    for (const auto& [actor, steps] : step.actors)
                        for (const Step& inner : steps)
                            happened |= std::string_view(what.step).starts_with(info(inner.verb).name);
                }
                EXPECT_TRUE(happened);
            }
        }
    // In the middle of a step it becomes a race, in which an actor may take a micro-step more (a mutex that somebody else wants).
    EXPECT_GT(whole * 10, all * 8) << whole << " of " << all;
}

// While a VM is destroyed nobody else acts: that is said, and no scenario is made that would be refused.
TEST(Branch, in_the_middle_of_a_vm_s_end_there_is_none) {
    Session session(loadScenario((kSource / "scenarios/lessons/29-the-end-of-a-td.yaml").string()));
    const Step& end = session.scenario().script.back();
    ASSERT_EQ(end.verb, Verb::DestroyVm);
    const auto extent = session.extent(end.index);
    ASSERT_TRUE(extent);
    session.seek(extent->first + 5);
    EXPECT_TRUE(whatIfs(session, 0, false).empty());
    EXPECT_NE(whyNoWhatIf(session).find("`destroy-vm`"), std::string::npos);
    for (const u64 at : {extent->first, extent->second}) {
        session.seek(at);
        EXPECT_FALSE(whatIfs(session, 0, false).empty());
        EXPECT_EQ(whyNoWhatIf(session), "");
    }
}

TEST(Branch, every_what_if_of_every_kind_of_vm_can_be_run) {
    for (const char* vm : {"tdx", "snp", "sw-protected", "default"}) {
        const std::string text = playground("p", {{"vm", vm}, {"vcpus", "2"}, {"slots", "[{id: 0, gpa: 0, size: 8M}]"}});
        Session session(bindScenario("test.yaml", text));
        EXPECT_EQ(session.end(), 0u);
        for (const bool shared : {false, true})
            for (const WhatIf& what : whatIfs(session, 0x3000, shared)) {
                SCOPED_TRACE(std::string(vm) + ": " + what.actor + " " + what.step);
                Session branch(bindScenario("test.yaml", branchOf(session, 0, what)));
                EXPECT_FALSE(branch.runner().bounded());
            }
    }
}

TEST(Statistics, flushes_requests_and_kicks_are_counted_each_by_its_name) {
    Session session(bindScenario("t.yaml",
                                 "mirrorscope: 1\nmachine: {vm: default, vcpus: 3, slots: [{id: 0, gpa: 0, size: 64K}]}\nscript:\n"
                                 "  - vcpu0: {write: 0x1000}\n  - race: {vcpu1: [{write: 0x2000}], host: [{discard: {gpa: 0x1000}}],"
                                 " schedule: [{vcpu1: until vcpu.enter}]}\n  - vcpu0: {read: 0x1000}\n"));
    GpaMap map(session);
    Statistics statistics(session, map, 4);
    while (!statistics.advance(std::chrono::steady_clock::now())) {
    }
    std::map<std::string, u64> sites;
    for (u64 n = 0; n < session.end(); ++n)
        ++sites[std::string(info(session.step(n).site).name)];
    std::map<std::string, u64> counted;
    for (const Series& s : statistics.series(Statistic::TlbAndKicks))
        for (unsigned p = 0; p < statistics.parts(); ++p)
            counted[s.name] += static_cast<u64>(s.values[p]);
    EXPECT_EQ(counted["TLB flushes"], sites["tlb.flush"]);
    EXPECT_EQ(counted["flush requests"], sites["tlb.request"]);
    EXPECT_EQ(counted["kicks"], sites["kick.send"]);
    EXPECT_GT(sites["tlb.request"], sites["kick.send"]);
    EXPECT_GT(sites["tlb.flush"], 0u);
}

// Whoever asks for a little gets a little: a call that may not last counts so many micro-steps, or so many SEAMCALLs, and not all.
TEST(Statistics, each_slice_is_short) {
    Session session(bindScenario("t.yaml", "mirrorscope: 1\nmachine: {vm: tdx, slots: [{id: 0, gpa: 0, size: 64M}]}\nscript:\n"
                                           "  - finalize-vm\n  - vcpu0: {accept: {gpa: 0, size: 12M}}\n"));
    GpaMap map(session);
    constexpr unsigned kParts = 4;
    Statistics statistics(session, map, kParts, std::make_unique<RunCosts>(session, CostTable()));
    std::size_t slices = 1;
    while (!statistics.advance({}))
        ++slices;
    constexpr std::size_t kStepsAtOnce = 4096, kSpansAtOnce = 1024;
    const std::size_t spans = session.lanes().seamcalls().size();
    EXPECT_GT(spans, 2 * kParts * kSpansAtOnce);
    EXPECT_GE(slices, session.end() / kStepsAtOnce + spans / kSpansAtOnce);
}

TEST(Statistics, count_what_the_stream_says) {
    Session session(loadScenario(kLesson1));
    GpaMap map(session);
    session.seek(5);
    Statistics statistics(session, map, 20);
    while (!statistics.advance(std::chrono::steady_clock::now()))
        EXPECT_EQ(session.position(), 5u);
    EXPECT_EQ(session.position(), 5u);
    std::map<std::string, double> leaves, statuses;
    for (const auto& event : eventsOf(session))
        if (event["kind"] == "seamcall" && event["phase"] == "leave") {
            ++leaves[event["leaf"].get<std::string>()];
            ++statuses[event["status"].get<std::string>()];
        }
    const auto sums = [&](Statistic statistic) {
        std::map<std::string, double> all;
        for (const Series& s : statistics.series(statistic))
            for (unsigned p = 0; p < statistics.parts(); ++p) {
                all[s.name] += s.values[p];
                EXPECT_EQ(s.values[p] > 0, s.first[p] != ~0ull);
                if (s.first[p] != ~0ull && statistic != Statistic::PageStates) {
                    EXPECT_GT(s.first[p], statistics.positionOf(p));
                    EXPECT_LE(s.first[p], statistics.positionOf(p + 1) + 1);
                }
            }
        return all;
    };
    EXPECT_EQ(sums(Statistic::SeamcallsByLeaf), leaves);
    EXPECT_EQ(sums(Statistic::SeamcallsByStatus), statuses);
    // The last sample is the end: two private pages are mapped.
    for (const Series& s : statistics.series(Statistic::PageStates))
        if (s.name == "private leaf") {
            EXPECT_EQ(s.values.back(), 2);
        }
    const std::string csv = statistics.csv(Statistic::SeamcallsByLeaf);
    EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 21);
}

} // namespace mirrorscope::test
