// SPDX-License-Identifier: GPL-3.0-or-later
// `explore --each-kernel`: the same races under each release, in one table.
#include "explored.h"

#include "base/text.h"
#include "base/vocab.h"
#include "machine/kernels.h"

#include <fmt/format.h>

#include <set>

namespace mirrorscope::app {

int exploreEachKernel(const std::string& file, const std::vector<Override>& overrides, ExploreOptions options, bool jsonl) {
    options.all = true;
    std::string text = fmt::format("{}\n  {:<8}{:>5}  {:<38}{}\n", file, "kernel", "ends", "violated", "searched");
    int status = kOk;
    for (const Kernel kernel : kReleases) {
        std::vector<Override> here = overrides;
        here.push_back({"machine.kernel", std::string(name(kernel))});
        try {
            const Scenario scenario = loadScenario(file, here);
            const ExploreResult result = Explorer(scenario, options).run();
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
        } catch (const InputError& error) {
            if (jsonl)
                put("", fmt::format("{{\"kind\":\"refused\",\"kernel\":\"{}\",\"text\":{}}}\n", name(kernel), jsonString(error.message)));
            text += wrapped("not there: " + error.message, fmt::format("  {:<8}{:>5}  ", name(kernel), ""), 17);
        }
    }
    if (!jsonl)
        put("", text);
    return status;
}

} // namespace mirrorscope::app
