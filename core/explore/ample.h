// SPDX-License-Identifier: GPL-3.0-or-later
// Which actors' micro-steps are enough to go on with from a state: those of a set of actors whom the others cannot disturb as long as
// nobody of the set has moved (ample sets; Peled, "Combining partial order reductions with on-the-fly model-checking", FMSD 8, 1996).
//
// What an actor may still touch is not known beforehand but learned: each micro-step that the search takes joins two standings (the actor,
// its call path, the site, what it waits for) in a graph, with the words that it touched. A decision rests on the graph as it was then.
// Each is looked at again with all that was learned; where one no longer holds the search goes on from there with all who can move, or
// begins anew with the better graph. resources/docs/exploring.md has the argument.
#pragma once

#include "explore/fact.h"
#include "explore/flat_map.h"
#include "machine/access.h"
#include "sim/race.h"

#include <bitset>
#include <cstddef>
#include <functional>
#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace mirrorscope {

class Ample {
public:
    using Standing = u32;                          // a node of the graph; the first is that of whoever is done
    using Accessed = u32;                          // a set of words and what is done with each
    static constexpr std::size_t kMostActors = 64; // races of more are not reduced
    using Set = std::bitset<kMostActors>;          // of a race's actors, in its own numbering
    static constexpr Accessed kUnknown = 0xffffffff;
    // Parts of the argument, for tests that leave one out and see what is lost.
    // Without the last one nothing may be lost: the search goes on from each place where it decided wrongly, however many there are.
    enum class Part : u8 { All, Guards, WhatComesLater, LookingAgain, GoingOn, BeginningAnew };
    explicit Ample(Part without = Part::All) : without_(without) {}

    // The present standing of actor i.
    Standing standing(const Race& race, unsigned i);
    Accessed accessed(const WordAccess* begin, const WordAccess* end);
    // A micro-step led from one standing to another and accessed that.
    void learn(Standing from, Standing to, Accessed what);
    // What another search of the same race has learned. `tell` is told what this one learns itself.
    void learn(const Fact& fact);
    void tellOthers(std::function<void(Fact)> tell) { tell_ = std::move(tell); }
    // Actor i waits there: for what, which it looks at as long as it waits.
    Accessed learnGuard(const Race& race, unsigned i, Standing where);
    bool independent(Accessed a, Accessed b) const { return !sets_[a].clashes(sets_[b]); }
    // The question: of those that can move, whose micro-steps are to be tried? `standings`: of each actor, where the race is. `next`: what
    // each one's next micro-step accesses or, if it waits, its guard; where that is not known, all that is known of its standing counts.
    void ask(const Race& race, const std::vector<Standing>& standings, const std::vector<Accessed>& next, const Set& movable);
    void nowKnown(unsigned i, Accessed next) { present_[i].first = next; }
    // A decision, which has to hold from now on.
    Set answer();
    // Its name, if it was one: before each actor's micro-step was tried there was nothing to decide by.
    u64 decision() const { return decision_; }
    // The decisions that do not hold with what is known now. They are forgotten.
    std::unordered_set<u64> wrong();

private:
    // Words by their number in words_, as bits.
    class Words {
    public:
        void add(std::size_t word, WordAccess::Kind kind);
        bool merge(const Words& other); // true if that changed it
        bool clashes(const Words& other) const;
        // What is done with that word, if anything is.
        std::optional<WordAccess::Kind> kind(std::size_t word) const;

    private:
        std::vector<u64> changed_, valued_; // written or added to; read or written
    };
    using Locks = Race::Locks;
    struct Node {
        Locks wants = 0; // one bit: the micro-step that begins here takes that lock
        bool tried = false;
        u64 key = 0; // Fact::Standing's
        Words own;   // of that micro-step
        std::vector<Standing> next;
    };
    // Of an actor, what a decision is made from.
    struct Actor {
        Standing standing = 0;
        Accessed first = kUnknown; // by its next micro-step or, if it waits, by its guard
        Locks keepsOut = 0;        // by the locks that it holds
        bool moves = false;
        bool isRcu = false, keepsRcu = false;
    };
    // One that leaves somebody out, and so may turn out wrong.
    struct Decision {
        u64 name = 0;
        std::size_t begin = 0; // of its actors in actors_
        u32 count = 0;
        Set stay; // the actors of which one must move
    };
    struct Ahead {
        u64 version = 0;
        Words words;
    };

    Standing standing(const Fact::Standing& standing);
    Fact::Standing factOf(Standing standing) const { return {nodes_[standing].key, nodes_[standing].wants}; }
    void tell(Fact::Kind kind, Standing from, Standing to, Accessed what) const;
    std::size_t wordOf(u64 place);
    bool merge(Standing where, Accessed what);
    bool join(Standing from, Standing to, Accessed what);
    // What whoever stands there may touch from there on, while those locks are not to be had.
    const Words& ahead(Standing from, Locks keptOut);
    const Words& first(const Actor& actor) const { return actor.first == kUnknown ? nodes_[actor.standing].own : sets_[actor.first]; }
    // Of the others, the first that may disturb one of the set; `count` if none does.
    unsigned disturber(const Actor* actors, unsigned count, const Set& set);

    std::unordered_map<u64, std::size_t> words_;
    std::vector<u64> places_; // of each word
    std::function<void(Fact)> tell_;
    FlatMap setNumbers_;
    std::vector<Words> sets_;
    FlatMap numbers_;
    std::vector<Node> nodes_{1};
    FlatMap learned_; // standings and what was accessed between them
    std::unordered_map<u64, Ahead> ahead_;
    FlatMap stays_; // of each decision, named by all that its actors are: those of whom one must move
    std::vector<Decision> decisions_;
    std::vector<Actor> actors_;
    std::vector<Actor> present_; // of the question
    Part without_;
    u64 version_ = 1; // of the graph
    u64 decision_ = 0;
    u64 heldAt_ = 0;           // when all decisions were last looked at
    std::vector<u32> visited_; // by ahead(): the search that came by last
    u32 search_ = 0;
};

} // namespace mirrorscope
