// SPDX-License-Identifier: GPL-3.0-or-later
// A race, entering no state twice: the search itself (by_states.cpp), and how it goes to other places of the race (elsewhere.cpp).
// resources/docs/exploring.md has the arguments, under "Stateful".
#pragma once

#include "explore/explorer.h"
#include "explore/path_set.h"
#include "explore/ways.h"

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

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
    static bool isAsleep(const Node& node, u16 actor) { return (bit(actor) & node.asleep) != 0; }

    Node atBeginning() const {
        Node node;
        node.standings = standingsThen_;
        if (reduce_ || sleeps_)
            node.accesses.resize(race_.count(), Ample::kUnknown);
        return node;
    }
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
    void enterAgain(Node node);
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

} // namespace mirrorscope
