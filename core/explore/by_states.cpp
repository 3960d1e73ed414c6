// SPDX-License-Identifier: GPL-3.0-or-later
// A race, entering no state twice.
#include "explore/explorer.h"
#include "explore/path_set.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace mirrorscope {

class Explorer::ByStates {
public:
    ByStates(Explorer& explorer, std::size_t item, Race& race)
        : explorer_(explorer), options_(explorer.options_), item_(item), race_(race), reduce_(explorer.reduces(race)) {}
    void search();

private:
    struct Node {
        Snapshot at; // the machine; where the actors stood is in race_
        std::vector<u16> choices;
        std::vector<u16> spared; // could move, too, but need not be tried
        unsigned next = 0;
        u16 last = kNobody;       // who took the micro-step that led here
        bool lastCouldGo = false; // and could take the next one, so that another's is a preemption
        unsigned preemptions = 0;
        // If the search is reduced: where the actors stand; what each one's next micro-step accesses or, if it waits, its guard, as far as
        // that is known; the state.
        std::vector<Ample::Standing> standings = {};
        std::vector<Ample::Accessed> accesses = {};
        StateHash state = {};
    };
    static constexpr u16 kNobody = 0xffff;

    Ample::Accessed move(const Snapshot& from, u16 actor, std::vector<Ample::Standing>& standings);
    void lookWhoMoves(Node& node) const;
    void lookAtGuards(Node& node);
    bool isNew(const Node& node);
    void enter(Node node);
    void leave();
    void follow(u16 choice, unsigned preemptions);
    void endHere(Node& end);
    void spare();
    void walk(u64 steps);
    void lookWhetherStuck(std::vector<Ample::Standing> standings, unsigned rounds);
    bool roundsBegin(const Node& node) const;
    // With a bound on preemptions a state is also what is left of them.
    u64 extra(const Node& node) const { return options_.preemptions ? mix(node.preemptions + 1, node.lastCouldGo ? node.last + 1 : 0) : 0; }

    Explorer& explorer_;
    const ExploreOptions& options_;
    std::size_t item_;
    Race& race_;
    const bool reduce_;
    std::vector<Node> nodes_;
    std::vector<u16> path_;
    PathSet onPath_; // by both hashes
};

