// SPDX-License-Identifier: GPL-3.0-or-later
#include "explore/reduction.h"

#include <algorithm>

namespace mirrorscope {

namespace {
using Kind = WordAccess::Kind;

// Calls f(touch of a, touch of b) for each place that both have, until it answers true.
template <class F>
bool anyInCommon(const Footprint& a, const Footprint& b, F&& f) {
    for (auto x = a.begin(), y = b.begin(); x != a.end() && y != b.end();) {
        if (x->place < y->place) {
            ++x;
        } else if (y->place < x->place) {
            ++y;
        } else {
            if (f(*x, *y))
                return true;
            ++x, ++y;
        }
    }
    return false;
}

// Does the second read what the first one changes?
bool readsFrom(const Footprint& first, const Footprint& second) {
    return anyInCommon(first, second,
                       [](const Touch& a, const Touch& b) { return !commute(a.kind, b.kind) && a.kind != Kind::Read && b.reads; });
}

void join(std::vector<u32>& into, const std::vector<u32>& from) {
    for (std::size_t i = 0; i < into.size(); ++i)
        into[i] = std::max(into[i], from[i]);
}
} // namespace

Footprint footprint(const WordAccess* begin, const WordAccess* end) {
    Footprint out;
    out.reserve(static_cast<std::size_t>(end - begin));
    for (const WordAccess* a = begin; a != end; ++a)
        out.push_back({a->place, a->kind, a->kind != Kind::Write, a->old});
    std::stable_sort(out.begin(), out.end(), [](const Touch& a, const Touch& b) { return a.place < b.place; });
    std::size_t kept = 0;
    for (const Touch& touch : out) {
        if (kept != 0 && out[kept - 1].place == touch.place) {
            Touch& known = out[kept - 1];
            if (known.kind != touch.kind)
                known.kind = Kind::Write; // what reads and adds commutes with neither
            known.reads |= touch.reads;
        } else {
            out[kept++] = touch;
        }
    }
    out.resize(kept);
    return out;
}

bool independent(const Footprint& a, const Footprint& b) {
    return !anyInCommon(a, b, [](const Touch& x, const Touch& y) { return !commute(x.kind, y.kind); });
}

Reduction::Set Reduction::actorsOf(const std::vector<Asleep>& sleep) {
    Set set;
    for (const Asleep& s : sleep)
        set.set(s.actor);
    return set;
}

void Reduction::enter(const Set& enabled, std::vector<Asleep> sleep, std::vector<Waiting> waiting) {
    Node node;
    node.enabled = enabled;
    node.sleep = std::move(sleep);
    node.waiting = std::move(waiting);
    if (const Set awake = enabled & ~node.asleep(); awake.any())
        node.backtrack.set(awake._Find_first());
    nodes_.push_back(std::move(node));
}

std::vector<Reduction::Asleep> Reduction::sleepAfter(const Node& node, unsigned actor, const Footprint& footprint) const {
    std::vector<Asleep> out;
    for (const Asleep& s : node.sleep)
        if (s.actor != actor && (without_ == Part::Waking || independent(*s.next, footprint)))
            out.push_back(s);
    return out;
}

bool Reduction::isThere(u32 event, const Cuts& cuts) const {
    return std::none_of(cuts.begin(), cuts.end(), [&](u32 cut) { return event == cut || (event > cut && happensAfter(event, cut)); });
}

// The micro-steps of others that it conflicts with and that nothing in between orders before it, the latest first. `next.clock` becomes
// the join of all that happen before it.
std::vector<u32> Reduction::racesWith(Next& next, const Cuts& cuts) const {
    const std::vector<u32>& own = last_[next.actor];
    next.clock.assign(last_.size(), 0);
    for (auto mine = own.rbegin(); mine != own.rend(); ++mine)
        if (isThere(*mine, cuts)) {
            next.clock = events_[*mine].clock;
            break;
        }
    std::vector<u32> candidates;
    for (const Touch& touch : next.footprint) {
        const auto at = places_.find(touch.place);
        if (at == places_.end())
            continue;
        for (auto entry = at->second.rbegin(); entry != at->second.rend(); ++entry) {
            // Trying in vain changes nothing, so that it can be exchanged with those who only look.
            if (commute(touch.kind, entry->kind) || (!next.done && entry->kind == Kind::Read) || !isThere(entry->event, cuts))
                continue;
            if (events_[entry->event].actor != next.actor)
                candidates.push_back(entry->event);
            if (entry->kind == Kind::Write)
                break; // what came before happens before that
        }
    }
    std::sort(candidates.begin(), candidates.end(), std::greater<>());
    candidates.erase(std::unique(candidates.begin(), candidates.end()), candidates.end());
    std::vector<u32> races;
    for (const u32 candidate : candidates) {
        const Event& e = events_[candidate];
        if (next.clock[e.actor] >= e.n)
            continue; // ordered by what lies between
        races.push_back(candidate);
        join(next.clock, e.clock);
    }
    return races;
}

// Of what follows event `at` without happening after it: the actors whose first micro-step there happens after none of the others; and for
// each actor the number of that first one, 0 for none.
Reduction::Set Reduction::initialsAfter(u32 at, std::vector<u32>& first, const Cuts& cuts) const {
    first.assign(last_.size(), 0);
    Set initials;
    compared_ += events_.size() - at;
    for (u32 i = at + 1; i < events_.size(); ++i) {
        const Event& e = events_[i];
        if (first[e.actor] != 0 || happensAfter(i, at) || !isThere(i, cuts))
            continue;
        bool initial = true;
        for (std::size_t a = 0; a < first.size() && initial; ++a)
            initial = first[a] == 0 || e.clock[a] < first[a];
        if (initial)
            initials.set(e.actor);
        first[e.actor] = e.n;
    }
    return initials;
}

// Does something that follows `at` without happening after it conflict with that?
bool Reduction::touches(u32 at, const Footprint& what, const Cuts& cuts) const {
    compared_ += events_.size() - at;
    for (u32 i = at + 1; i < events_.size(); ++i)
        if (!happensAfter(i, at) && isThere(i, cuts) && !independent(*events_[i].footprint, what))
            return true;
    return false;
}

// The condition is about one word. Was it not to be had before event `at`, and does nothing that is independent of `at` change that?
bool Reduction::staysShut(u32 at, const Condition& waited, const Cuts& cuts) const {
    using Guard = Condition::Kind;
    if (waited.kind != Guard::CanRead && waited.kind != Guard::CanWrite && waited.kind != Guard::Equals)
        return false;
    const auto touchOf = [&](const Footprint& f) {
        const auto it = std::lower_bound(f.begin(), f.end(), waited.place.v, [](const Touch& t, u64 place) { return t.place < place; });
        return it != f.end() && it->place == waited.place.v ? &*it : nullptr;
    };
    const Touch* found = touchOf(*events_[at].footprint);
    if (found == nullptr || found->kind == Kind::Read || waited.holdsWith(found->old))
        return false;
    compared_ += events_.size() - at;
    for (u32 i = at + 1; i < events_.size(); ++i) {
        if (happensAfter(i, at) || !isThere(i, cuts))
            continue;
        const Touch* touch = touchOf(*events_[i].footprint);
        // Readers that come and go let no reader in whom a writer keeps out.
        if (touch != nullptr && touch->kind != Kind::Read && !(waited.kind == Guard::CanRead && touch->kind == Kind::Add))
            return false;
    }
    return true;
}

// Would the actor, after what is independent of event `at` and without it, only wait? Then the words that it would look at.
std::optional<Footprint> Reduction::wouldWait(u32 at, const Next& next, const Cuts& cuts) const {
    if (staysShut(at, next.waited, cuts)) {
        const Kind kind = next.waited.kind == Condition::Kind::CanRead ? Kind::Add : Kind::Read;
        return Footprint{{next.waited.place.v, kind, true, 0}};
    }
    for (const Waiting& w : nodes_[at].waiting)
        if (w.actor == next.actor && !movesAfter(at, next.actor, cuts) && !touches(at, *w.guard, cuts))
            return *w.guard;
    return std::nullopt;
}

bool Reduction::movesAfter(u32 at, unsigned actor, const Cuts& cuts) const {
    return std::any_of(last_[actor].begin(), last_[actor].end(), [&](u32 i) { return i > at && !happensAfter(i, at) && isThere(i, cuts); });
}

void Reduction::reverseAll(Next& next, const Cuts& cuts) {
    for (const u32 at : racesWith(next, cuts))
        reverse(at, next, cuts);
}

// From the state before event `at` some execution must start with what follows it here without happening after it, and then the next
// micro-step of that actor.
void Reduction::reverse(u32 at, const Next& next, const Cuts& cuts) {
    const unsigned p = next.actor;
    const auto onceMore = [&] {
        if (next.done)
            later_.push_back({at, static_cast<u32>(events_.size()), next.waited});
    };
    // Nobody needs to go where it only waits, to see what its trying in vain races with.
    if (const auto guard = wouldWait(at, next, cuts)) {
        onceMore();
        Next inVain{p, *guard, next.waited, false};
        Cuts more = cuts;
        more.push_back(at);
        reverseAll(inVain, more);
        return;
    }
    Node& node = nodes_[at];
    std::vector<u32> first;
    Set initials = initialsAfter(at, first, cuts);
    if (first[p] == 0) {
        // It would be its first micro-step there. Is it before all the others?
        bool initial = node.enabled[p];
        for (std::size_t a = 0; a < first.size() && initial; ++a)
            initial = first[a] == 0 || next.clock[a] < first[a];
        if (without_ != Part::WhatWasRead && readsFrom(*events_[at].footprint, next.footprint)) {
            // What it accessed after `at` says nothing of what it would access before. What it did when it was tried from there does.
            const auto tried = std::find_if(node.sleep.begin(), node.sleep.end(), [&](const Asleep& s) { return s.actor == p; });
            if (tried != node.sleep.end()) {
                onceMore();
                if (!touches(at, *tried->next, cuts))
                    return; // covered by that
                initial = false;
            }
        }
        initials.set(p, initial);
    }
    if ((initials & (node.backtrack | node.asleep())).any() || initials.none())
        return;
    node.backtrack.set(initials[p] ? p : initials._Find_first());
}

// The same of a pair that is in the execution, when all of it is known.
void Reduction::reverseAtTheEnd(const Later& later) {
    const Next next{events_[later.of].actor, *events_[later.of].footprint, later.waited, false};
    if (wouldWait(later.at, next, {})) {
        reverse(later.at, next, {});
        return;
    }
    Node& node = nodes_[later.at];
    const auto tried = std::find_if(node.sleep.begin(), node.sleep.end(), [&](const Asleep& s) { return s.actor == next.actor; });
    if (tried != node.sleep.end() && !touches(later.at, *tried->next, {}))
        return;
    std::vector<u32> first;
    const Set initials = initialsAfter(later.at, first, {});
    if ((initials & (node.backtrack | node.asleep())).none() && initials.any())
        node.backtrack.set(initials._Find_first());
}

void Reduction::tryInVain(const Waiting& waiting) {
    if (without_ == Part::WaitingActors)
        return;
    const Condition any; // not about one word only, as far as this is concerned
    Next next{waiting.actor, *waiting.guard, any, false};
    reverseAll(next, {});
}

void Reduction::push(unsigned actor, Footprint footprint, const Condition& waited) {
    // Who waits would read something else from here on: what it could have come before is asked while it is still the same.
    for (const Waiting& w : nodes_.back().waiting)
        if (w.actor != actor && !independent(*w.guard, footprint))
            tryInVain(w);
    Next next{actor, footprint, waited, true};
    reverseAll(next, {});
    Event e{actor, static_cast<u32>(last_[actor].size() + 1), std::move(next.clock), {}};
    e.clock[actor] = e.n;
    const u32 n = static_cast<u32>(events_.size());
    for (const Touch& touch : footprint)
        places_[touch.place].push_back({n, touch.kind});
    e.footprint = std::make_shared<const Footprint>(std::move(footprint));
    last_[actor].push_back(n);
    events_.push_back(std::move(e));
}

void Reduction::end(const std::vector<Waiting>& waiting) {
    for (const Waiting& w : waiting)
        tryInVain(w);
    if (without_ != Part::WholeExecution)
        for (std::size_t i = 0; i < later_.size(); ++i)
            reverseAtTheEnd(later_[i]);
}

void Reduction::pop() {
    const Event& e = events_.back();
    for (const Touch& touch : *e.footprint)
        places_[touch.place].pop_back();
    last_[e.actor].pop_back();
    while (!later_.empty() && later_.back().of + 1 == events_.size())
        later_.pop_back();
    events_.pop_back();
}

} // namespace mirrorscope
