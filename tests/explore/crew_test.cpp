// SPDX-License-Identifier: GPL-3.0-or-later
// Several searches at once: what they share. That they find what one finds is judged by three_ways_test.cpp.
#include "explore/together.h"
#include "support/run.h"
#include "support/threads.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <set>
#include <utility>
#include <vector>

namespace mirrorscope::test {

TEST(Crew, a_state_is_open_as_long_as_it_is_on_a_path) {
    using enum Crew::Found;
    Crew crew(2);
    EXPECT_EQ(crew.enter(5).found, New);
    EXPECT_EQ(crew.enter(5).found, Open);
    crew.open(5);
    crew.close(5);
    EXPECT_EQ(crew.enter(5).found, Open);
    crew.close(5);
    EXPECT_EQ(crew.enter(5).found, Closed);
    crew.close(5); // which is no path any more
    EXPECT_EQ(crew.enter(5).found, Closed);
    EXPECT_EQ(crew.states(), 1u);
}

// What somebody takes on stays open for him even if whoever gave it has left it already.
TEST(Crew, what_is_given_is_open) {
    Crew crew(2);
    crew.enter(7);
    Crew::Task task;
    task.open = {7};
    crew.give(task);
    crew.close(7);
    EXPECT_EQ(crew.enter(7).found, Crew::Found::Open);
    Crew::Task taken;
    EXPECT_EQ(crew.wait(1, taken, nullptr), Crew::Next::Task);
    EXPECT_EQ(taken.open, std::vector<u64>{7});
    crew.close(7);
    EXPECT_EQ(crew.enter(7).found, Crew::Found::Closed);
}

// Each task leads to up to two others, down to a depth; members take them on in whatever order. None is lost, none is done twice, and
// all learn of the end.
TEST(Crew, every_task_is_done_once) {
    constexpr unsigned kMembers = 4;
    constexpr std::size_t kDepth = 12;
    Crew crew(kMembers);
    std::array<std::vector<std::vector<u16>>, kMembers> done;
    crew.give({});
    onThreads(kMembers, [&](unsigned member) {
        Crew::Task task;
        while (true) {
            const Crew::Next next = crew.wait(member, task, nullptr);
            if (next == Crew::Next::Facts) {
                crew.news(member);
                continue;
            }
            if (next != Crew::Next::Task)
                break;
            done[member].push_back(task.path);
            if (task.path.size() % 5 == member)
                crew.tell({});
            for (u16 child = 0; child < 2 && task.path.size() < kDepth; ++child) {
                Crew::Task more = task;
                more.path.push_back(child);
                crew.give(std::move(more));
            }
        }
    });
    std::multiset<std::vector<u16>> all;
    for (unsigned member = 0; member < kMembers; ++member) {
        all.insert(done[member].begin(), done[member].end());
        EXPECT_TRUE(crew.news(member).empty()) << "the end came before member " << member << " had read everything";
    }
    EXPECT_EQ(all.size(), (std::size_t{2} << kDepth) - 1);
    EXPECT_EQ(std::set(all.begin(), all.end()).size(), all.size());
}

// States are entered once, whoever comes first.
TEST(Crew, of_many_one_enters) {
    constexpr unsigned kMembers = 4;
    constexpr u64 kStates = 20'000;
    Crew crew(kMembers);
    std::atomic<u64> entered = 0;
    onThreads(kMembers, [&](unsigned) {
        for (u64 state = 1; state <= kStates; ++state)
            if (const u64 hash = state * 0x9e3779b97f4a7c15u; crew.enter(hash).found == Crew::Found::New) {
                ++entered;
                crew.close(hash);
            }
    });
    EXPECT_EQ(entered, kStates);
    EXPECT_EQ(crew.states(), kStates);
}

TEST(Crew, all_begin_anew_together) {
    constexpr unsigned kMembers = 3;
    Crew crew(kMembers);
    std::atomic<unsigned> entered = 0;
    onThreads(kMembers, [&](unsigned member) {
        for (unsigned round = 0; round < 50; ++round) {
            entered += crew.enter(9).found == Crew::Found::New;
            if (member == round % kMembers)
                crew.callAnew();
            Crew::Task task;
            EXPECT_EQ(crew.wait(member, task, nullptr), Crew::Next::Anew);
            crew.beginAnew();
        }
    });
    EXPECT_EQ(entered, 50u);
    EXPECT_EQ(crew.called(), Crew::Call::GoOn);
}

TEST(Crew, who_waits_is_told_to_stop) {
    Crew crew(2);
    onThreads(2, [&](unsigned member) {
        Crew::Task task;
        if (member == 0)
            crew.stop();
        else
            EXPECT_EQ(crew.wait(member, task, nullptr), Crew::Next::Stop);
    });
}

namespace {
Scenario raceNamed(const std::string& name, const std::vector<Override>& sets = {}) {
    return loadScenario((kSource / "scenarios/races" / (name + ".yaml")).string(), sets);
}
std::set<std::pair<u64, std::string>> whereItEnds(const ExploreResult& result) {
    std::set<std::pair<u64, std::string>> ends;
    for (const ExploreEnd& end : result.ends)
        ends.emplace(end.hash, end.results);
    return ends;
}
} // namespace

// The first has nobody who could be left out for long, so that all begin anew with everybody tried.
TEST(Together, threads_find_what_one_finds) {
    for (const char* name : {"07-fault-and-slot-deletion", "26-four-of-an-ordinary-vm", "31-a-page-in-two-address-spaces"}) {
        SCOPED_TRACE(name);
        const Scenario scenario = raceNamed(name);
        ExploreOptions options;
        options.mode = ExploreMode::Stateful;
        const ExploreResult one = Explorer(scenario, options).run();
        const ExploreResult three = exploreTogether(scenario, options, 3, onThreads);
        EXPECT_TRUE(three.complete);
        EXPECT_EQ(whereItEnds(three), whereItEnds(one));
        EXPECT_EQ(three.executions, one.executions);
        EXPECT_EQ(three.sometimes, one.sometimes);
    }
}

TEST(Together, a_violation_stops_all) {
    const Scenario broken = raceNamed("04-fault-and-discard", {{"machine.break", "[ignore-invalidate-seq]"}});
    const ExploreResult result = exploreTogether(broken, {}, 2, onThreads);
    EXPECT_FALSE(result.complete);
    EXPECT_FALSE(result.stopped);
    ASSERT_FALSE(result.findings.empty());
    EXPECT_FALSE(result.findings[0].schedule.empty());
}

TEST(Together, bounds_hold_for_all_of_them) {
    ExploreOptions options;
    options.maxTransitions = 3'000;
    const ExploreResult result = exploreTogether(raceNamed("26-four-of-an-ordinary-vm"), options, 2, onThreads);
    EXPECT_TRUE(result.stopped);
    EXPECT_FALSE(result.complete);
    constexpr u64 kMembers = 2, kCountedAtOnce = 64;
    EXPECT_LE(result.transitions, options.maxTransitions + 2 * kMembers * kCountedAtOnce);
    options.maxTransitions = 0;
    options.cancelled = [] { return true; };
    EXPECT_TRUE(exploreTogether(raceNamed("26-four-of-an-ordinary-vm"), options, 2, onThreads).stopped);
}

// A search that is broken says so, and leaves nobody waiting.
TEST(Together, the_first_failure_is_the_callers) {
    ExploreOptions options;
    std::atomic<unsigned> made = 0;
    options.prepare = [&](System&) {
        if (++made == 2)
            throw std::runtime_error("no second machine");
    };
    EXPECT_THROW(exploreTogether(raceNamed("05-fault-and-punch-hole"), options, 2, onThreads), std::runtime_error);
}

} // namespace mirrorscope::test
