// SPDX-License-Identifier: GPL-3.0-or-later
// A race, entering no state twice.
#include "explore/explorer.h"

#include <algorithm>
#include <optional>

namespace mirrorscope {

namespace {
struct Node {
    std::vector<u16> choices;
    unsigned next = 0;
    u16 last = 0;             // who took the micro-step that led here
    bool lastCouldGo = false; // and could take the next one, so that another's is a preemption
    unsigned preemptions = 0;
};
} // namespace

void Explorer::raceByStates(std::size_t item, Race& race) {
    std::vector<Node> nodes;
    std::vector<Snapshot> at; // the machine as it was at each node; where the actors stood is in `race`
    std::vector<u16> path;
    const auto enabled = [&](u16 last, unsigned preemptions) {
        Node node;
        node.last = last;
        node.preemptions = preemptions;
        for (unsigned i = 0; i < race.count(); ++i) {
            if (race.done(i) || !race.enabled(i))
                continue;
            node.choices.push_back(static_cast<u16>(i));
            node.lastCouldGo |= i == last;
        }
        // Above the cut the order is that of the tasks.
        if (options_.split && options_.split->backwards && !inTop(path.size()))
            std::reverse(node.choices.begin(), node.choices.end());
        return node;
    };
    // With a bound on preemptions a state is also what is left of them.
    const auto extra = [&](const Node& node) {
        return options_.preemptions ? mix(node.preemptions + 1, node.lastCouldGo ? node.last + 1 : 0) : 0;
    };
    // A state does not tell whether an actor's round saw the machine change, so that a loop that nothing can end closes to a ring
    // of known states instead of blocking. Such a ring has a state in which nobody else can go and a round begins: from there it is run.
    const auto runRound = [&](u16 actor) {
        const std::size_t length = path.size();
        const u64 rounds = race.roundsBegun(actor);
        while (!race.done(actor) && race.roundsBegun(actor) == rounds) {
            const std::optional<unsigned> lane = race.enabled(actor) ? actor : race.storesThatGo(actor);
            if (!lane)
                break;
            advance(item, race, snapshot(), path, *lane);
        }
        if (!race.over() && enabled(actor, 0).choices.empty()) {
            setSchedule(race, path);
            deadlock(race);
        }
        path.resize(length);
    };
    constexpr u16 kNobody = 0xffff;
    nodes.push_back(enabled(kNobody, 0));
    if (nodes.back().choices.empty()) {
        setSchedule(race, path);
        race.over() ? endOfRace(item) : deadlock(race);
        return;
    }
    const auto isNewHere = [&](const Node& node) {
        // Above the cut nothing is left out because of what others have seen; at the cut each state is one task.
        if (inTop(path.size()) || atCut(path.size()))
            return top_.insert(mix(stateHash(race, memoryHash() + extra(node), false), path.size()));
        return isNew(race, item, extra(node));
    };
    isNewHere(nodes.back());
    at.push_back(snapshot());
    while (!nodes.empty()) {
        Node& node = nodes.back();
        if (node.next == node.choices.size()) {
            nodes.pop_back();
            at.pop_back();
            if (atCut(path.size()))
                taskDone();
            if (!path.empty())
                path.pop_back();
            continue;
        }
        const u16 choice = node.choices[node.next++];
        const unsigned preemptions = node.preemptions + (node.lastCouldGo && choice != node.last);
        if (options_.preemptions && preemptions > *options_.preemptions) {
            result_.cut = true;
            continue;
        }
        advance(item, race, at.back(), path, choice);
        Node next = enabled(choice, preemptions);
        if (next.choices.empty()) {
            const bool isTask = inTop(path.size()) || atCut(path.size());
            if (isTask && !takeTask()) {
                path.pop_back();
                continue;
            }
            setSchedule(race, path);
            if (race.over())
                endOfRace(item);
            else
                deadlock(race);
            if (isTask)
                taskDone();
            path.pop_back();
            continue;
        }
        if (!isNewHere(next) || (atCut(path.size()) && !takeTask())) {
            path.pop_back();
            continue;
        }
        result_.states += counts(path.size());
        const bool alone = next.choices.size() == 1 && next.choices.front() == choice;
        nodes.push_back(std::move(next));
        at.push_back(snapshot());
        if (alone && race.hasBegunRound())
            runRound(choice);
    }
}

} // namespace mirrorscope
