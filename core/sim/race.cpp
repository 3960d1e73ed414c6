// SPDX-License-Identifier: GPL-3.0-or-later
#include "sim/race.h"

#include <algorithm>
#include <cassert>

namespace mirrorscope {

Race::Race(Sim& sim, std::vector<Actor> actors) : sim_(sim) {
    sim.finishStep();
    sim.startOver();
    std::bitset<256> wanted;
    for (auto& actor : actors) {
        sharedVcpus_ |= wanted & actor.vcpus;
        wanted |= actor.vcpus;
        Lane lane;
        lane.actor = actor.actor;
        lane.body = std::move(actor.body);
        lane.fiber = std::make_unique<Fiber>();
        lane.script = sim.script();
        lanes_.push_back(std::move(lane));
    }
    actors_ = count();
    const auto addServer = [&](ActorId actor, Site site) {
        Lane lane;
        lane.actor = actor;
        lane.started = true;
        lane.site = site;
        lane.script = sim.script();
        lanes_.push_back(std::move(lane));
    };
    if (sim.stores().exist())
        for (unsigned i = 0; i < actors_; ++i)
            addServer(Sim::storesOf(sim.vcpus(), lanes_[i].actor), Site::StoreDrain);
    addServer(sim.rcuActor(), Site::RcuFree);
}

Race::~Race() {
    sim_.inRace_ = false;
    sim_.machine().observe(nullptr);
}

bool Race::over() const {
    for (unsigned i = 0; i + 1 < count(); ++i)
        if (!done(i))
            return false;
    return true;
}

bool Race::enabled(unsigned i) const {
    if (isRcu(i))
        return sim_.rcuReady();
    if (serves(i))
        return sim_.machine().peek(sim_.stores().count(ownerOfStores(i))) != 0;
    const Lane& lane = lanes_[i];
    return !lane.done && (!lane.started || sim_.holds(lane.condition));
}

std::vector<unsigned> Race::movable() const {
    std::vector<unsigned> lanes;
    for (unsigned i = 0; i < count(); ++i)
        if (!done(i) && enabled(i))
            lanes.push_back(i);
    return lanes;
}

std::optional<Race::Round> Race::outermostRound(unsigned i) const {
    const Sim::Retries& retries = lanes_[i].retries;
    return retries.visits.empty() ? std::nullopt : std::optional(Round{1, retries.visits[0].number});
}

std::optional<Race::Round> Race::freshRound(unsigned i) const {
    const Sim::Retries& retries = lanes_[i].retries;
    for (unsigned depth = 1; depth <= retries.visits.size(); ++depth)
        if (const auto& visit = retries.visits[depth - 1]; visit.steps == lanes_[i].steps)
            return Round{depth, visit.number};
    return std::nullopt;
}

bool Race::isIn(unsigned i, const Round& round) const {
    const Sim::Retries& retries = lanes_[i].retries;
    return retries.visits.size() >= round.depth && retries.visits[round.depth - 1].number == round.number;
}

void Race::resume(unsigned i) {
    Lane& lane = lanes_[i];
    const ActorId actor = sim_.actor();
    const u32 path = sim_.path();
    const u32 script = sim_.script();
    current_ = i;
    lane.stackHash = 0;
    sim_.race_ = this;
    sim_.inRace_ = true;
    sim_.setActor(lane.actor);
    sim_.setPath(lane.path);
    sim_.setScript(lane.script);
    sim_.machine().observe(tracing_ ? &lane.observed : nullptr, keeping_ ? &lane.all : nullptr);
    sim_.machine().logAccesses(&lane.log);
    {
        const StoreBuffers::Reading reading(sim_.stores(), lane.actor);
        lane.fiber->resume();
    }
    sim_.machine().logAccesses(nullptr);
    sim_.machine().observe(nullptr);
    sim_.inRace_ = false;
    lane.done = lane.fiber->done();
    sim_.setActor(actor);
    sim_.setPath(path);
    sim_.setScript(script);
}

void Race::start(unsigned i) {
    Lane& lane = lanes_[i];
    if (lane.started)
        return;
    lane.started = true;
    lane.fiber->start([](void* argument) { static_cast<Lane*>(argument)->body(); }, &lane);
    resume(i);
}

bool Race::run(unsigned i) {
    assert(enabled(i));
    if (serves(i)) {
        serve(i);
        return true;
    }
    start(i);
    if (lanes_[i].done || !enabled(i))
        return false;
    const u64 before = sim_.begun_;
    if (tracing_)
        lanes_[i].fiber->clearBelow();
    Lane& lane = lanes_[i];
    ++lane.steps;
    const auto noteCondition = [&] {
        const AccessLog reads = awaited(i);
        lane.log.insert(lane.log.end(), reads.begin(), reads.end());
    };
    noteCondition();
    resume(i);
    // What woke up at a retry point only reads up to its next site; that belongs to the micro-step there, so that a schedule
    // in micro-steps says all.
    while (sim_.begun_ == before && !lane.done) {
        noteCondition();
        if (!enabled(i))
            break;
        resume(i);
    }
    // What a rule looks at after the micro-step must not be exchanged with it either.
    sim_.machine().logAccesses(&lane.log);
    sim_.finishStep();
    sim_.machine().logAccesses(nullptr);
    return sim_.begun_ != before;
}

void Race::drainStores(unsigned i) {
    while (const auto lane = storesThatGo(i))
        run(*lane);
}

void Race::serve(unsigned i) {
    const ActorId actor = sim_.actor();
    sim_.setActor(lanes_[i].actor);
    sim_.setPath(isRcu(i) ? sim_.paths().enter(0, "tdp_mmu_free_sp_rcu_callback") : sim_.stores().oldestPath(ownerOfStores(i)));
    sim_.machine().logAccesses(&lanes_[i].log);
    sim_.begin(lanes_[i].site);
    if (isRcu(i))
        sim_.rcuRunOne();
    else
        sim_.stores().drain(ownerOfStores(i));
    sim_.finishStep();
    sim_.machine().logAccesses(nullptr);
    sim_.setActor(actor);
    sim_.setPath(0);
}

AccessLog Race::awaited(unsigned i) const {
    if (serves(i)) {
        AccessLog looked;
        sim_.machine().logAccesses(&looked);
        enabled(i);
        sim_.machine().logAccesses(nullptr);
        return looked;
    }
    const Condition& condition = lanes_[i].condition;
    const auto word = [&](WordAccess::Kind kind) {
        const u64 value = sim_.machine().look(condition.place);
        return AccessLog{{condition.place.v, kind, value, value}};
    };
    switch (condition.kind) {
    case Condition::Kind::Always: return {};
    case Condition::Kind::Changed:
        return {condition.log->begin() + static_cast<std::ptrdiff_t>(condition.begin),
                condition.log->begin() + static_cast<std::ptrdiff_t>(condition.end)};
    // Readers do not wait for each other.
    case Condition::Kind::CanRead: return word(WordAccess::Kind::Add);
    case Condition::Kind::CanWrite:
    case Condition::Kind::Equals:
    case Condition::Kind::Clear:
    case Condition::Kind::Set: break;
    }
    return word(WordAccess::Kind::Read);
}

static_assert(2 * kLocks <= 8 * sizeof(Race::Locks));

Race::Locks Race::wants(unsigned i) const {
    const Condition& condition = lanes_[i].condition;
    const bool write = condition.kind == Condition::Kind::CanWrite;
    if (serves(i) || !(write || condition.kind == Condition::Kind::CanRead))
        return 0;
    const unsigned lock = condition.place.v - sim_.lockPlace(LockId{}).v;
    return static_cast<Locks>(1u << (2 * lock + write));
}

Race::Locks Race::keepsOut(unsigned i) const {
    if (serves(i))
        return 0;
    const u64 held = sim_.machine().look(sim_.heldPlace(lanes_[i].actor));
    constexpr u64 kReading = 0x5555'5555'5555'5555;
    const u64 reading = held & kReading, writing = held & ~kReading;
    return static_cast<Locks>(reading << 1 | writing | writing >> 1);
}

std::string Race::whoWaits() const {
    std::string text;
    for (unsigned i = 0; i < actors_; ++i) {
        const Lane& lane = lanes_[i];
        if (lane.done)
            continue;
        const auto path = sim_.paths().names(lane.path);
        const std::string function = path.empty() ? "its call" : path.back() + "()";
        std::string what = "waits at " + std::string(info(lane.site).name);
        for (unsigned l = 0; l < kLocks; ++l)
            if (lane.site == Site::LockAcquire && lane.condition.place == sim_.lockPlace(static_cast<LockId>(l)))
                what = "waits for " + std::string(name(static_cast<LockId>(l)));
        text +=
            (text.empty() ? "" : "; ") + sim_.actorName(lane.actor) + " " +
            (lane.condition.kind == Condition::Kind::Changed ? "repeats " + function + ", and nothing changes" : what + " in " + function);
    }
    return text;
}

void Race::save(unsigned i) {
    const Lane& lane = lanes_[i];
    saved_.push_back({lane, i, serves(i) ? 0 : sim_.srcuInside_[lane.actor], stacks_.size(), lane.log.size()});
    if (!serves(i))
        lane.fiber->save(stacks_.grow(lane.fiber->used()));
}

void Race::undo() {
    const Saved& saved = saved_.back();
    Lane& lane = lanes_[saved.lane];
    static_cast<Standing&>(lane) = saved.standing;
    lane.log.resize(saved.logSize);
    if (!serves(saved.lane)) {
        sim_.srcuInside_[lane.actor] = saved.srcuInside;
        lane.fiber->restore(stacks_.data() + saved.stackBegin, stacks_.size() - saved.stackBegin);
    }
    stacks_.shrink(saved.stackBegin);
    saved_.pop_back();
}

void Race::dropSaved() {
    stacks_.shrink(saved_.back().stackBegin);
    saved_.pop_back();
}

Race::Copy Race::copy(unsigned i) const {
    const Lane& lane = lanes_[i];
    Copy copy{lane, serves(i) ? 0 : sim_.srcuInside_[lane.actor], {}, lane.log.size(), {}, lane.all};
    if (!serves(i)) {
        copy.stack.resize(lane.fiber->used());
        lane.fiber->save(copy.stack.data());
    }
    for (const Sim::Retries::Visit& visit : lane.retries.visits)
        copy.logBegin = std::min(copy.logBegin, visit.begin);
    if (lane.condition.kind == Condition::Kind::Changed)
        copy.logBegin = std::min(copy.logBegin, lane.condition.begin);
    copy.log.assign(lane.log.begin() + static_cast<std::ptrdiff_t>(copy.logBegin), lane.log.end());
    return copy;
}

void Race::put(unsigned i, const Copy& copy) {
    Lane& lane = lanes_[i];
    static_cast<Standing&>(lane) = copy.standing;
    lane.log.resize(copy.logBegin);
    lane.log.insert(lane.log.end(), copy.log.begin(), copy.log.end());
    lane.all = copy.observed;
    if (!serves(i)) {
        sim_.srcuInside_[lane.actor] = copy.srcuInside;
        lane.fiber->restore(copy.stack.data(), copy.stack.size());
    }
}

u64 Race::standingHash(unsigned i, bool byStack) const {
    const Lane& lane = lanes_[i];
    if (serves(i))
        return 0;
    if (lane.done)
        return 1;
    // Blocked at a retry point it depends on which words it waits for; once one has changed, it will only start over.
    const bool blockedByRetry = lane.condition.kind == Condition::Kind::Changed && !sim_.holds(lane.condition);
    if (byStack && lane.stackHash == 0)
        lane.stackHash = lane.fiber->hash();
    // Where it stands: of what it has read, a part that was forgotten does not tell.
    u64 hash = mix(byStack ? lane.stackHash : lane.observed.hash, sim_.paths().hash(lane.path));
    hash = mix(mix(hash, lane.script), static_cast<u64>(lane.site) << 1 | 1);
    // What it waits for says how far a loop has come that waits and reads nothing.
    hash = mix(hash, u64{lane.condition.place.v} << 8 | static_cast<u64>(lane.condition.kind));
    return hash + (blockedByRetry ? mix(lane.condition.value, 7) : 0);
}

} // namespace mirrorscope
