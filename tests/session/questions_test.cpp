// SPDX-License-Identifier: GPL-3.0-or-later
// What a script asks is answered by its run, and by nothing that was typed in.
#include "scenario/catalogue.h"
#include "scenario/runner.h"
#include "session/branch.h"
#include "session/session.h"
#include "support/run.h"

#include <gtest/gtest.h>

using namespace mirrorscope;
using namespace mirrorscope::test;

namespace {
Session sessionOf(const std::string& script) {
    return Session(
        bindScenario("asks.yaml", "mirrorscope: 1\nmachine: {vm: tdx, vcpus: 2, slots: [{id: 0, gpa: 0, size: 16M}]}\nscript:\n" + script));
}
} // namespace

TEST(Questions, are_answered_by_what_holds_when_the_next_step_has_ended) {
    const Session session = sessionOf(R"(
  - finalize-vm
  - ask:
      question: how many faults?
      choices:
        - {text: none, expect: {count: fault, is: 0}}
        - {text: one, expect: {count: fault, is: 1}}
        - {text: "two", expect: {count: fault, is: 2}}
      answer: two
  - note: it is not answered by a note
  - vcpu0: {accept: 0x1000}
  - vcpu0: {accept: 0x2000}
)");
    ASSERT_EQ(session.questions().size(), 1u);
    const Question& question = session.questions()[0];
    ASSERT_TRUE(question.right && question.answered);
    EXPECT_EQ(*question.right, 1u);
    EXPECT_LT(question.asked, *question.answered);
    EXPECT_LT(*question.answered, session.end());
    // What was typed in says otherwise, and is told apart.
    EXPECT_EQ(answerText(*question.step, 1ull << *question.right), "answer: one (the file says: two)");
    // It stops whoever steps over the script, and it is no pause.
    EXPECT_EQ(session.nextScriptPosition(question.asked - 1), question.asked);
    EXPECT_TRUE(session.pauses().empty());
    EXPECT_EQ(session.openingPosition(), 0u);
    EXPECT_EQ(session.questionAt(question.asked - 1), nullptr);
    EXPECT_EQ(session.storyAt(question.asked).find("answer:"), std::string::npos);
    EXPECT_NE(session.storyAt(*question.answered).find("answer: one"), std::string::npos);
}

TEST(Questions, of_which_none_or_several_hold_have_no_right_answer) {
    const Session session = sessionOf(R"(
  - ask: {question: a, choices: [{text: x, expect: {count: fault, is: 7}}, {text: y, expect: {count: fault, is: 8}}]}
  - finalize-vm
  - ask: {question: b, choices: [{text: x, expect: {violations: 0}}, {text: y, expect: {count: fault, at-least: 0}}]}
  - vcpu0: {accept: 0x1000}
)");
    ASSERT_EQ(session.questions().size(), 2u);
    EXPECT_EQ(session.questions()[0].asked, 0u);
    for (const Question& question : session.questions()) {
        EXPECT_TRUE(question.answered);
        EXPECT_FALSE(question.right);
    }
}

// By the actor's own next step, whatever the others do meanwhile; at the end if none follows; each time where it is repeated.
TEST(Questions, in_a_race_at_the_end_and_repeated) {
    const Session session = sessionOf(R"(
  - finalize-vm
  - race:
      vcpu0:
        - accept: 0x1000
        - ask: {question: mine, choices: [{text: "yes", expect: {tree: secure, gpa: 0x3000, is: mapped}}, {text: "no", expect: {tree: secure, gpa: 0x3000, is: free}}]}
        - accept: 0x2000
        - accept: 0x3000
      vcpu1: [{accept: 0x8000}]
  - repeat:
      times: 2
      do:
        - ask: {question: again, choices: [{text: a, expect: {count: fault, is: 5}}, {text: b, expect: {count: fault, is: 6}}]}
        - pre-fault: {vcpu: 0, gpa: 0x5000}
        - vcpu0: {accept: 0x6000}
        - {punch-hole: {gpa: 0x6000}}
  - ask: {question: last, choices: [{text: dead, expect: {violation: progress}}, {text: alive, expect: {violations: 0}}]}
)");
    ASSERT_EQ(session.questions().size(), 4u);
    EXPECT_EQ(session.questions()[0].right, 1u);
    EXPECT_NE(session.questions()[1].asked, session.questions()[2].asked);
    ASSERT_TRUE(session.questions()[3].answered);
    EXPECT_EQ(session.questions()[3].right, 1u);
}

// An answer that comes where the next question is asked stays in sight beside it; one that is asked again is answered each time.
TEST(Questions, follow_on_each_other_without_hiding_an_answer) {
    const Session session = sessionOf(R"(
  - finalize-vm
  - ask: {question: first, choices: [{text: uno, expect: {count: fault, is: 1}}, {text: due, expect: {count: fault, is: 2}}]}
  - vcpu0: {accept: 0x1000}
  - ask: {question: second, choices: [{text: uno, expect: {count: fault, is: 1}}, {text: due, expect: {count: fault, is: 2}}]}
  - vcpu0: {accept: 0x2000}
  - repeat: {times: 3, do: [{ask: {question: again, choices: [{text: a, expect: {violations: 0}}, {text: b, expect: {violation: coherent}}]}}]}
  - vcpu0: {accept: 0x3000}
)");
    const auto& questions = session.questions();
    ASSERT_EQ(questions.size(), 5u);
    ASSERT_EQ(questions[0].answered, questions[1].asked);
    EXPECT_EQ(session.answeredJustBefore(questions[1]), &questions[0]);
    const std::string story = session.storyAt(questions[1].asked);
    EXPECT_NE(story.find("answer: uno"), std::string::npos) << story;
    EXPECT_NE(story.find("**second**"), std::string::npos) << story;
    EXPECT_EQ(story.find("answer: due"), std::string::npos) << story;
    for (const Question& question : questions)
        EXPECT_TRUE(question.answered && question.right) << question.step->text;
}

