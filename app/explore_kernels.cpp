// SPDX-License-Identifier: GPL-3.0-or-later
// `explore --each-kernel`: the same races under each release, in one table.
#include "explored.h"

#include "base/text.h"
#include "base/vocab.h"
#include "machine/kernels.h"
#include "views/threads.h"

#include <fmt/format.h>

#include <iterator>
#include <optional>
#include <set>
#include <vector>

namespace mirrorscope::app {

namespace {
struct Answer {
    std::optional<Scenario> scenario; // none: that release has not what the file asks for
    std::string refused;
    ExploreResult result;
};

Answer exploreOn(Kernel kernel, const std::string& file, std::vector<Override> overrides, const ExploreOptions& options) {
    overrides.push_back({"machine.kernel", std::string(name(kernel))});
    Answer answer;
    try {
        answer.scenario = loadScenario(file, overrides);
    } catch (const InputError& error) {
        answer.refused = error.message;
        return answer;
    }
    answer.result = Explorer(*answer.scenario, options).run();
    return answer;
}
} // namespace

int exploreEachKernel(const std::string& file, const std::vector<Override>& overrides, ExploreOptions options, unsigned jobs, bool jsonl) {
    options.all = true;
    if (jobs > 1)
        options.progress = nullptr;
    std::vector<Answer> answers(std::size(kReleases));
    views::onThreads(jobs, answers.size(), [&](std::size_t i) { answers[i] = exploreOn(kReleases[i], file, overrides, options); });
    std::string text = fmt::format("{}\n  {:<8}{:>5}  {:<38}{}\n", file, "kernel", "ends", "violated", "searched");
    int status = kOk;
    for (std::size_t n = 0; n < answers.size(); ++n) {
        const Kernel kernel = kReleases[n];
        const auto& [asked, refused, result] = answers[n];
        if (asked) {
            const Scenario& scenario = *asked;
            const bool ok = result.ok(true);
            if (jsonl) {
                auto json = exploredJson(result);
                json["kernel"] = name(kernel);
                json["ok"] = ok;
                putExplored(json);
            }
            std::set<std::string> rules;
            for (const ExploreFinding& finding : result.findings)
                rules.insert(finding.rule);
            // What the file says is to be seen is no finding, and seen all the same.
            for (std::size_t i = 0; i < scenario.sometimes.size() && i < result.sometimes.size(); ++i)
                if (scenario.sometimes[i].form == Expectation::Form::Violation && result.sometimes[i].second)
                    rules.insert(fmt::format("{} (as the file says)", info(scenario.sometimes[i].rule).name));
            std::string violated =
                rules.empty() ? result.complete ? "nothing" : "nothing so far" : fmt::format("{}", fmt::join(rules, ", "));
            for (const auto& [expected, seen] : result.sometimes)
                if (!seen && result.complete)
                    violated += ", never " + expected;
            text += wrapped(violated, fmt::format("  {:<8}{:>5}  ", name(kernel), result.ends.size()), 17);
            text.pop_back();
            text += fmt::format("\n{:17}{} micro-steps in {} executions, {:.2f} s{}\n", "", result.transitions, result.executions,
                                result.seconds, result.complete ? "" : ", not to the end");
            const int one = exploredStatus(result, ok);
            status = status == kFailed || one == kFailed ? kFailed : std::max(status, one);
        } else {
            if (jsonl)
                put("", fmt::format("{{\"kind\":\"refused\",\"kernel\":\"{}\",\"text\":{}}}\n", name(kernel), jsonString(refused)));
            text += wrapped("not there: " + refused, fmt::format("  {:<8}{:>5}  ", name(kernel), ""), 17);
        }
    }
    if (!jsonl)
        put("", text);
    return status;
}

} // namespace mirrorscope::app
