// SPDX-License-Identifier: GPL-3.0-or-later
// A search by states goes elsewhere in its race: to learn; to where a decision turned out to be wrong; to what another search gives away.
#include "explore/by_states.h"

#include <algorithm>
#include <span>
#include <unordered_set>
#include <utility>

namespace mirrorscope {

// Random orders teach soon what the search itself would come to late.
void Explorer::ByStates::walk(u64 steps) {
    const u64 end = explorer_.result_.transitions + steps;
    const auto goesOn = [&] { return explorer_.result_.transitions < end; };
    constexpr u64 kRates = 5; // how often they take turns: every 2nd micro-step to every 512th
    for (u64 seed = end + options_.member; goesOn();) {
        std::vector<Ample::Standing> standings = standingsThen_;
        u16 actor = 0;
        const u64 often = u64{2} << seed % kRates * 2;
        for (std::vector<unsigned> movable; !(movable = race_.movable()).empty() && goesOn();) {
            seed = mix(seed, path_.size());
            if (path_.empty() || race_.done(actor) || !race_.enabled(actor) || seed % often == 0)
                actor = static_cast<u16>(movable[(seed >> 8) % movable.size()]);
            move(explorer_.snapshot(), actor, standings);
        }
        backTo(beginning_);
    }
}

// A scenario of several races has several searches that rest on the same decisions.
bool Explorer::ByStates::remembersWays() const { return explorer_.hasOneRace_ && reduce_ && !options_.split && !ways_.full(); }

// Do all decisions still hold? Where they do not the search will go on, if that is less work than to begin anew.
void Explorer::ByStates::lookAgain() {
    if (explorer_.pays_ && explorer_.branches_.payLittle()) {
        explorer_.pays_ = false;
        if (!explorer_.reduces(race_)) {
            if (crew_ != nullptr)
                crew_->leaveNobodyOut();
            throw Again{};
        }
    }
    explorer_.takeNews();
    const std::unordered_set<u64> wrong = explorer_.ample_.wrong();
    if (wrong.empty())
        return;
    if (!remembersWays())
        explorer_.callAnew();
    const std::vector<Ways::Place> places = ways_.take(wrong);
    todo_.insert(todo_.end(), places.begin(), places.end());
    u64 length = 0;
    for (const Ways::Place place : todo_)
        length += ways_.length(place);
    const Ample::Part without = options_.ampleWithout;
    if (length > explorer_.result_.transitions && without != Ample::Part::BeginningAnew && without != Ample::Part::GoingOn)
        explorer_.callAnew();
    if (without == Ample::Part::GoingOn)
        todo_.clear();
}

// To a state where somebody was spared by a decision that turned out to be wrong; all are tried there. False if there is none.
bool Explorer::ByStates::goOnWhereWrong() {
    if (!reduce_)
        return false;
    lookAgain();
    if (todo_.empty())
        return false;
    const Ways::Place place = todo_.back();
    todo_.pop_back();
    Node node = along(ways_.moves(place));
    lookWhoMoves(node);
    node.way = ways_.branch(place);
    enterAgain(std::move(node));
    return true;
}

// The search goes to where these micro-steps lead to from the beginning of the race.
Explorer::ByStates::Node Explorer::ByStates::along(std::span<const u16> moves) {
    backTo(beginning_);
    Node node = atBeginning();
    Ample::Set saved;
    for (const u16 actor : moves) {
        move(explorer_.snapshot(), actor, node.standings);
        dropIfSaved(actor, saved);
    }
    node.state = stateOf(node);
    return node;
}

// Somebody has nothing to do: of what this search still has to do he gets a part that is likely to be large, as long as enough is left.
void Explorer::ByStates::share() {
    if (!todo_.empty()) {
        Crew::Task task;
        task.path = ways_.moves(todo_.back());
        task.all = true;
        crew_->give(std::move(task));
        todo_.pop_back();
        return;
    }
    std::size_t left = 0;
    for (const Node& node : nodes_)
        left += node.choices.size() - node.next;
    if (left < 2)
        return;
    const auto first = std::find_if(nodes_.begin(), nodes_.end(), [](const Node& node) { return node.next < node.choices.size(); });
    const std::size_t has = first->choices.size() - first->next, gives = has == left ? has / 2 : has;
    Crew::Task task{.path = {},
                    .all = false,
                    .choices = {first->choices.end() - static_cast<std::ptrdiff_t>(gives), first->choices.end()},
                    .spared = first->spared,
                    .asleep = first->asleep,
                    .preemptions = first->preemptions,
                    .last = first->last,
                    .lastCouldGo = first->lastCouldGo,
                    .open = kept_};
    for (const u16 choice : std::span(path_).first(first->here.length))
        task.path.push_back(choice & ~kNoMicroStep);
    for (auto node = nodes_.begin(); node <= first; ++node)
        task.open.push_back(node->state.byReads);
    first->choices.resize(first->choices.size() - gives);
    crew_->give(std::move(task));
}

void Explorer::ByStates::takeOn(const Crew::Task& task) {
    Node node = along(task.path);
    node.preemptions = task.preemptions;
    node.last = task.last;
    node.way = remembersWays() ? ways_.add(0, task.path) : 0;
    lookWhoMoves(node);
    node.lastCouldGo = task.lastCouldGo;
    if (task.all)
        return enterAgain(std::move(node));
    kept_ = task.open;
    kept_.pop_back(); // its own, which it closes itself
    enter(std::move(node));
    Node& here = nodes_.back();
    for (const u16 choice : here.choices)
        if ((bit(choice) & task.asleep) != 0)
            lookAtNext(here, choice);
    here.asleep = task.asleep;
    here.choices = task.choices;
    here.spared = task.spared;
}

// With nothing left to do: helps the others, if there are any that have. False at the end of the search.
bool Explorer::ByStates::join() {
    if (crew_ == nullptr)
        return false;
    for (; !kept_.empty(); kept_.pop_back())
        crew_->close(kept_.back());
    const auto rest = [&] {
        if (explorer_.isOver())
            crew_->stop();
    };
    for (Crew::Task task; true;)
        switch (crew_->wait(options_.member, task, rest)) {
        case Crew::Next::Task: takeOn(task); return true;
        case Crew::Next::Facts:
            explorer_.takeNews(); // whether or not they are of use to it
            if (goOnWhereWrong())
                return true;
            break;
        case Crew::Next::Done: return false;
        case Crew::Next::Stop: throw Stop{};
        case Crew::Next::Anew: throw Again{};
        }
}

} // namespace mirrorscope
