// SPDX-License-Identifier: GPL-3.0-or-later
// A race, running of all equivalent orders only one.
#include "explore/explorer.h"
#include "explore/reduction.h"

#include <bit>

namespace mirrorscope {

void Explorer::raceByTraces(std::size_t item, Race& race) {
    Reduction reduction(race.count());
    std::vector<Snapshot> at;
    std::vector<u8> path;
    const auto enabled = [&] {
        Reduction::Set set = 0;
        for (unsigned i = 0; i < race.count(); ++i)
            if (!race.done(i) && race.enabled(i))
                set |= 1u << i;
        return set;
    };
    const auto waitOf = [&](unsigned i) {
        const AccessLog words = race.awaited(i);
        return Reduction::Wait{footprint(words.data(), words.data() + words.size()), race.condition(i), race.isRcu(i)};
    };
    // The micro-step that was tried last is asleep from now on: what comes after it from here was seen.
    const auto takeBack = [&] {
        const u8 choice = path.back() & ~kNoMicroStep;
        path.pop_back();
        reduction.nodes().back().sleep.push_back({choice, reduction.lastFootprint()});
        reduction.pop();
    };
    // Above the cut into tasks everything is tried, whatever the tasks find: only what is asleep is left out.
    const auto enter = [&](Reduction::Set set, std::vector<Reduction::Asleep> sleep) {
        reduction.enter(set, std::move(sleep));
        if (inTop(path.size()))
            reduction.nodes().back().backtrack = set;
        at.push_back(snapshot());
    };
    enter(enabled(), {});
    while (true) {
        Reduction::Node& node = reduction.nodes().back();
        const Reduction::Set open = node.backtrack & ~node.asleep();
        if (open == 0) {
            reduction.nodes().pop_back();
            at.pop_back();
            if (atCut(path.size()))
                taskDone();
            if (path.empty())
                break;
            takeBack();
            continue;
        }
        const auto choice = static_cast<unsigned>(std::countr_zero(open));
        goBack(race, at.back(), path.size());
        const Reduction::Wait waited = waitOf(choice);
        const std::size_t before = race.accesses(choice).size();
        advance(item, race, at.back(), path, choice);
        const AccessLog& log = race.accesses(choice);
        Footprint touched = footprint(log.data() + before, log.data() + log.size());
        std::vector<Reduction::Asleep> sleep = reduction.sleepAfter(node, choice, touched);
        reduction.push(choice, std::move(touched), waited);
        const Reduction::Set next = enabled();
        if (next != 0 && (next & ~Reduction::actorsOf(sleep)) == 0) {
            result_.redundant += counts(path.size());
            takeBack();
            continue;
        }
        const bool isTask = atCut(path.size()) || (next == 0 && inTop(path.size()));
        if (isTask && !takeTask()) {
            takeBack();
            continue;
        }
        if (next == 0) {
            setSchedule(race, path);
            if (race.over()) {
                endOfRace(item);
            } else {
                for (unsigned i = 0; i + 1 < race.count(); ++i)
                    if (!race.done(i))
                        reduction.waits(i, waitOf(i));
                deadlock(race);
            }
            if (isTask)
                taskDone();
            takeBack();
            continue;
        }
        enter(next, std::move(sleep));
    }
}

} // namespace mirrorscope
