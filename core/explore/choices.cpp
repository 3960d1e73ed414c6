// SPDX-License-Identifier: GPL-3.0-or-later
#include "explore/choices.h"
#include "explore/explorer.h"

namespace mirrorscope {

namespace {
// Runs a race in that order, as far as the order says.
void follow(Race& race, Sim& sim, const std::vector<std::pair<std::string, u64>>& runs) {
    for (const auto& [actor, steps] : runs) {
        unsigned lane = 0;
        while (lane < race.count() && sim.actorName(race.actorOf(lane)) != actor)
            ++lane;
        if (lane == race.count())
            return;
        for (u64 n = 0; n < steps && !race.done(lane) && race.enabled(lane);)
            n += race.run(lane);
    }
}
} // namespace

std::vector<Choice> choicesAt(const Scenario& scenario, const RacePosition& at) {
    Runner runner(scenario, {.check = false});
    runner.setIgnoreRaceExpectations(true);
    Sim& sim = runner.system().sim();
    std::size_t races = 0;
    for (const Step& step : scenario.script) {
        if (step.verb != Verb::Race) {
            runner.runItem(step);
            continue;
        }
        const bool isLast = races == at.race;
        sim.startOver();
        sim.setScript(step.index);
        Race race(sim, runner.raceActors(step));
        if (races < at.soFar.size())
            follow(race, sim, at.soFar[races]);
        ++races;
        if (!isLast) {
            sim.setScript(0);
            runner.quiet();
            continue;
        }
        std::vector<Choice> choices;
        for (unsigned i = 0; i < race.count(); ++i) {
            if (!race.serves(i))
                race.start(i);
            if (race.done(i))
                continue;
            Choice choice;
            choice.actor = sim.actorName(race.actorOf(i));
            choice.site = race.pendingSite(i);
            choice.where = sim.paths().names(race.pendingPath(i));
            choice.enabled = race.enabled(i);
            choices.push_back(std::move(choice));
        }
        return choices;
    }
    return {};
}

} // namespace mirrorscope
