// SPDX-License-Identifier: GPL-3.0-or-later
#include "explore/ample.h"

#include "base/hash.h"

#include <algorithm>
#include <utility>

namespace mirrorscope {

namespace {
void setBit(std::vector<u64>& bits, std::size_t n) {
    if (bits.size() <= n / 64)
        bits.resize(n / 64 + 1);
    bits[n / 64] |= u64{1} << n % 64;
}

bool hasBit(const std::vector<u64>& bits, std::size_t n) { return n / 64 < bits.size() && (bits[n / 64] >> n % 64 & 1) != 0; }

bool unite(std::vector<u64>& into, const std::vector<u64>& from) {
    if (into.size() < from.size())
        into.resize(from.size());
    u64 isNew = 0;
    for (std::size_t i = 0; i < from.size(); ++i) {
        isNew |= from[i] & ~into[i];
        into[i] |= from[i];
    }
    return isNew != 0;
}

bool meet(const std::vector<u64>& a, const std::vector<u64>& b) {
    for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i)
        if ((a[i] & b[i]) != 0)
            return true;
    return false;
}
} // namespace

void Ample::Words::add(std::size_t word, WordAccess::Kind kind) {
    if (kind != WordAccess::Kind::Read)
        setBit(changed_, word);
    if (kind != WordAccess::Kind::Add)
        setBit(valued_, word);
}

bool Ample::Words::merge(const Words& other) {
    const bool changed = unite(changed_, other.changed_);
    return unite(valued_, other.valued_) || changed;
}

std::optional<WordAccess::Kind> Ample::Words::kind(std::size_t word) const {
    const bool changed = hasBit(changed_, word), valued = hasBit(valued_, word);
    if (changed && valued)
        return WordAccess::Kind::Write;
    return changed ? std::optional(WordAccess::Kind::Add) : valued ? std::optional(WordAccess::Kind::Read) : std::nullopt;
}

// Reads commute, and additions do.
bool Ample::Words::clashes(const Words& other) const { return meet(changed_, other.valued_) || meet(valued_, other.changed_); }

Ample::Standing Ample::standing(const Race& race, unsigned i) {
    if (!race.serves(i) && race.done(i))
        return 0;
    const Condition& waits = race.condition(i);
    u64 key = mix(i + 1, race.script(i));
    key = mix(key, static_cast<u64>(race.pendingSite(i)) << 8 | static_cast<u64>(waits.kind));
    key = mix(mix(key, race.pendingPathHash(i)), waits.place.v);
    return standing({key == 0 ? 1 : key, race.wants(i)});
}

Ample::Standing Ample::standing(const Fact::Standing& standing) {
    if (standing.key == 0)
        return 0;
    u64& number = numbers_[standing.key];
    if (number == FlatMap::kNone) {
        number = nodes_.size();
        nodes_.push_back({.wants = standing.wants, .tried = false, .key = standing.key, .own = {}, .next = {}});
    }
    return static_cast<Standing>(number);
}

Ample::Accessed Ample::accessed(const WordAccess* begin, const WordAccess* end) {
    u64 key = 0;
    for (const WordAccess* access = begin; access != end; ++access)
        key += mix(access->place, static_cast<u64>(access->kind));
    u64& number = setNumbers_[key];
    if (number == FlatMap::kNone) {
        number = sets_.size();
        Words& words = sets_.emplace_back();
        for (const WordAccess* access = begin; access != end; ++access)
            words.add(wordOf(access->place), access->kind);
    }
    return static_cast<Accessed>(number);
}

std::size_t Ample::wordOf(u64 place) {
    const auto [at, isNew] = words_.try_emplace(place, places_.size());
    if (isNew)
        places_.push_back(place);
    return at->second;
}

void Ample::learn(Standing from, Standing to, Accessed what) {
    if (join(from, to, what))
        tell(Fact::Kind::MicroStep, from, to, what);
}

// Was it new?
bool Ample::join(Standing from, Standing to, Accessed what) {
    if (std::exchange(learned_[mix(u64{from} << 32 | to, what)], 1) == 1)
        return false;
    Node& node = nodes_[from];
    node.tried = true;
    const bool touchesMore = merge(from, what);
    if (std::find(node.next.begin(), node.next.end(), to) != node.next.end())
        return touchesMore;
    node.next.push_back(to);
    ++version_;
    return true;
}

Ample::Accessed Ample::learnGuard(const Race& race, unsigned i, Standing where) {
    const AccessLog guard = race.awaited(i);
    const Accessed what = accessed(guard.data(), guard.data() + guard.size());
    if (merge(where, what))
        tell(Fact::Kind::Guard, where, where, what);
    return what;
}

bool Ample::merge(Standing where, Accessed what) {
    const bool isNew = nodes_[where].own.merge(sets_[what]);
    version_ += isNew;
    return isNew;
}

void Ample::tell(Fact::Kind kind, Standing from, Standing to, Accessed what) const {
    if (!tell_)
        return;
    Fact fact{.kind = kind, .from = factOf(from), .to = factOf(to), .words = {}};
    for (std::size_t n = 0; n < places_.size(); ++n)
        if (const auto access = sets_[what].kind(n))
            fact.words.emplace_back(places_[n], *access);
    tell_(std::move(fact));
}

