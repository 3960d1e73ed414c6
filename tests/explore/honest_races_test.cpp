// SPDX-License-Identifier: GPL-3.0-or-later
// A judge that is wrong: random races in which everybody keeps to the protocol, of releases whose bugs are known. No rule may be broken.
#include "race_maker.h"

#include "support/effort.h"
#include "support/run.h"
#include "support/seed.h"

#include <gtest/gtest.h>

#include <chrono>
#include <iostream>
#include <map>

namespace mirrorscope::test {

namespace {
bool has(const std::string& text, std::string_view word) { return text.find(word) != std::string::npos; }

// Who calls KVM's functions or the module by himself, changes the RMP, or launches a guest that runs already, keeps to nothing; and who
// watches a page must serve it.
std::optional<RandomRace> honest(const RandomRace& made, u64 n) {
    const std::string text = made.text();
    for (const char* word : {"break: [", "{call: ", "seamcall", "rmpupdate", "userfaultfd", "snp-launch"})
        if (has(text, word))
            return std::nullopt;
    RandomRace race = made;
    if (const std::size_t at = race.machine.find("kernel: \"6.16\""); at != std::string::npos)
        race.machine.replace(at, 14, "kernel: \"fixed\"");
    return n % 2 == 1 ? onLaterKernel(race, n / 2) : race;
}

// What such a kernel is known for.
bool isKnown(const RandomRace& race, const ExploreFinding& found) {
    const bool later = !has(race.machine, "\"fixed\""), td = has(race.machine, "vm: tdx");
    return found.rule == "expect" ||
           // scenarios/history/fast-zap-private-fault.yaml and fast-zap-prefault.yaml, not mended yet
           (found.rule == "progress" && later && has(race.text(), "zap-all")) ||
           // a guest that touches what it did not accept is its VM's death, which KVM_PRE_FAULT_MEMORY does not expect
           (found.rule == "kernel-asserts" && td && has(found.text, "the VM died while it was pre-faulted"));
}

// The rules that are broken, and what was found first of each.
std::map<std::string, std::string> violated(const RandomRace& race, u64 mostSteps) {
    const Scenario scenario = bindScenario("random.yaml", race.text());
    std::map<std::string, std::string> rules;
    for (const ExploreFinding& found : Explorer(scenario, {.all = true, .maxTransitions = mostSteps}).run().findings)
        if (!isKnown(race, found))
            rules.try_emplace(found.rule, found.text);
    return rules;
}
} // namespace

// MIRRORSCOPE_RACES: how many; MIRRORSCOPE_RACES_SECONDS: for how long at most.
TEST(HonestRaces, break_no_rule) {
    const u64 races = wanted("MIRRORSCOPE_RACES", effort(400, 40)), seconds = wanted("MIRRORSCOPE_RACES_SECONDS", 0);
    const u64 mostSteps = wanted("MIRRORSCOPE_RACES_STEPS", 20'000), seed = propertySeed();
    const auto begin = std::chrono::steady_clock::now();
    u64 explored = 0;
    for (u64 n = 0; explored < races; ++n) {
        if (seconds != 0 && std::chrono::steady_clock::now() - begin > std::chrono::seconds(seconds))
            break;
        const auto race = honest(randomRace(seed * 1'000'003 + n), n);
        if (!race)
            continue;
        ++explored;
        for (const auto& [rule, text] : violated(*race, mostSteps)) {
            const RandomRace small =
                shrunk(*race, [&rule = rule, mostSteps](const RandomRace& smaller) { return violated(smaller, mostSteps).contains(rule); });
            ADD_FAILURE() << "race " << n << " of seed " << seed << " breaks " << rule << ": " << text << "\n" << small.text();
        }
    }
    std::cout << explored << " races\n";
}

} // namespace mirrorscope::test
