// SPDX-License-Identifier: GPL-3.0-or-later
#include "explore/counterexample.h"

#include "base/text.h"
#include "scenario/yaml.h"
#include "scenario/yaml_write.h"

#include <fmt/format.h>

#include "explore/explorer.h"
#include <algorithm>
#include <tuple>

namespace mirrorscope {

Scenario inOrder(const Scenario& original, const Schedule& schedule) {
    Scenario scenario = original;
    std::size_t race = 0;
    for (Step& step : scenario.script) {
        if (step.verb != Verb::Race)
            continue;
        step.schedule.clear();
        if (race < schedule.size())
            for (const auto& [name, count] : schedule[race]) {
                Step::ScheduleEntry entry;
                entry.actor = Sim::actorNamed(scenario.machine.vcpus, name);
                entry.count = count;
                entry.line = step.line;
                step.schedule.push_back(entry);
            }
        ++race;
    }
    return scenario;
}

namespace {
struct Found {
    std::string text;
    std::vector<std::string> also;
};

// Runs the scenario by that schedule; what the rule said, if it was violated.
std::optional<Found> violates(const Scenario& original, const Schedule& schedule, const std::string& rule) {
    const Scenario scenario = inOrder(original, schedule);
    Runner runner(scenario, {.maxSteps = 2'000'000});
    runner.setIgnoreRaceExpectations(true);
    runner.runAll();
    std::optional<Found> found;
    std::vector<std::string> also;
    for (const Violation& v : runner.checker().violations()) {
        const std::string name(info(v.rule).name);
        if (name == rule && !found)
            found = Found{v.text, {}};
        else if (name != rule && std::find(also.begin(), also.end(), name) == also.end())
            also.push_back(name);
    }
    if (found) {
        found->also = also;
        return found;
    }
    if (rule == "expect")
        for (const auto& e : runner.expectations())
            if (!e.holds)
                return Found{"line " + std::to_string(e.line) + ": " + e.text + ": found " + e.found, also};
    return std::nullopt;
}

Schedule merged(const Schedule& schedule) {
    Schedule out;
    for (const auto& race : schedule) {
        out.emplace_back();
        for (const auto& entry : race) {
            if (entry.second == 0)
                continue;
            if (!out.back().empty() && out.back().back().first == entry.first)
                out.back().back().second += entry.second;
            else
                out.back().push_back(entry);
        }
    }
    return out;
}

// How hard it is to follow: switches count first.
std::pair<u64, u64> weightOf(const Schedule& schedule) {
    u64 switches = 0, steps = 0;
    for (const auto& race : schedule) {
        switches += race.size();
        for (const auto& entry : race)
            steps += entry.second;
    }
    return {switches, steps};
}
} // namespace

Counterexample shrink(const Scenario& scenario, const ExploreFinding& finding) {
    Counterexample result;
    result.rule = finding.rule;
    result.text = finding.text;
    result.schedule = merged(finding.schedule);
    auto found = violates(scenario, result.schedule, finding.rule);
    result.confirmed = found.has_value();
    if (!result.confirmed)
        return result;
    Schedule best = result.schedule;
    const auto attempt = [&](const Schedule& candidate) {
        const Schedule tidy = merged(candidate);
        if (weightOf(tidy) >= weightOf(best))
            return false;
        const auto again = violates(scenario, tidy, finding.rule);
        if (!again)
            return false;
        best = tidy;
        found = again;
        return true;
    };
    for (bool smaller = true; smaller;) {
        smaller = false;
        for (std::size_t r = 0; r < best.size(); ++r) {
            // Whole tails first: after the violation nothing matters.
            for (std::size_t keep = 0; keep < best[r].size(); ++keep) {
                Schedule candidate = best;
                candidate[r].resize(keep);
                if (attempt(candidate)) {
                    smaller = true;
                    break;
                }
            }
            for (std::size_t i = best[r].size(); i-- > 0;) {
                if (i >= best[r].size())
                    continue;
                Schedule candidate = best;
                candidate[r].erase(candidate[r].begin() + static_cast<std::ptrdiff_t>(i));
                if (attempt(candidate)) {
                    smaller = true;
                    continue;
                }
                // Moved into the next run of the same actor, which it then joins.
                for (std::size_t j = i + 1; j < best[r].size(); ++j)
                    if (best[r][j].first == best[r][i].first) {
                        candidate = best;
                        candidate[r][j].second += candidate[r][i].second;
                        candidate[r].erase(candidate[r].begin() + static_cast<std::ptrdiff_t>(i));
                        smaller |= attempt(candidate);
                        break;
                    }
            }
            for (std::size_t i = 0; i < best[r].size(); ++i)
                for (u64 cut = best[r][i].second / 2; cut > 0 && i < best[r].size(); cut /= 2) {
                    Schedule candidate = best;
                    if (candidate[r][i].second <= cut)
                        continue;
                    candidate[r][i].second -= cut;
                    smaller |= attempt(candidate);
                }
        }
    }
    result.schedule = best;
    result.text = found->text;
    result.also = found->also;
    std::tie(result.switches, result.steps) = weightOf(best);
    result.shortened = true;
    return result;
}

namespace {
// What stands inside of a race is about the order that the file gives, as is that order.
void forgetOrder(YamlNode& steps) {
    std::erase_if(steps.items, [](const YamlNode& step) { return step.kind == YamlNode::Kind::Map && step.find("expect") != nullptr; });
}

std::string itemText(const YamlNode& item, const Schedule& schedule, std::size_t& race) {
    const YamlNode* actors = item.kind == YamlNode::Kind::Map ? item.find("race") : nullptr;
    if (actors == nullptr)
        return "  - " + flowText(item) + "\n";
    std::string out = "  - race:\n";
    for (const auto& [key, value] : actors->entries) {
        YamlNode steps = value;
        forgetOrder(steps);
        if (key.text != "schedule" && !(steps.items.empty() && !value.items.empty()))
            out += "      " + key.text + ": " + flowText(steps) + "\n";
    }
    if (race < schedule.size() && !schedule[race].empty()) {
        out += "    schedule:\n";
        for (const auto& [name, count] : schedule[race])
            out += fmt::format("      - {{{}: {}}}\n", name, count);
    }
    ++race;
    return out;
}
} // namespace

namespace {
std::string titleOf(const Scenario& scenario, const Counterexample& example) {
    std::string title = scenario.title.empty() ? scenario.file : scenario.title;
    using As = Counterexample::Kind;
    const std::string_view what = example.kind == As::End      ? std::string_view("one of its ends")
                                  : example.kind == As::Chosen ? std::string_view("another order")
                                                               : std::string_view(example.rule);
    // Of an order that was opened from another one it is said once.
    const std::string tail = fmt::format(": {}", what);
    return title.ends_with(tail) ? title : title + tail;
}

std::string originOf(const Counterexample& example) {
    if (example.kind != Counterexample::Kind::Violation)
        return {};
    if (!example.shortened)
        return "Found by exploring every interleaving.\n\n";
    if (example.switches == 0)
        return "The order of the file shows it: no actor has to be interrupted.\n\n";
    return fmt::format("Found by exploring every interleaving, then shortened to {}.\n\n",
                       example.switches == 1 ? std::string("1 run of micro-steps")
                                             : fmt::format("{} runs of micro-steps", example.switches));
}
} // namespace

std::string scenarioOf(const Scenario& scenario, const Counterexample& example) {
    const YamlNode document = documentOf(scenario.file, scenario.source, scenario.overrides);
    std::string out = "mirrorscope: 1\ntitle: " + flowText(yamlScalar(titleOf(scenario, example), true)) +
                      "\nabout: " + blockText(originOf(example) + example.text + (scenario.about.empty() ? "" : "\n\n" + scenario.about));
    for (const char* key : {"tags", "reference"})
        if (const YamlNode* node = document.find(key))
            out += std::string(key) + ": " + flowText(*node) + "\n";
    YamlNode machine;
    machine.kind = YamlNode::Kind::Map;
    if (const YamlNode* node = document.find("machine"))
        machine = *node;
    out += "machine: " + flowText(machine) + "\nscript:\n";
    std::size_t race = 0;
    if (const YamlNode* script = document.find("script"))
        for (const YamlNode& item : script->items)
            out += example.kind == Counterexample::Kind::Moment && example.schedule.empty() ? "  - " + flowText(item) + "\n"
                                                                                            : itemText(item, example.schedule, race);
    if (example.kind == Counterexample::Kind::Violation && example.rule != "expect") {
        out += "expect:\n  - {violation: " + example.rule + "}\n";
        for (const std::string& rule : example.also)
            out += "  - {violation: " + rule + "} # follows from it\n";
        return out;
    }
    if (const YamlNode* expect = document.find("expect"))
        out += "expect: " + flowText(*expect) + "\n";
    return out;
}

} // namespace mirrorscope
