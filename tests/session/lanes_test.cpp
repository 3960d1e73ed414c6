// SPDX-License-Identifier: GPL-3.0-or-later
// What the timeline asks of a run, held against a walk over every micro-step.
#include "session/style.h"
#include "support/run.h"
#include "support/seed.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

namespace mirrorscope::test {

TEST(Lanes, kinds_of_micro_steps_and_neighbours_are_those_of_the_recording) {
    const u64 seed = propertySeed();
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    // Long enough for blocks of both sizes.
    Session session(bindScenario(
        "test.yaml", td("  - vcpu1: {accept: {gpa: 2M, size: 1M}}\n  - punch-hole: {gpa: 2M, size: 1M}\n  - vcpu0: {accept: 8M}\n")));
    ASSERT_GT(session.end(), 10'000u);
    for (unsigned k = 0; k < 300; ++k) {
        const u64 a = random() % session.end(), b = std::min(session.end(), a + random() % (k % 3 == 0 ? 100 : 9000));
        const std::size_t actor = random() % session.actors().size();
        u16 groups = 0;
        for (u64 n = a; n < b; ++n)
            if (const auto [who, site] = session.stepBrief(n); who == session.actors()[actor])
                groups |= static_cast<u16>(1u << static_cast<unsigned>(groupOf(site)));
        ASSERT_EQ(session.lanes().groups(a, b, actor), groups) << a << " " << b;
        u64 next = a, previous = a;
        while (next < session.end() && session.stepBrief(next).first != session.actors()[actor])
            ++next;
        ASSERT_EQ(session.lanes().next(a, actor), next == session.end() ? ~0ull : next);
        while (previous > 0 && session.stepBrief(previous - 1).first != session.actors()[actor])
            --previous;
        ASSERT_EQ(session.lanes().previous(a, actor), previous == 0 ? ~0ull : previous - 1);
    }
}

TEST(Lanes, a_lock_is_held_in_its_spans_and_nowhere_else) {
    std::vector<std::pair<std::filesystem::path, std::string>> runs;
    for (const auto& file : shippedScenarios("races")) {
        runs.emplace_back(file, "sc");
        if (runs.size() % 5 == 1) // also where others see later that it was given back
            runs.emplace_back(file, "tso");
    }
    for (const auto& [file, model] : runs) {
        SCOPED_TRACE(file.string() + " " + model);
        Session session(loadScenario(file.string(), {{"machine.memory-model", model}}));
        for (u64 at = 0; at <= session.end(); ++at) {
            session.seek(at);
            std::multiset<std::string> held;
            for (const LockView& lock : session.locks())
                for (const std::string& who : lock.holders)
                    held.insert(lock.name + " " + who);
            std::multiset<std::string> spans;
            for (unsigned lock = 0; lock < kLocks; ++lock)
                for (const Span& span : session.lanes().locks(lock))
                    if (span.kind == Span::Kind::Lock && span.begin < at && (at < span.end || !span.closed))
                        spans.insert(std::string(name(static_cast<LockId>(lock))) + " " + session.actorName(span.actor));
            ASSERT_EQ(held, spans) << "position " << at;
        }
    }
}

TEST(Lanes, every_seamcall_of_the_stream_is_a_span) {
    Session session(loadScenario((kSource / "scenarios/lessons/01-first-private-page.yaml").string()));
    std::vector<std::string> streamed;
    for (const auto& event : eventsOf(session))
        if (event["kind"] == "seamcall" && event["phase"] == "leave")
            streamed.push_back(event["leaf"].get<std::string>() + " " + event["status"].get<std::string>() + " " +
                               std::to_string(event["n"].get<u64>()));
    std::vector<std::string> spans;
    for (const Span& span : session.lanes().seamcalls())
        spans.push_back(std::string(leafName(span)) + " " + statusName(span) + " " + std::to_string(span.end - 1));
    std::sort(streamed.begin(), streamed.end());
    std::sort(spans.begin(), spans.end());
    EXPECT_GT(spans.size(), 10u);
    EXPECT_EQ(streamed, spans);
}

TEST(Lanes, over_and_out_of_a_call_end_in_the_caller) {
    Session session(loadScenario((kSource / "scenarios/lessons/01-first-private-page.yaml").string()));
    u64 deeper = 0;
    for (u64 at = 1; at < session.end(); ++at) {
        const StepView here = session.step(at - 1);
        const auto prefix = [](const std::vector<std::string>& a, const std::vector<std::string>& b) {
            return a.size() <= b.size() && std::equal(a.begin(), a.end(), b.begin());
        };
        const u64 over = session.overCall(at), out = session.outOfCall(at);
        ASSERT_GT(over, at - 1);
        ASSERT_LE(over, out + 1);
        // Nothing that was passed by `over` stands in the function itself or above.
        for (u64 n = at; n < over; ++n)
            if (const StepView passed = session.step(n); passed.actor == here.actor && over > at + 1) {
                EXPECT_GT(passed.where.size(), here.where.size());
            }
        deeper += over > at + 1 ? 1 : 0;
        for (u64 n = at; n < out; ++n)
            if (const StepView passed = session.step(n); passed.actor == here.actor) {
                EXPECT_TRUE(prefix(here.where, passed.where)) << at << " " << n;
            }
        if (out < session.end() && session.step(out).actor == here.actor) {
            EXPECT_FALSE(prefix(here.where, session.step(out).where)) << at;
        }
        EXPECT_LT(session.overCallBack(at), at);
        EXPECT_LT(session.outOfCallBack(at), at);
    }
    EXPECT_GT(deeper, 5u);
}

} // namespace mirrorscope::test
