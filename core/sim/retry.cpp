// SPDX-License-Identifier: GPL-3.0-or-later
// Loops that try again: an actor that could only repeat itself is blocked until a word changes that it read, so that neither a run nor
// a search follows it round and round.
#include "sim/race.h"
#include "sim/sim.h"

#include <algorithm>
#include <vector>

namespace mirrorscope {

namespace {
// Of a loop of a run without history, before the machine keeps a hash to find out whether it goes round.
constexpr u64 kRoundsWithoutHash = 64;
} // namespace

// One pass over the round's log. It ends at the first word that tells that another round could differ: somebody else changed it on the way,
// or it is not now what it was when the round first touched it. What tells that is read by this micro-step.
Condition Sim::endOfRound(AccessLog& log, std::size_t begin) {
    const std::size_t end = log.size();
    std::size_t size = 1024;
    while (size < (end - begin) * 2)
        size *= 2;
    if (round_.size() < size)
        round_.resize(size);
    const std::size_t mask = round_.size() - 1;
    ++roundNumber_;
    roundWords_.clear();
    std::vector<u64> arrivals;
    for (std::size_t i = begin; i < end; ++i) {
        const WordAccess a = log[i];
        if ((a.place & WordAccess::kNoWord) != 0) {
            if (a.kind != WordAccess::Kind::Read)
                continue;
            // Who waits for a lock that it holds: a round that finds somebody else there may drop it.
            if (const bool waits = waitedFor(a.place, &log); waits != (a.now != 0)) {
                log.push_back({a.place, WordAccess::Kind::Read, waits, waits});
                return {};
            }
            if (std::find(arrivals.begin(), arrivals.end(), a.place) == arrivals.end())
                arrivals.push_back(a.place);
            continue;
        }
        // Counters and indexes follow from the rest.
        if (WordAccess::wordOf(a.place) >= machine_->hashedWords())
            continue;
        // A round begins and ends with an empty store buffer: what was in it meanwhile is its own doing, and told with the words
        // themselves.
        if (stores_.owns(actor_, Place{WordAccess::wordOf(a.place)}))
            continue;
        const u64 old = machine_->ofId(a.place, a.old), now = machine_->ofId(a.place, a.now);
        std::size_t at = mix(a.place, 1) & mask;
        while (round_[at].number == roundNumber_ && round_[at].id != a.place)
            at = (at + 1) & mask;
        RoundWord& word = round_[at];
        if (word.number != roundNumber_) {
            word = {a.place, roundNumber_, old, old, 0, false};
            roundWords_.push_back(static_cast<u32>(at));
        }
        if (word.valued && old != word.last)
            return {};
        if (a.kind == WordAccess::Kind::Add) {
            word.added += now - old;
        } else if (!word.valued) {
            word.valued = true;
            if (const u64 found = machine_->lookAt(a.place); found != word.first) {
                log.push_back({a.place, WordAccess::Kind::Read, found, found});
                return {};
            }
        }
        word.last = now;
    }
    for (const u32 at : roundWords_)
        if (!round_[at].valued && round_[at].added != 0)
            return {};
    Condition changed{.kind = Condition::Kind::Changed, .place = {}, .value = 0, .log = &log, .begin = end, .end = 0};
    for (const u32 at : roundWords_) {
        const RoundWord& word = round_[at];
        if (!word.valued)
            continue;
        log.push_back({word.id, WordAccess::Kind::Read, word.first, word.first});
        changed.value += mix(word.id, 2);
    }
    for (const u64 which : arrivals) {
        const bool waits = waitedFor(which, &log);
        log.push_back({which, WordAccess::Kind::Read, waits, waits});
        changed.value += mix(which, 2 + waits);
    }
    changed.end = log.size();
    return changed;
}

void Sim::settle(u64 token) { machine_->observeAnew(mix(script_, token)); }

Sim::Retries& Sim::retries() { return inRace_ ? race_->lanes_[race_->current_].retries : retries_; }

Sim::Retries::Visit Sim::visit(u64 carried, u64 alike) {
    return {carried,           machine_->keepsHash() ? machine_->hash() : 0,      alike, logged(), storesWait(),
            ++retries().begun, inRace_ ? race_->lanes_[race_->current_].steps : 0};
}

std::size_t Sim::logged() const {
    const AccessLog* log = machine_->accesses();
    return log != nullptr ? log->size() : 0;
}

bool Sim::endRound(u64 carried) {
    const Retries::Visit visit = retries().visits.back();
    if (visit.carried != carried)
        return false;
    if (visit.storesWait)
        return false;
    AccessLog* const log = machine_->accesses();
    if (log == nullptr) {
        // Nearly all loops end sooner.
        if (!machine_->keepsHash()) {
            if (visit.alike > kRoundsWithoutHash)
                machine_->keepHash(true);
            return false;
        }
        if (visit.hash == machine_->hash())
            throw Stuck{actorName(actor_) + " repeats " + paths_.names(path_).back() + "() for ever"};
        return false;
    }
    const Condition changed = endOfRound(*log, visit.begin);
    if (changed.kind != Condition::Kind::Changed)
        return false;
    suspend(race_->lanes_[race_->current_].site, changed);
    return true;
}

Retry::Retry(Sim& sim, u64 carried) : sim_(sim), rounds_(sim), settles_(false) {
    rounds_.but(carried);
    sim.retries().visits.push(sim.visit(carried, 0));
}

Retry::Retry(Sim& sim, Settled settled) : Retry(sim, settled.token) {
    settles_ = true;
    sim.settle(settled.token);
}

Retry::~Retry() { sim_.retries().visits.pop(); }

// The stores of a round leave before the next: a loop spins long enough for that.
void Retry::again(u64 carried) {
    sim_.fence();
    const auto forget = [&] {
        rounds_.but(carried);
        if (settles_)
            sim_.settle(carried);
    };
    forget();
    if (sim_.endRound(carried))
        forget();
    Sim::Retries::Visit& visit = sim_.retries().visits.back();
    visit = sim_.visit(carried, visit.carried == carried ? visit.alike + 1 : 0);
}

} // namespace mirrorscope