// What the script itself asks before a race is answered by its end, whoever else ends a step, the vCPU of the highest number too.
TEST(Questions, of_the_script_wait_for_the_whole_race) {
    std::string text =
        "mirrorscope: 1\nmachine: {vm: default, vcpus: 256, slots: [{id: 0, gpa: 0, size: 4M}]}\nscript:\n"
        "  - ask: {question: q, choices: [{text: one, expect: {count: fault, is: 1}}, {text: two, expect: {count: fault, is: 2}}]}\n"
        "  - race: {vcpu255: [{write: 0x1000}], vcpu0: [{write: 0x2000}]}\n    schedule: [{vcpu255: done}, {vcpu0: done}]\n";
    const Session session(bindScenario("asks.yaml", text));
    ASSERT_EQ(session.questions().size(), 1u);
    EXPECT_EQ(session.questions()[0].right, 1u);
}

// A what-if asks nothing: what it would ask about may be no part of it.
TEST(Questions, are_no_part_of_a_what_if) {
    const Session session = sessionOf(R"(
  - finalize-vm
  - {vcpu0: {ask: {question: q, choices: [{text: x, expect: {result: later, is: ok}}]}}}
  - repeat: {times: 2, do: [{ask: {question: r, choices: [{text: x, expect: {result: later, is: ok}}]}}, {vcpu0: {accept: 0x1000}}]}
  - race: {vcpu0: [{ask: {question: s, choices: [{text: x, expect: {result: later, is: ok}}]}}, {accept: 0x2000}], vcpu1: [{accept: 0x3000}]}
  - {vcpu0: {accept: 0x4000}, id: later}
)");
    for (u64 at = 0; at <= session.end(); ++at) {
        const std::string branch = branchOf(session, at, {"host", "punch-hole: {gpa: 0x1000}", "a hole"});
        ASSERT_EQ(branch.find("ask:"), std::string::npos) << at << "\n" << branch;
        ASSERT_NO_THROW(bindScenario("branch.yaml", branch)) << at << "\n" << branch;
    }
}

// Each question of the course has exactly one right answer, and its run gives it; each lesson asks, and begins with what to do.
TEST(Questions, of_all_shipped_scenarios_have_the_answer_that_the_run_gives) {
    unsigned asked = 0;
    for (const Shelf& shelf : shelves())
        for (const std::string& file : filesOf(shelf)) {
            if (shelf.folder == "selftests")
                continue;
            SCOPED_TRACE(file);
            const Session session(loadScenario(file));
            const bool inCourse = shelf.folder == "lessons" && lessonNumber(file) > 0;
            if (inCourse) {
                EXPECT_FALSE(session.questions().empty());
                EXPECT_TRUE(session.scenario().about.starts_with("**First:**"));
                EXPECT_EQ(session.openingPosition(), 0u);
            }
            for (const Question& question : session.questions()) {
                ++asked;
                EXPECT_TRUE(question.right) << question.step->text;
                EXPECT_GE(question.step->choices.size(), 2u);
                EXPECT_FALSE(question.step->why.empty());
                if (!question.step->answer.empty() && question.right) {
                    EXPECT_EQ(question.step->choices[*question.right].text, question.step->answer);
                }
            }
        }
    EXPECT_GE(asked, 40u);
    EXPECT_EQ(course().size(), 24u);
}

TEST(Questions, that_are_not_understood_are_refused_where_they_stand) {
    const auto refusal = [](const std::string& ask) {
        try {
            sessionOf("  - ask: " + ask + "\n  - finalize-vm\n");
        } catch (const std::exception& e) {
            return std::string(e.what());
        }
        return std::string("taken");
    };
    EXPECT_EQ(refusal("{question: a, choices: [x, {text: y, expect: {violations: 0}}]}"), "taken");
    EXPECT_NE(refusal("{question: a, choices: [{text: y, expects: {violations: 0}}]}").find("expect"), std::string::npos);
    EXPECT_NE(refusal("{question: a, choices: [{expect: {violations: 0}}]}").find("a choice needs `text`"), std::string::npos);
    EXPECT_NE(refusal("{question: a, choices: [{text: y, expect: {result: nobody, is: ok}}]}").find("unknown id `nobody`"),
              std::string::npos);
    EXPECT_NE(refusal("{choices: [x]}").find("needs `question`"), std::string::npos);
    EXPECT_NE(refusal("{question: a, choices: []}").find("1..64"), std::string::npos);
    std::string many = "x";
    for (int i = 0; i < 64; ++i)
        many += ", x" + std::to_string(i);
    EXPECT_NE(refusal("{question: a, choices: [" + many + "]}").find("1..64"), std::string::npos);
}
