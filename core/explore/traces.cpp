// SPDX-License-Identifier: GPL-3.0-or-later
#include "explore/traces.h"

#include <algorithm>

namespace mirrorscope {

namespace {
Reduction::Set enabledIn(const TraceWorld& world) {
    Reduction::Set set;
    for (unsigned i = 0; i < world.actors(); ++i)
        set.set(i, !world.done(i) && world.enabled(i));
    return set;
}

// Who waits. Whoever waited before and did not move waits for the same words.
std::vector<Reduction::Waiting> waitingIn(TraceWorld& world, const Reduction::Set& enabled, const std::vector<Reduction::Waiting>& before,
                                          unsigned moved) {
    std::vector<Reduction::Waiting> list;
    for (unsigned i = 0; i < world.actors(); ++i) {
        if (enabled[i] || world.done(i))
            continue;
        const auto same = std::find_if(before.begin(), before.end(), [&](const Reduction::Waiting& w) { return w.actor == i; });
        if (same != before.end() && i != moved && world.keepsGuard(i))
            list.push_back(*same);
        else
            list.push_back({i, std::make_shared<const Footprint>(world.guard(i))});
    }
    return list;
}
} // namespace

void exploreTraces(TraceWorld& world, Reduction::Part without) {
    Reduction reduction(world.actors(), without);
    std::vector<unsigned> path;
    const Reduction::Set first = enabledIn(world);
    if (first.none()) {
        world.ended();
        return;
    }
    const auto enter = [&](const Reduction::Set& set, std::vector<Reduction::Asleep> sleep, std::vector<Reduction::Waiting> waiting) {
        reduction.enter(set, std::move(sleep), std::move(waiting));
        if (world.triesAll())
            reduction.nodes().back().backtrack = set;
    };
    // The micro-step that was tried last is asleep from now on: what comes after it from here was seen.
    const auto takeBack = [&] {
        world.takeBack();
        reduction.nodes().back().sleep.push_back({path.back(), reduction.lastFootprint()});
        path.pop_back();
        reduction.pop();
    };
    enter(first, {}, waitingIn(world, first, {}, 0));
    while (true) {
        Reduction::Node& node = reduction.nodes().back();
        const Reduction::Set open = node.backtrack & ~node.asleep();
        if (open.none()) {
            reduction.nodes().pop_back();
            world.left();
            if (path.empty())
                return;
            takeBack();
            continue;
        }
        const auto choice = static_cast<unsigned>(open._Find_first());
        const Condition waited = world.condition(choice);
        Footprint touched = world.step(choice);
        path.push_back(choice);
        std::vector<Reduction::Asleep> sleep = reduction.sleepAfter(node, choice, touched);
        reduction.push(choice, std::move(touched), waited);
        world.compared(reduction.compared());
        const Reduction::Set next = enabledIn(world);
        std::vector<Reduction::Waiting> waiting = waitingIn(world, next, reduction.nodes().back().waiting, choice);
        if (next.any() && (next & ~Reduction::actorsOf(sleep)).none()) {
            world.givenUp();
            reduction.end(waiting);
            takeBack();
        } else if (!world.enters(next.none())) {
            takeBack();
        } else if (next.none()) {
            reduction.end(waiting);
            world.ended();
            takeBack();
        } else {
            enter(next, std::move(sleep), std::move(waiting));
        }
    }
}

} // namespace mirrorscope