void Ample::learn(const Fact& fact) {
    AccessLog log;
    for (const auto& [place, kind] : fact.words)
        log.push_back({place, kind, 0, 0});
    const Accessed what = accessed(log.data(), log.data() + log.size());
    const Standing from = standing(fact.from), to = standing(fact.to);
    if (fact.kind == Fact::Kind::Guard)
        merge(from, what);
    else
        join(from, to, what);
}

const Ample::Words& Ample::ahead(Standing from, Locks keptOut) {
    Ahead& ahead = ahead_[u64{from} << 16 | keptOut];
    if (ahead.version == version_)
        return ahead.words;
    ahead.version = version_;
    std::vector<Standing> open{from};
    visited_.resize(nodes_.size());
    visited_[from] = ++search_;
    while (!open.empty()) {
        const Node& node = nodes_[open.back()];
        open.pop_back();
        if ((node.wants & keptOut) != 0)
            continue; // who stands here waits, and its guard is looked at beside this
        ahead.words.merge(node.own);
        if (without_ == Part::WhatComesLater)
            break;
        for (const Standing next : node.next)
            if (std::exchange(visited_[next], search_) != search_)
                open.push_back(next);
    }
    return ahead.words;
}

unsigned Ample::disturber(const Actor* actors, unsigned count, const Set& set) {
    Locks keptOut = 0;
    for (unsigned i = 0; i < count; ++i)
        if (set[i])
            keptOut |= actors[i].keepsOut;
    bool rcuKept = false;
    for (unsigned i = 0; i < count; ++i)
        rcuKept |= set[i] && actors[i].keepsRcu;
    const auto isOutside = [&](unsigned i) { return !set[i] && actors[i].standing != 0 && (actors[i].moves || without_ != Part::Guards); };
    // Waits, and none of the others outside can change that.
    const auto isStuck = [&](unsigned i) {
        if (actors[i].moves)
            return false;
        if (actors[i].isRcu && rcuKept)
            return true;
        for (unsigned other = 0; other < count; ++other)
            if (other != i && isOutside(other) && first(actors[i]).clashes(ahead(actors[other].standing, keptOut)))
                return false;
        return true;
    };
    for (unsigned other = 0; other < count; ++other) {
        if (!isOutside(other))
            continue;
        const Words* may = isStuck(other) ? nullptr : &ahead(actors[other].standing, keptOut);
        for (unsigned i = 0; i < count; ++i)
            if (set[i] && ((may != nullptr && first(actors[i]).clashes(*may)) || first(actors[i]).clashes(first(actors[other]))))
                return other;
    }
    return count;
}

void Ample::ask(const Race& race, const std::vector<Standing>& standings, const std::vector<Accessed>& next, const Set& movable) {
    present_.clear();
    for (unsigned i = 0; i < race.count(); ++i) {
        Actor actor{.standing = standings[i]};
        if (actor.standing != 0) {
            actor.moves = movable[i];
            actor.first = next[i];
            actor.keepsOut = race.keepsOut(i);
            actor.isRcu = race.isRcu(i);
            actor.keepsRcu = race.keepsRcu(i);
        }
        present_.push_back(actor);
    }
}

Ample::Set Ample::answer() {
    const auto count = static_cast<unsigned>(present_.size());
    Set movable;
    bool allTried = true;
    u64 key = count;
    for (unsigned i = 0; i < count; ++i) {
        const Actor& actor = present_[i];
        movable[i] = actor.moves;
        allTried &= !actor.moves || nodes_[actor.standing].tried;
        key = mix(mix(key, u64{actor.standing} << 2 | u64{actor.keepsRcu} << 1 | actor.moves), u64{actor.first} << 16 | actor.keepsOut);
    }
    decision_ = 0;
    if (!allTried)
        return movable;
    decision_ = key;
    u64& stay = stays_[key];
    if (stay != FlatMap::kNone)
        return Set(stay) & movable;
    Set best = movable;
    for (unsigned first = 0; first < count && best.count() > 1; ++first) {
        if (!movable[first])
            continue;
        Set set;
        set.set(first);
        for (unsigned more; (set & movable).count() < best.count() && (more = disturber(present_.data(), count, set)) != count;)
            set.set(more);
        if ((set & movable).count() < best.count())
            best = set;
    }
    stay = best.to_ullong();
    if ((movable & ~best).any()) {
        decisions_.push_back({key, actors_.size(), count, best});
        actors_.insert(actors_.end(), present_.begin(), present_.end());
    }
    return best & movable;
}

std::unordered_set<u64> Ample::wrong() {
    std::unordered_set<u64> wrong;
    if (without_ == Part::LookingAgain || heldAt_ == version_)
        return wrong;
    heldAt_ = version_;
    std::erase_if(decisions_, [&](const Decision& decision) {
        if (disturber(actors_.data() + decision.begin, decision.count, decision.stay) == decision.count)
            return false;
        stays_[decision.name] = FlatMap::kNone;
        wrong.insert(decision.name);
        return true;
    });
    return wrong;
}

} // namespace mirrorscope
