// SPDX-License-Identifier: GPL-3.0-or-later
#include "explore/by_states.h"

#include <algorithm>
#include <optional>
#include <span>
#include <utility>

namespace mirrorscope {

void Explorer::ByStates::backTo(const Here& here) {
    path_.resize(here.length);
    explorer_.goBack(race_, here.at, here.saved);
}

// To go back past several micro-steps of an actor it is enough to know where it stood before the first.
void Explorer::ByStates::dropIfSaved(u16 actor, Ample::Set& saved) {
    if (saved[actor])
        race_.dropSaved();
    saved.set(actor);
}

// That actor's next micro-step from the present state, which is `from`. What it accessed.
Ample::Accessed Explorer::ByStates::move(const Snapshot& from, u16 actor, std::vector<Ample::Standing>& standings) {
    const std::size_t begin = race_.accesses(actor).size();
    race_.save(actor);
    explorer_.advance(item_, race_, from, path_, actor);
    if (!reduce_ && !sleeps_)
        return Ample::kUnknown;
    Ample& ample = explorer_.ample_;
    const AccessLog& log = race_.accesses(actor);
    const Ample::Accessed what = ample.accessed(log.data() + begin, log.data() + log.size());
    if (!reduce_)
        return what;
    const Ample::Standing now = ample.standing(race_, actor);
    ample.learn(standings[actor], now, what);
    standings[actor] = now;
    return what;
}

void Explorer::ByStates::lookWhoMoves(Node& node) const {
    for (unsigned i = 0; i < race_.count(); ++i) {
        if (race_.done(i) || !race_.enabled(i))
            continue;
        node.choices.push_back(static_cast<u16>(i));
        node.lastCouldGo |= i == node.last;
    }
    // Above the cut the order is that of the tasks.
    if (options_.split && options_.split->backwards && !explorer_.inTop(path_.size()))
        std::reverse(node.choices.begin(), node.choices.end());
}

// The node is now what that micro-step has made of it.
void Explorer::ByStates::hasMoved(Node& node, const Moved& moved) const {
    for (std::size_t i = 0; i < node.accesses.size(); ++i)
        if (Ample::Accessed& known = node.accesses[i];
            known != Ample::kUnknown && (i == moved.actor || !explorer_.ample_.independent(known, moved.accessed))) {
            known = Ample::kUnknown;
            if (i == moved.actor || options_.sleep != ExploreOptions::Sleep::WithoutWaking)
                node.asleep &= static_cast<Sleepers>(~bit(i));
        }
    node.last = moved.actor;
    node.lastCouldGo = false;
    node.choices.clear();
    lookWhoMoves(node);
}

void Explorer::ByStates::lookAtGuards(Node& node) {
    for (unsigned i = 0; i < node.standings.size(); ++i)
        if (node.standings[i] != 0 && std::find(node.choices.begin(), node.choices.end(), i) == node.choices.end())
            node.accesses[i] = explorer_.ample_.learnGuard(race_, i, node.standings[i]);
}

// Of the node at whose state the search is: what that actor's next micro-step accesses.
void Explorer::ByStates::lookAtNext(Node& node, u16 actor) {
    std::vector<Ample::Standing> standings = node.standings;
    node.accesses[actor] = move(node.here.at, actor, standings);
    backTo(node.here);
}

// The state that the path has led to.
Explorer::ByStates::Looked Explorer::ByStates::look(const Node& node) {
    using enum Crew::Found;
    const auto looked = [&](Crew::Found found, Sleepers left) -> Looked { return {found, static_cast<Sleepers>(left & ~node.asleep)}; };
    if (crew_ != nullptr) {
        const auto [found, left] = crew_->enter(node.state.byReads, node.asleep);
        if (reduce_)
            return looked(found, left);
        const HashSet::Entered stacks = explorer_.seenStacks_.enter(node.state.byStacks, node.asleep);
        const HashSet::Entered entered = HashSet::byEither({found == New, left}, stacks);
        if (found != New || entered.isNew)
            return looked(found, entered.left);
        crew_->close(node.state.byReads);
        return looked(Closed, entered.left);
    }
    // Above the cut nothing is left out because of what others have seen; at the cut each state is one task.
    if (explorer_.inTop(path_.size()) || explorer_.atCut(path_.size()))
        return {explorer_.top_.insert(mix(stateHash(race_, explorer_.memoryHash() + extra(node), false), path_.size())) ? New : Closed};
    const HashSet::Entered entered = explorer_.enter(node.state, node.asleep);
    const bool isOpen = reduce_ && !entered.isNew && (onPath_.contains(node.state.byReads) || onPath_.contains(node.state.byStacks));
    return looked(entered.isNew ? New : isOpen ? Open : Closed, entered.left);
}

void Explorer::ByStates::enter(Node node) {
    node.here = here();
    if (reduce_)
        lookAtGuards(node);
    if (reduce_ && crew_ == nullptr) {
        onPath_.push(node.state.byReads);
        onPath_.push(node.state.byStacks);
    }
    nodes_.push_back(std::move(node));
}

// A state that was entered before: of a crew it has to be opened.
void Explorer::ByStates::enterAgain(Node node) {
    if (crew_ != nullptr)
        crew_->open(node.state.byReads);
    enter(std::move(node));
}

void Explorer::ByStates::leave() {
    if (crew_ != nullptr) {
        crew_->close(nodes_.back().state.byReads);
    } else if (reduce_) {
        onPath_.pop();
        onPath_.pop();
    }
    if (explorer_.atCut(nodes_.back().here.length))
        explorer_.taskDone();
    nodes_.pop_back();
}

// Who of that node, at whose state the search is, need be tried?
void Explorer::ByStates::ask(const Node& node) {
    Ample::Set movable;
    for (const u16 choice : node.choices)
        movable.set(choice);
    explorer_.ample_.ask(race_, node.standings, node.accesses, movable);
}

// Of the node that was entered last: who need not be tried. What the micro-steps access is looked at where it is not known and matters.
void Explorer::ByStates::spare() {
    Node& node = nodes_.back();
    if (reduce_ && node.choices.size() > 1 && !explorer_.inTop(path_.size())) {
        for (const u16 choice : node.choices)
            if (node.accesses[choice] == Ample::kUnknown)
                lookAtNext(node, choice);
        ask(node);
        const Ample::Set tried = explorer_.ample_.answer();
        onlyThese(node, [&](u16 choice) { return tried.test(choice); });
        if (node.spared.empty())
            explorer_.branches_.count(true);
        else
            notAllTried(ways_.end(node.way));
    }
    if (node.asleep != 0)
        onlyThese(node, [&](u16 choice) { return !isAsleep(node, choice); });
}

// By the decision that was made last.
void Explorer::ByStates::notAllTried(Ways::Place where) {
    explorer_.branches_.count(false);
    explorer_.result_.reduced = true;
    if (remembersWays())
        ways_.rests(explorer_.ample_.decision(), where);
}

// A state does not tell whether an actor's round saw the machine change, so that a loop that nothing can end closes to a ring
// of known states instead of blocking. Who can move does a round here, one after the other: does each then wait for another?
void Explorer::ByStates::lookWhetherStuck(std::vector<Ample::Standing> standings, unsigned rounds) {
    const Here before = here();
    // A loop within that takes other pages each time closes to a ring, too, and never waits: the others have their turn then.
    constexpr unsigned kLongest = 4096;
    const auto goesRound = [&](unsigned actor) { // and waits, or has begun another
        const std::optional<Race::Round> fresh = race_.freshRound(actor);
        const std::optional<Race::Round> round = fresh ? fresh : race_.outermostRound(actor);
        for (unsigned moves = 0; round && !race_.done(actor) && race_.isIn(actor, *round) && moves < kLongest; ++moves) {
            const std::optional<unsigned> lane = race_.enabled(actor) ? actor : race_.storesThatGo(actor);
            if (!lane)
                return true;
            move(explorer_.snapshot(), static_cast<u16>(*lane), standings);
        }
        return round && !race_.done(actor);
    };
    for (bool all = true; rounds != 0 && all; --rounds)
        for (const unsigned lane : race_.movable())
            if (!race_.serves(lane) && race_.enabled(lane))
                all &= goesRound(lane);
    if (!race_.over() && race_.movable().empty()) {
        explorer_.setSchedule(race_, path_);
        explorer_.deadlock(race_);
    }
    backTo(before);
}

// All that can move stand where a round begins.
bool Explorer::ByStates::roundsBegin(const Node& node) const {
    return std::all_of(node.choices.begin(), node.choices.end(),
                       [&](u16 choice) { return !race_.serves(choice) && race_.freshRound(choice); });
}

// The path has led to where nobody can move.
void Explorer::ByStates::endHere(Node& end) {
    if (reduce_)
        lookAtGuards(end);
    explorer_.setSchedule(race_, path_);
    race_.over() ? explorer_.endOfRace(item_) : explorer_.deadlock(race_);
}

// Who is enough to go on with from the state that the path has led to, if one is: it has moved then. Of the node only where it stands.
Explorer::ByStates::Going Explorer::ByStates::goOn(Node& node) {
    using enum Going::Way;
    const Here before = here();
    const auto go = [&](u16 actor) -> Moved { return {actor, move(before.at, actor, node.standings)}; };
    if (node.choices.size() == 1) {
        const u16 only = node.choices.front();
        return isAsleep(node, only) ? Going{None} : Going{One, go(only)};
    }
    ask(node);
    Ample::Set tried;
    const auto awake = [&] { return tried & ~Ample::Set(node.asleep); };
    const auto leavesOut = [&] { return tried.count() < node.choices.size(); };
    // Mostly it is who moved last. What it accesses must be known, and it has moved when it is.
    const u16 last = node.last;
    const bool triesLast = node.lastCouldGo && node.accesses[last] == Ample::kUnknown;
    if (triesLast) {
        const Ample::Standing stood = node.standings[last];
        const Moved moved = go(last);
        explorer_.ample_.nowKnown(last, moved.accessed);
        tried = explorer_.ample_.answer();
        if (awake() == Ample::Set().set(last))
            return {One, moved, leavesOut()};
        node.standings[last] = stood;
        node.accesses[last] = moved.accessed;
        backTo(before);
    }
    if (std::any_of(node.choices.begin(), node.choices.end(), [&](u16 choice) { return node.accesses[choice] == Ample::kUnknown; }))
        return {Several};
    if (!triesLast)
        tried = explorer_.ample_.answer();
    switch (awake().count()) {
    case 0: return {None, {}, leavesOut()};
    case 1: return {One, go(static_cast<u16>(awake()._Find_first())), leavesOut()};
    default: return {Several};
    }
}

// As long as one actor is enough to go on with the states on its way are neither kept nor looked for. Where a round begins for all,
// somebody will want to look whether they are stuck. False if nobody is left to try at its end.
bool Explorer::ByStates::runOn(Node& node) {
    constexpr unsigned kFarthest = 1024;
    Ample::Set saved;
    saved.set(node.last);
    for (unsigned n = 0; n < kFarthest && !node.choices.empty() && !roundsBegin(node); ++n) {
        lookAtGuards(node);
        const std::size_t could = node.choices.size(), moves = path_.size() - nodes_.back().here.length;
        const Going going = goOn(node);
        if (going.way == Going::Way::Several)
            return true;
        if (going.leftOut)
            notAllTried({ways_.next(), static_cast<u32>(moves)});
        else if (could > 1)
            explorer_.branches_.count(true);
        if (going.way == Going::Way::None)
            return false;
        dropIfSaved(going.moved.actor, saved);
        hasMoved(node, going.moved);
        // Ways that have met are to meet in a state that is kept, soon.
        constexpr u64 kKept = 16;
        if (mix(explorer_.memoryHash(), race_.localHash(going.moved.actor)) % kKept == 0)
            return true;
    }
    return true;
}

// From the last node: that choice, and what it leads to.
void Explorer::ByStates::follow(u16 choice, unsigned preemptions) {
    backTo(nodes_.back().here);
    Node next;
    next.standings = nodes_.back().standings;
    next.accesses = nodes_.back().accesses;
    next.asleep = nodes_.back().asleep;
    next.preemptions = preemptions;
    const Ample::Accessed accessed = move(nodes_.back().here.at, choice, next.standings);
    if (sleeps_) {
        nodes_.back().accesses[choice] = accessed;
        nodes_.back().asleep |= bit(choice);
    }
    hasMoved(next, {choice, accessed});
    explorer_.result_.slept |= next.asleep != 0;
    const bool isLeft = !reduce_ || options_.split || runOn(next);
    if (remembersWays())
        next.way = ways_.add(nodes_.back().way, std::span(path_).subspan(nodes_.back().here.length));
    if (!isLeft)
        return;
    if (next.choices.empty()) {
        const bool isTask = explorer_.inTop(path_.size()) || explorer_.atCut(path_.size());
        if (!isTask || explorer_.takeTask()) {
            endHere(next);
            if (isTask)
                explorer_.taskDone();
        }
        return;
    }
    next.state = stateOf(next);
    const auto [found, missing] = look(next);
    if (found != Crew::Found::New || (explorer_.atCut(path_.size()) && !explorer_.takeTask())) {
        // Round in a circle nobody may be spared for ever.
        if (reduce_ && found == Crew::Found::Open) {
            sparedAreTried(nodes_.back());
            // The others may have had no turn to come to where their rounds begin.
            constexpr unsigned kRounds = 3;
            lookWhetherStuck(next.standings, kRounds);
        }
        if (missing != 0)
            makeUp(std::move(next), missing);
        return;
    }
    explorer_.result_.states += explorer_.counts(path_.size());
    const bool round = roundsBegin(next);
    enter(std::move(next));
    if (round)
        lookWhetherStuck(nodes_.back().standings, 1);
    spare();
}

void Explorer::ByStates::sparedAreTried(Node& node) const {
    node.asleep = 0; // who has led into the circle was not tried to an end
    node.choices.insert(node.choices.end(), node.spared.begin(), node.spared.end());
    node.spared.clear();
}

// The path has led to a state that was entered before, but with those asleep: what they do from there.
void Explorer::ByStates::makeUp(Node node, Sleepers missing) {
    onlyThese(node, [&](u16 choice) { return (bit(choice) & missing) != 0; });
    enterAgain(std::move(node));
}

void Explorer::ByStates::search() {
    if (reduce_)
        for (unsigned i = 0; i < race_.count(); ++i)
            standingsThen_.push_back(explorer_.ample_.standing(race_, i));
    Node first = atBeginning();
    lookWhoMoves(first);
    if (first.choices.empty()) {
        endHere(first);
        return;
    }
    first.state = stateOf(first);
    beginning_ = here();
    if (reduce_)
        walk(std::exchange(explorer_.walk_, 0));
    if (look(first).found == Crew::Found::New || crew_ == nullptr) { // of a crew one enters it
        enter(std::move(first));
        spare();
    }
    while (!nodes_.empty() || goOnWhereWrong() || join()) {
        if (crew_ != nullptr && crew_->isHungry())
            share();
        Node& node = nodes_.back();
        if (node.next == node.choices.size()) {
            leave();
            continue;
        }
        const u16 choice = node.choices[node.next++];
        const unsigned preemptions = node.preemptions + (node.lastCouldGo && choice != node.last);
        if (options_.preemptions && preemptions > *options_.preemptions) {
            explorer_.result_.cut = true;
            continue;
        }
        follow(choice, preemptions);
        if (reduce_ && explorer_.looksAgain())
            lookAgain();
    }
}

void Explorer::raceByStates(std::size_t item, Race& race) { ByStates(*this, item, race).search(); }

} // namespace mirrorscope