// That actor's next micro-step from the state that the path has led to, which is `from`. What it accessed.
Ample::Accessed Explorer::ByStates::move(const Snapshot& from, u16 actor, std::vector<Ample::Standing>& standings) {
    explorer_.goBack(race_, from, path_.size());
    const std::size_t begin = race_.accesses(actor).size();
    explorer_.advance(item_, race_, from, path_, actor);
    if (!reduce_)
        return Ample::kUnknown;
    Ample& ample = explorer_.ample_;
    const AccessLog& log = race_.accesses(actor);
    const Ample::Accessed what = ample.accessed(log.data() + begin, log.data() + log.size());
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

void Explorer::ByStates::lookAtGuards(Node& node) {
    for (unsigned i = 0; i < node.standings.size(); ++i)
        if (node.standings[i] != 0 && std::find(node.choices.begin(), node.choices.end(), i) == node.choices.end())
            node.accesses[i] = explorer_.ample_.learnGuard(race_, i, node.standings[i]);
}

bool Explorer::ByStates::isNew(const Node& node) {
    // Above the cut nothing is left out because of what others have seen; at the cut each state is one task.
    if (explorer_.inTop(path_.size()) || explorer_.atCut(path_.size()))
        return explorer_.top_.insert(mix(stateHash(race_, explorer_.memoryHash() + extra(node), false), path_.size()));
    return explorer_.isNew(node.state);
}

// The state that the path has led to.
void Explorer::ByStates::enter(Node node) {
    node.at = explorer_.snapshot();
    if (reduce_) {
        lookAtGuards(node);
        onPath_.push(node.state.byReads);
        onPath_.push(node.state.byStacks);
    }
    nodes_.push_back(std::move(node));
}

void Explorer::ByStates::leave() {
    if (reduce_) {
        onPath_.pop();
        onPath_.pop();
    }
    nodes_.pop_back();
    if (explorer_.atCut(path_.size()))
        explorer_.taskDone();
    if (!path_.empty())
        path_.pop_back();
}

// Of the node that was entered last: who need not be tried. What the micro-steps access is looked at where it is not known and matters.
void Explorer::ByStates::spare() {
    Node& node = nodes_.back();
    if (!reduce_ || node.choices.size() < 2 || explorer_.inTop(path_.size()))
        return;
    Ample::Set movable;
    for (const u16 choice : node.choices)
        movable.set(choice);
    const auto choose = [&] { return explorer_.ample_.choose(race_, node.standings, node.accesses, movable); };
    Ample::Set tried = choose();
    if (tried.count() > 1) {
        for (const u16 choice : node.choices) {
            std::vector<Ample::Standing> standings = node.standings;
            if (Ample::Accessed& next = node.accesses[choice]; next == Ample::kUnknown) {
                next = move(node.at, choice, standings);
                path_.pop_back();
            }
        }
        explorer_.goBack(race_, node.at, path_.size());
        tried = choose();
    }
    explorer_.branched_[tried.count() < node.choices.size()] += 1;
    explorer_.result_.reduced |= tried.count() < node.choices.size();
    const auto spared = std::stable_partition(node.choices.begin(), node.choices.end(), [&](u16 choice) { return tried.test(choice); });
    node.spared.assign(spared, node.choices.end());
    node.choices.erase(spared, node.choices.end());
}

// Random orders teach soon what the search itself would come to late.
void Explorer::ByStates::walk(u64 steps) {
    const u64 end = explorer_.result_.transitions + steps;
    const auto goesOn = [&] { return explorer_.result_.transitions < end; };
    for (u64 seed = end; goesOn();) {
        std::vector<Ample::Standing> standings = nodes_.back().standings;
        u16 actor = 0;
        for (std::vector<unsigned> movable; !(movable = race_.movable()).empty() && goesOn();) {
            seed = mix(seed, path_.size());
            constexpr u64 kSwitch = 8;
            if (path_.empty() || race_.done(actor) || !race_.enabled(actor) || seed % kSwitch == 0)
                actor = static_cast<u16>(movable[(seed >> 8) % movable.size()]);
            move(explorer_.snapshot(), actor, standings);
        }
        path_.clear();
        explorer_.goBack(race_, nodes_.back().at, 0);
    }
}

// A state does not tell whether an actor's round saw the machine change, so that a loop that nothing can end closes to a ring
// of known states instead of blocking. Who can move does a round here, one after the other: does each then wait for another?
void Explorer::ByStates::lookWhetherStuck(std::vector<Ample::Standing> standings, unsigned rounds) {
    const Snapshot here = explorer_.snapshot();
    const std::size_t length = path_.size();
    const auto goesRound = [&](unsigned actor) { // and waits, or has begun another
        const std::optional<Race::Round> fresh = race_.freshRound(actor);
        const std::optional<Race::Round> round = fresh ? fresh : race_.outermostRound(actor);
        while (round && !race_.done(actor) && race_.isIn(actor, *round)) {
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
    path_.resize(length);
    explorer_.goBack(race_, here, length);
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

// From the last node: that choice, and what it leads to.
void Explorer::ByStates::follow(u16 choice, unsigned preemptions) {
    Node& node = nodes_.back();
    Node next{.at = {}, .choices = {}, .spared = {}, .last = choice, .preemptions = preemptions};
    next.standings = node.standings;
    next.accesses = node.accesses;
    const Ample::Accessed accessed = move(node.at, choice, next.standings);
    for (std::size_t i = 0; i < next.accesses.size(); ++i)
        if (Ample::Accessed& known = next.accesses[i];
            known != Ample::kUnknown && (i == choice || !explorer_.ample_.independent(known, accessed)))
            known = Ample::kUnknown;
    lookWhoMoves(next);
    if (next.choices.empty()) {
        const bool isTask = explorer_.inTop(path_.size()) || explorer_.atCut(path_.size());
        if (!isTask || explorer_.takeTask()) {
            endHere(next);
            if (isTask)
                explorer_.taskDone();
        }
        path_.pop_back();
        return;
    }
    next.state = explorer_.stateHash(race_, item_, extra(next));
    if (!isNew(next) || (explorer_.atCut(path_.size()) && !explorer_.takeTask())) {
        // Round in a circle nobody may be spared for ever.
        if (reduce_ && (onPath_.contains(next.state.byReads) || onPath_.contains(next.state.byStacks))) {
            node.choices.insert(node.choices.end(), node.spared.begin(), node.spared.end());
            node.spared.clear();
            // The others may have had no turn to come to where their rounds begin.
            constexpr unsigned kRounds = 3;
            lookWhetherStuck(std::move(next.standings), kRounds);
        }
        path_.pop_back();
        return;
    }
    explorer_.result_.states += explorer_.counts(path_.size());
    const bool round = roundsBegin(next);
    enter(std::move(next));
    if (round)
        lookWhetherStuck(nodes_.back().standings, 1);
    spare();
}

void Explorer::ByStates::search() {
    Node first;
    if (reduce_) {
        for (unsigned i = 0; i < race_.count(); ++i)
            first.standings.push_back(explorer_.ample_.standing(race_, i));
        first.accesses.resize(first.standings.size(), Ample::kUnknown);
    }
    lookWhoMoves(first);
    if (first.choices.empty()) {
        endHere(first);
        return;
    }
    first.state = explorer_.stateHash(race_, item_, extra(first));
    isNew(first);
    enter(std::move(first));
    if (reduce_)
        walk(std::exchange(explorer_.walk_, 0));
    spare();
    while (!nodes_.empty()) {
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
        if (reduce_)
            explorer_.lookAgainNowAndThen();
    }
}

void Explorer::raceByStates(std::size_t item, Race& race) { ByStates(*this, item, race).search(); }

} // namespace mirrorscope
