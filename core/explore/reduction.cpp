// SPDX-License-Identifier: GPL-3.0-or-later
#include "explore/reduction.h"

#include <algorithm>

namespace mirrorscope {

Footprint footprint(const WordAccess* begin, const WordAccess* end) {
    Footprint out;
    out.reserve(static_cast<std::size_t>(end - begin));
    for (const WordAccess* a = begin; a != end; ++a)
        out.push_back({a->place, a->kind, a->old});
    std::stable_sort(out.begin(), out.end(), [](const Touch& a, const Touch& b) { return a.place < b.place; });
    std::size_t kept = 0;
    for (const Touch& touch : out) {
        if (kept != 0 && out[kept - 1].place == touch.place) {
            if (out[kept - 1].kind != touch.kind)
                out[kept - 1].kind = WordAccess::Kind::Write; // what reads and adds commutes with neither
        } else {
            out[kept++] = touch;
        }
    }
    out.resize(kept);
    return out;
}

bool independent(const Footprint& a, const Footprint& b) {
    for (auto x = a.begin(), y = b.begin(); x != a.end() && y != b.end();) {
        if (x->place < y->place) {
            ++x;
        } else if (y->place < x->place) {
            ++y;
        } else {
            if (!commute(x->kind, y->kind))
                return false;
            ++x, ++y;
        }
    }
    return true;
}

Reduction::Set Reduction::actorsOf(const std::vector<Asleep>& sleep) {
    Set set = 0;
    for (const Asleep& s : sleep)
        set |= 1u << s.actor;
    return set;
}

void Reduction::enter(Set enabled, std::vector<Asleep> sleep) {
    Node node;
    node.enabled = enabled;
    node.sleep = std::move(sleep);
    if (const Set awake = enabled & ~node.asleep(); awake != 0)
        node.backtrack = awake & (0 - awake);
    nodes_.push_back(std::move(node));
}

std::vector<Reduction::Asleep> Reduction::sleepAfter(const Node& node, unsigned actor, const Footprint& footprint) const {
    std::vector<Asleep> out;
    for (const Asleep& s : node.sleep)
        if (s.actor != actor && independent(s.next, footprint))
            out.push_back(s);
    return out;
}

// The clock of a micro-step of `actor` that would come next, and a branch for everything that it races with.
Reduction::Clock Reduction::race(unsigned actor, const Footprint& footprint, const Wait& wait) {
    Clock before(last_.size());
    if (!last_[actor].empty())
        before = events_[last_[actor].back()].clock;
    // Could the micro-step have run before that event? Not if the event was what let it in.
    enum class Could : u8 { Yes, Perhaps, No };
    struct Candidate {
        u32 event;
        Could could;
    };
    std::vector<Candidate> candidates;
    const auto look = [&](const Touch& touch, bool awaited) {
        const auto at = places_.find(touch.place);
        if (at == places_.end())
            return;
        for (auto entry = at->second.rbegin(); entry != at->second.rend(); ++entry) {
            if (commute(touch.kind, entry->kind))
                continue;
            if (events_[entry->event].actor != actor) {
                Could could = Could::Yes;
                if (last_[actor].empty() || last_[actor].back() < entry->event) // it stood here then, too
                    could = (nodes_[entry->event].enabled >> actor & 1) != 0 ? Could::Yes : Could::No;
                else if (awaited && (wait.unknown || wait.condition.kind == Condition::Kind::Changed))
                    could = Could::Perhaps;
                else if (awaited && !wait.condition.holdsWith(entry->old))
                    could = Could::No;
                candidates.push_back({entry->event, could});
            }
            if (entry->kind == WordAccess::Kind::Write && !awaited)
                break; // what came before happens before that
        }
    };
    for (const Touch& touch : footprint)
        look(touch, wait.unknown);
    for (const Touch& touch : wait.words)
        look(touch, true);
    // An event that stands there twice is as impossible as it is in one place.
    std::sort(candidates.begin(), candidates.end(),
              [](const Candidate& a, const Candidate& b) { return a.event != b.event ? a.event > b.event : a.could > b.could; });
    const auto same = [](const Candidate& a, const Candidate& b) { return a.event == b.event; };
    candidates.erase(std::unique(candidates.begin(), candidates.end(), same), candidates.end());
    const auto join = [](Clock& into, const Clock& from) {
        for (std::size_t i = 0; i < into.size(); ++i)
            into[i] = std::max(into[i], from[i]);
    };
    Clock clock = before;
    for (const Candidate& c : candidates)
        join(clock, events_[c.event].clock);
    Clock known = before;
    for (const Candidate& c : candidates) {
        const Event& e = events_[c.event];
        if (known[e.actor] >= e.n || c.could == Could::No)
            continue; // ordered by what lies between, or to be looked for further back
        branch(c.event, actor, clock);
        if (c.could == Could::Yes)
            join(known, e.clock);
    }
    return clock;
}

// From the state before event `at`, some execution must start with what follows it here without happening after it, and then the next
// micro-step of `actor`, whose clock is given.
void Reduction::branch(u32 at, unsigned actor, const Clock& clock) {
    const Event& reversed = events_[at];
    std::vector<u32> first(last_.size()); // per actor, its first micro-step among them
    Set initials = 0;
    const auto consider = [&](unsigned who, const Clock& c) {
        for (unsigned i = 0; i < first.size(); ++i)
            if (first[i] != 0 && c[i] >= first[i])
                return;
        initials |= 1u << who;
    };
    for (u32 i = at + 1; i < events_.size(); ++i) {
        const Event& e = events_[i];
        if (e.clock[reversed.actor] >= reversed.n)
            continue;
        if (first[e.actor] != 0)
            continue;
        consider(e.actor, e.clock);
        first[e.actor] = e.n;
    }
    if (first[actor] == 0)
        consider(actor, clock);
    Node& node = nodes_[at];
    if ((initials & (node.backtrack | node.asleep())) != 0)
        return;
    const Set useful = initials & node.enabled;
    if (useful == 0)
        node.backtrack |= node.enabled; // cannot be; trying all is right whatever happens
    else
        node.backtrack |= (useful >> actor & 1) != 0 ? 1u << actor : useful & (0 - useful);
}

void Reduction::push(unsigned actor, Footprint footprint, const Wait& wait) {
    Event e{actor, static_cast<u32>(last_[actor].size() + 1), race(actor, footprint, wait), {}};
    e.clock[actor] = e.n;
    const u32 n = static_cast<u32>(events_.size());
    for (const Touch& touch : footprint)
        places_[touch.place].push_back({n, touch.kind, touch.old});
    e.footprint = std::move(footprint);
    last_[actor].push_back(n);
    events_.push_back(std::move(e));
}

void Reduction::pop() {
    const Event& e = events_.back();
    for (const Touch& touch : e.footprint)
        places_[touch.place].pop_back();
    last_[e.actor].pop_back();
    events_.pop_back();
}

} // namespace mirrorscope
