// SPDX-License-Identifier: GPL-3.0-or-later
// What a script asks before it goes on, and what the run answers.
#include "scenario/runner.h"
#include "session/session.h"

#include <algorithm>
#include <bit>

namespace mirrorscope {

// A repeated question is asked, and answered, each time: the first that waits gets it.
void Session::indexAnswer(const Mark& mark, const Step& step) {
    for (Question& question : questions_) {
        if (question.step != &step || question.answered)
            continue;
        question.answered = positionAfter(mark);
        question.holds = mark.a[0];
        if (std::has_single_bit(question.holds))
            question.right = static_cast<std::size_t>(std::countr_zero(question.holds));
        return;
    }
}

const Question* Session::questionAt(u64 position) const {
    const auto after =
        std::upper_bound(questions_.begin(), questions_.end(), position, [](u64 p, const Question& q) { return p < q.asked; });
    if (after == questions_.begin())
        return nullptr;
    const Question& question = *std::prev(after);
    // Its answer stays until the script has something else to say.
    const bool over = question.answered && position > *question.answered && noteSince(position) > *question.answered;
    return over ? nullptr : &question;
}

const Question* Session::answeredJustBefore(const Question& question) const {
    const auto at = static_cast<std::size_t>(&question - questions_.data());
    return at > 0 && questions_[at - 1].answered == question.asked ? &questions_[at - 1] : nullptr;
}

std::string Session::storyAt(u64 position) const {
    std::string story = noteAt(position);
    const Question* question = questionAt(position);
    if (question == nullptr)
        return story;
    const bool shown = question->shownAt(position);
    if (const Question* before = shown ? nullptr : answeredJustBefore(*question))
        story += (story.empty() ? "" : "\n\n") + ("*" + before->step->text + "*\n\n") + answerText(*before->step, before->holds);
    story += (story.empty() ? "**" : "\n\n**") + question->step->text + "**\n";
    for (const AskChoice& choice : question->step->choices)
        story += "\n- " + choice.text;
    if (shown)
        story += "\n\n" + answerText(*question->step, question->holds);
    return story;
}

} // namespace mirrorscope
