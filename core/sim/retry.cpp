// SPDX-License-Identifier: GPL-3.0-or-later
// Loops that try again: an actor that could only repeat itself is blocked until a word changes that it read, so that neither a run nor
// a search follows it round and round.
#include "sim/race.h"
#include "sim/sim.h"

namespace mirrorscope {

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
    for (std::size_t i = begin; i < end; ++i) {
        const WordAccess a = log[i];
        // Counters and indexes follow from the rest.
        if ((a.place & WordAccess::kNoWord) != 0 || static_cast<u32>(a.place) >= machine_->hashedWords())
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
    changed.end = log.size();
    return changed;
}

void Sim::settle(u64 token) {
    machine_->observeAnew(mix(script_, token));
}

void Sim::retryPoint(u64 token) {
    settle(token);
    Retries& retries = inRace_ ? race_->lanes_[race_->current_].retries : retries_;
    AccessLog* const log = machine_->accesses();
    const auto now = [&] { return log != nullptr ? log->size() : 0; };
    const u64 key = mix(script_, token);
    for (auto& visit : retries.visits) {
        if (visit.token != key)
            continue;
        if (log == nullptr) {
            if (visit.hash == machine_->hash())
                throw Stuck{"it repeats itself for ever"};
        } else if (const Condition changed = endOfRound(*log, visit.begin); changed.kind == Condition::Kind::Changed) {
            suspend(Site::VcpuEnter, changed);
            settle(token);
        }
        visit = {key, script_, machine_->hash(), now()};
        return;
    }
    retries.visits[retries.next++ % retries.visits.size()] = {key, script_, machine_->hash(), now()};
}

} // namespace mirrorscope
