// SPDX-License-Identifier: GPL-3.0-or-later
// A race, entering no state twice.
#include "explore/explorer.h"
#include "explore/path_set.h"
#include "explore/ways.h"

#include <algorithm>
#include <optional>
#include <span>
#include <unordered_set>
#include <utility>

namespace mirrorscope {

class Explorer::ByStates {
public:
    ByStates(Explorer& explorer, std::size_t item, Race& race)
        : explorer_(explorer), options_(explorer.options_), item_(item), race_(race), reduce_(explorer.reduces(race)),
          sleeps_(options_.sleep != ExploreOptions::Sleep::Nobody && !options_.preemptions && !options_.split), crew_(options_.crew) {}
    void search();

private:
    // A state that the search can go back to.
    struct Here {
        Snapshot at;                       // the machine; where the actors stood is in race_
        std::size_t length = 0, saved = 0; // of the path, and in race_
    };
    using Sleepers = HashSet::Left; // a bit for each; actors with higher numbers do not sleep
    struct Node {
        Here here;
        std::vector<u16> choices;
        std::vector<u16> spared; // could move, too, but need not be tried
        // Whose next micro-steps were tried, or will be, from a state before this one or from this, and commute with all since. What each
        // of them accesses is known.
        Sleepers asleep = 0;
        unsigned next = 0;
        u16 last = kNobody;       // who took the micro-step that led here
        bool lastCouldGo = false; // and could take the next one, so that another's is a preemption
        unsigned preemptions = 0;
        // What each actor's next micro-step accesses, as far as that is known; in a reduced search, if it waits, its guard.
        std::vector<Ample::Accessed> accesses = {};
        std::vector<Ample::Standing> standings = {}; // where the actors stand, in a reduced search
        StateHash state = {};
        Ways::Way way = 0;
    };
    static constexpr u16 kNobody = 0xffff;

    struct Moved {
        u16 actor;
        Ample::Accessed accessed;
    };
    // How the search goes on from a state, as far as it is one way: by whose micro-step, if anybody's is left to try.
    struct Going {
        enum class Way : u8 { Several, One, None } way = Way::Several;
        Moved moved = {};
        bool leftOut = false; // somebody who could move, by a decision
    };
    // What a search knows of a state that it has come to. Missing: who slept whenever it was entered before, and does not now.
    struct Looked {
        Crew::Found found;
        Sleepers missing = 0;
    };
    static Sleepers bit(std::size_t actor) { return actor < sizeof(Sleepers) * 8 ? static_cast<Sleepers>(1u << actor) : Sleepers{0}; }

    Here here() const { return {explorer_.snapshot(), path_.size(), race_.saved()}; }
    void backTo(const Here& here);
    Ample::Accessed move(const Snapshot& from, u16 actor, std::vector<Ample::Standing>& standings);
    void dropIfSaved(u16 actor, Ample::Set& saved);
    void hasMoved(Node& node, const Moved& moved) const;
    void ask(const Node& node);
    Going goOn(Node& node);
    bool runOn(Node& node);
    void lookWhoMoves(Node& node) const;
    void lookAtGuards(Node& node);
    void lookAtNext(Node& node, u16 actor);
    Looked look(const Node& node);
    void enter(Node node);
    void makeUp(Node node, Sleepers missing);
    void sparedAreTried(Node& node) const;
    void leave();
    void share();
    bool join();
    void takeOn(const Crew::Task& task);
    Node along(std::span<const u16> moves);
    void follow(u16 choice, unsigned preemptions);
    bool remembersWays() const;
    void lookAgain();
    bool goOnWhereWrong();
    void endHere(Node& end);
    void spare();
    template <class F>
    static void onlyThese(Node& node, F&& isTried) {
        const auto others = std::stable_partition(node.choices.begin(), node.choices.end(), isTried);
        node.spared.insert(node.spared.end(), others, node.choices.end());
        node.choices.erase(others, node.choices.end());
    }
    void notAllTried(Ways::Place where);
    void walk(u64 steps);
    void lookWhetherStuck(std::vector<Ample::Standing> standings, unsigned rounds);
    bool roundsBegin(const Node& node) const;
    // The present state. What a stack tells no other machine can use.
    StateHash stateOf(const Node& node) const { return explorer_.stateHash(race_, item_, extra(node), crew_ == nullptr || !reduce_); }
    // With a bound on preemptions a state is also what is left of them.
    u64 extra(const Node& node) const { return options_.preemptions ? mix(node.preemptions + 1, node.lastCouldGo ? node.last + 1 : 0) : 0; }

