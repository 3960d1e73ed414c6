// SPDX-License-Identifier: GPL-3.0-or-later
// What a script asks before it goes on, and what the run answers.
#include "scenario/runner.h"
#include "session/session.h"

#include <algorithm>
#include <bit>

namespace mirrorscope {

// A repeated question is asked, and answered, each time.
void Session::indexAnswer(const Mark& mark, const Step& step) {
    for (auto question = questions_.rbegin(); question != questions_.rend(); ++question) {
        if (question->step != &step)
            continue;
        question->answered = positionAfter(mark);
        if (const u64 right = mark.a[0]; std::has_single_bit(right))
            question->right = static_cast<std::size_t>(std::countr_zero(right));
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

std::string Session::storyAt(u64 position) const {
    std::string story = noteAt(position);
    const Question* question = questionAt(position);
    if (question == nullptr)
        return story;
    story += (story.empty() ? "**" : "\n\n**") + question->step->text + "**\n";
    for (const AskChoice& choice : question->step->choices)
        story += "\n- " + choice.text;
    if (question->answered && position >= *question->answered)
        story += "\n\n" + answerText(*question->step, question->right ? 1ull << *question->right : 0);
    return story;
}

} // namespace mirrorscope
