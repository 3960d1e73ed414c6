// SPDX-License-Identifier: GPL-3.0-or-later
#include "explore/mutants.h"

#include <algorithm>

namespace mirrorscope {

namespace {
// Whoever names a violation expects it; here it must be found.
void forgetNamed(std::vector<Expectation>& list) {
    std::erase_if(list, [](const Expectation& e) { return e.form == Expectation::Form::Violation; });
}
} // namespace

void forgetExpectations(Scenario& scenario) {
    scenario.expectations.clear();
    scenario.sometimes.clear();
    const auto visit = [&](const auto& self, std::vector<Step>& steps) -> void {
        for (Step& step : steps) {
            forgetNamed(step.expectations);
            for (auto& actor : step.actors)
                self(self, actor.second);
        }
    };
    visit(visit, scenario.script);
}

std::vector<Mutant> tryMutants(const std::vector<std::string>& files, const std::vector<std::string>& names, u64 limit,
                               const std::function<void(const Mutant&)>& done) {
    std::vector<std::pair<std::string, Scenario>> breaking; // each file is read once
    for (const std::string& file : files)
        if (Scenario scenario = loadScenario(file); scenario.machine.breaks.any()) {
            forgetExpectations(scenario);
            breaking.emplace_back(file, std::move(scenario));
        }
    ExploreOptions options;
    options.maxTransitions = limit;
    std::vector<Mutant> mutants;
    for (const std::string_view known : breakNames()) {
        const std::string name(known);
        if (!names.empty() && std::find(names.begin(), names.end(), name) == names.end())
            continue;
        Mutant mutant;
        mutant.name = name;
        const Break value = *breakFromName(name);
        if (info(value).holds)
            continue;
        for (const auto& [file, broken] : breaking) {
            if (!broken.machine.broken(value))
                continue;
            mutant.scenario = file;
            const ExploreResult result = Explorer(broken, options).run();
            mutant.executions = result.executions;
            mutant.transitions = result.transitions;
            if (result.findings.empty())
                continue;
            mutant.rule = result.findings[0].rule;
            mutant.text = result.findings[0].text;
            Scenario honest = broken;
            honest.machine.breaks.reset();
            if (honest.machine.features.none()) // what is of one release stays with it
                honest.machine.kernel = Kernel::Fixed;
            const ExploreResult held = Explorer(honest, options).run();
            mutant.honest = held.findings.empty();
            mutant.honestComplete = held.complete;
            mutant.honestExecutions = held.executions;
            mutant.honestStates = held.states;
            break;
        }
        if (done)
            done(mutant);
        mutants.push_back(std::move(mutant));
    }
    return mutants;
}

} // namespace mirrorscope