    Explorer& explorer_;
    const ExploreOptions& options_;
    std::size_t item_;
    Race& race_;
    const bool reduce_, sleeps_;
    std::vector<Node> nodes_;
    std::vector<u16> path_;
    PathSet onPath_; // by both hashes
    Here beginning_;
    std::vector<Ample::Standing> standingsThen_;
    Ways ways_;
    std::vector<Ways::Place> todo_; // where somebody was spared who may not be
    Crew* const crew_;
    std::vector<u64> kept_; // states before the beginning of the present task, which are open as long as it is not done
};

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
    const auto old = [&](Crew::Found found, int left) -> Looked { return {found, static_cast<Sleepers>(left & ~node.asleep)}; };
    if (crew_ != nullptr) {
        const auto [found, left] = crew_->enter(node.state.byReads, node.asleep);
        if (reduce_)
            return old(found, left);
        const HashSet::Entered stacks = explorer_.seenStacks_.enter(node.state.byStacks, node.asleep);
        if (found != New)
            return old(found, stacks.isNew ? left : left & stacks.left);
        if (stacks.isNew)
            return {New};
        crew_->close(node.state.byReads);
        return old(Closed, stacks.left);
    }
    // Above the cut nothing is left out because of what others have seen; at the cut each state is one task.
    if (explorer_.inTop(path_.size()) || explorer_.atCut(path_.size()))
        return {explorer_.top_.insert(mix(stateHash(race_, explorer_.memoryHash() + extra(node), false), path_.size())) ? New : Closed};
    const HashSet::Entered entered = explorer_.enter(node.state, node.asleep);
    if (entered.isNew)
        return {New};
    return old(reduce_ && (onPath_.contains(node.state.byReads) || onPath_.contains(node.state.byStacks)) ? Open : Closed, entered.left);
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
        onlyThese(node, [&](u16 choice) { return (bit(choice) & node.asleep) == 0; });
}

// By the decision that was made last.
void Explorer::ByStates::notAllTried(Ways::Place where) {
    explorer_.branches_.count(false);
    explorer_.result_.reduced = true;
    if (remembersWays())
        ways_.rests(explorer_.ample_.decision(), where);
}

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

// A state does not tell whether an actor's round saw the machine change, so that a loop that nothing can end closes to a ring
// of known states instead of blocking. Who can move does a round here, one after the other: does each then wait for another?
void Explorer::ByStates::lookWhetherStuck(std::vector<Ample::Standing> standings, unsigned rounds) {
    const Here before = here();
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
        return (bit(only) & node.asleep) != 0 ? Going{None} : Going{One, go(only)};
    }
    ask(node);
    Ample::Set tried;
    const auto leavesOut = [&] { return tried.count() < node.choices.size(); };
    // Mostly it is who moved last. What it accesses must be known, and it has moved when it is.
    const u16 last = node.last;
    const bool triesLast = node.lastCouldGo && node.accesses[last] == Ample::kUnknown;
    if (triesLast) {
        const Ample::Standing stood = node.standings[last];
        const Moved moved = go(last);
        explorer_.ample_.nowKnown(last, moved.accessed);
        tried = explorer_.ample_.answer();
        if ((tried & ~Ample::Set(node.asleep)) == Ample::Set().set(last))
            return {One, moved, leavesOut()};
        node.standings[last] = stood;
        node.accesses[last] = moved.accessed;
        backTo(before);
    }
    if (std::any_of(node.choices.begin(), node.choices.end(), [&](u16 choice) { return node.accesses[choice] == Ample::kUnknown; }))
        return {Several};
    if (!triesLast)
        tried = explorer_.ample_.answer();
    const Ample::Set awake = tried & ~Ample::Set(node.asleep);
    if (awake.count() > 1)
        return {Several};
    return awake.none() ? Going{None, {}, leavesOut()} : Going{One, go(static_cast<u16>(awake._Find_first())), leavesOut()};
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
    if (crew_ != nullptr)
        crew_->open(node.state.byReads);
    enter(std::move(node));
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
    if (crew_ != nullptr)
        crew_->open(node.state.byReads);
    enter(std::move(node));
    return true;
}

// The search goes to where these micro-steps lead to from the beginning of the race.
Explorer::ByStates::Node Explorer::ByStates::along(std::span<const u16> moves) {
    backTo(beginning_);
    Node node;
    node.standings = standingsThen_;
    if (reduce_ || sleeps_)
        node.accesses.resize(race_.count(), Ample::kUnknown);
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
    if (task.all) {
        crew_->open(node.state.byReads);
        enter(std::move(node));
        return;
    }
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

void Explorer::ByStates::search() {
    Node first;
    if (reduce_) {
        for (unsigned i = 0; i < race_.count(); ++i)
            first.standings.push_back(explorer_.ample_.standing(race_, i));
    }
    if (reduce_ || sleeps_)
        first.accesses.resize(race_.count(), Ample::kUnknown);
    lookWhoMoves(first);
    if (first.choices.empty()) {
        endHere(first);
        return;
    }
    first.state = stateOf(first);
    beginning_ = here();
    standingsThen_ = first.standings;
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
