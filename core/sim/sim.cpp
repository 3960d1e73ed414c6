// SPDX-License-Identifier: GPL-3.0-or-later
#include "sim/sim.h"

#include "sim/race.h"

#include <algorithm>
#include <array>
#include <cassert>

namespace mirrorscope {

namespace {
// Lock words: readers in bits 15:0, writer (actor + 1) in bits 63:32.
constexpr u64 kWriterShift = 32;
} // namespace

std::string_view name(LockId lock) {
    constexpr std::array<std::string_view, kLocks> names{
        "mmu_lock", "slots_lock", "filemap_invalidate_lock", "tdp_mmu_pages_lock", "tdx_lock", "kvm->lock", "pamt_lock"};
    return names[static_cast<unsigned>(lock)];
}

Sim::Sim(const MachineConfig& config, Regions& regions)
    : vcpus_(config.vcpus), stores_(config.storeBuffers ? StoreBuffers(config.vcpus + kHosts, regions) : StoreBuffers{}) {
    locks_ = regions.take(kLocks, "lock");
    held_ = regions.take(actors(), "held");
    rcuDepth_ = regions.take(actors(), "rcu-depth");
    srcuDepth_ = regions.take(actors(), "srcu-depth");
    srcuWaiters_ = regions.take(1, "srcu-waiters");
    srcuWaitFor_ = regions.take(actors() * 2, "srcu-wait-for");
    srcuInside_.resize(actors());
    vcpuMutex_ = regions.take(vcpus_, "vcpu-mutex");
    rcuCount_ = regions.take(1, "rcu-queue");
    rcuQueue_ = regions.take(kRcuCapacity * 3, "rcu-queue");
    script_ = 0;
    actor_ = hostActor();
}

void Sim::layOutIndexes(Regions& indexes) {
    counters_ = indexes.take(kEventCounters, "counter");
    leafCounts_ = indexes.take(kLeaves, "counter");
    stores_.layOutIndexes(indexes);
}

void Sim::attach(Machine& machine, Frames& frames) {
    machine_ = &machine;
    frames_ = &frames;
    stores_.attach(machine);
}

std::string Sim::actorName(ActorId actor) const {
    if (actor < names_.size())
        return names_[actor];
    if (actor < vcpus_)
        return "vcpu" + std::to_string(actor);
    if (actor == rcuActor())
        return "rcu";
    if (actor >= actors())
        return actorName(static_cast<ActorId>(actor - actors())) + std::string(kStoresOf);
    const unsigned n = actor - vcpus_;
    return n == 0 ? "host" : "host" + std::to_string(n);
}

ActorId Sim::actorNamed(unsigned vcpus, std::string_view name) {
    if (name.ends_with(kStoresOf))
        return storesOf(vcpus, actorNamed(vcpus, name.substr(0, name.size() - kStoresOf.size())));
    const auto number = [&] { return name.size() > 4 ? std::stoul(std::string(name.substr(4))) : 0ul; };
    if (name.starts_with("vcpu"))
        return static_cast<ActorId>(number());
    return name == "rcu" ? rcuActorOf(vcpus) : static_cast<ActorId>(vcpus + number());
}

bool Condition::holdsWith(u64 word) const {
    switch (kind) {
    case Kind::CanRead: return word >> kWriterShift == 0;
    case Kind::CanWrite: return word == 0;
    case Kind::Equals: return word == value;
    case Kind::Clear: return (word & value) == 0;
    case Kind::Set: return (word & value) != 0;
    case Kind::Always:
    case Kind::Changed: break; // not a matter of one word
    }
    return true;
}

bool Sim::holds(const Condition& condition) const {
    if (condition.kind == Condition::Kind::Always)
        return true;
    if (condition.kind != Condition::Kind::Changed)
        return condition.holdsWith(machine_->look(condition.place));
    return std::any_of(condition.log->begin() + static_cast<std::ptrdiff_t>(condition.begin),
                       condition.log->begin() + static_cast<std::ptrdiff_t>(condition.end), [&](const WordAccess& a) {
                           return ((a.place & WordAccess::kNoWord) != 0 ? waitedFor(a.place, condition.log) : machine_->lookAt(a.place)) !=
                                  a.now;
                       });
}

void Sim::wait(Site site, const Condition& condition) {
    fenceBefore(site);
    arrive(site, condition);
}

void Sim::arrive(Site site, const Condition& condition) {
    if (inRace_) {
        suspend(site, condition);
    } else {
        finishStep();
        if (!holds(condition))
            throw Stuck{actorName(actor_) + " waits at " + std::string(info(site).name) +
                        ", and nobody is left to change what it waits for"};
    }
    begin(site);
}

void Sim::suspend(Site site, const Condition& condition) {
    Race& race = *race_;
    Race::Lane& lane = race.lanes_[race.current_];
    lane.site = site;
    lane.condition = condition;
    lane.path = path_;
    lane.script = script_;
    lane.fiber->suspend();
    path_ = lane.path;
    script_ = lane.script;
}

void Sim::lock(LockId lock, bool write) {
    const Place place = lockPlace(lock);
    const Condition condition{.kind = write ? Condition::Kind::CanWrite : Condition::Kind::CanRead, .place = place};
    fence();
    noteArrival(lock, write);
    if (inRace_ && !holds(condition))
        mark({.kind = MarkKind::LockWait, .code = static_cast<u8>(lock), .phase = write});
    arrive(Site::LockAcquire, condition);
    if (write)
        machine_->set(place, static_cast<u64>(actor_ + 1) << kWriterShift);
    else
        machine_->add(place, 1);
    noteArrival(lock, write);
    const u64 held = machine_->peek(held_ + actor_);
    machine_->set(held_ + actor_, held | 1ull << (2 * static_cast<unsigned>(lock) + write));
}

void Sim::readLock(LockId l) { lock(l, false); }
void Sim::writeLock(LockId l) { lock(l, true); }

void Sim::readUnlock(LockId l) {
    step(Site::LockRelease);
    machine_->add(lockPlace(l), ~0ull);
    machine_->set(held_ + actor_, machine_->peek(held_ + actor_) & ~(1ull << 2 * static_cast<unsigned>(l)));
}

// A spinlock and a writer's rwlock are released by a plain store; a mutex and an rwsem are not.
void Sim::writeUnlock(LockId l) {
    if (l == LockId::MmuLock || l == LockId::TdpMmuPagesLock) {
        store(Site::LockRelease, lockPlace(l), 0);
    } else {
        step(Site::LockRelease);
        machine_->set(lockPlace(l), 0);
    }
    machine_->set(held_ + actor_, machine_->peek(held_ + actor_) & ~(2ull << 2 * static_cast<unsigned>(l)));
}

bool Sim::heldForWriting(LockId l) const { return (machine_->peek(held_ + actor_) >> 2 * static_cast<unsigned>(l) & 2) != 0; }

bool Sim::heldByMe(LockId l) const { return (machine_->peek(held_ + actor_) >> 2 * static_cast<unsigned>(l) & 3) != 0; }

bool Sim::contended(LockId l) const {
    if (!inRace_)
        return false;
    AccessLog* const log = machine_->accesses();
    const AccessLog* const own = &race_->lanes_[race_->current_].log;
    const auto look = [&](bool write) {
        const bool waits = waitedFor(arrivals(l, write), own);
        if (log != nullptr)
            log->push_back({arrivals(l, write), WordAccess::Kind::Read, waits, waits});
        return waits;
    };
    // Whoever holds it for reading keeps out writers only.
    const bool writers = look(true);
    const bool readers = heldForWriting(l) && look(false);
    machine_->note(writers || readers);
    return writers || readers;
}

bool Sim::waitedFor(u64 which, const AccessLog* without) const {
    const bool write = (which & 1) != 0;
    const Place place = lockPlace(static_cast<LockId>((which & ~WordAccess::kNoWord) >> 1));
    return std::any_of(race_->lanes_.begin(), race_->lanes_.end(), [&](const Race::Lane& lane) {
        return &lane.log != without && lane.started && !lane.done && lane.site == Site::LockAcquire && lane.condition.place == place &&
               lane.condition.kind == (write ? Condition::Kind::CanWrite : Condition::Kind::CanRead);
    });
}

void Sim::rcuReadLock() {
    step(Site::RcuEnter);
    machine_->set(rcuDepth_ + actor_, machine_->peek(rcuDepth_ + actor_) + 1);
}

void Sim::rcuReadUnlock() {
    step(Site::RcuLeave);
    const u64 depth = machine_->peek(rcuDepth_ + actor_) - 1;
    machine_->set(rcuDepth_ + actor_, depth);
    if (depth != 0)
        return;
    const u64 queued = machine_->peek(rcuCount_);
    for (u64 i = 0; i < queued; ++i) {
        machine_->clearBits(rcuQueue_ + i * 3 + 1 + actor_ / 64, 1ull << actor_ % 64);
    }
}

bool Sim::inOwnStep() const { return inRace_ ? race_->lanes_[race_->current_].steps != 0 : begun_ != begunBefore_; }

void Sim::srcuReadLock() {
    ++srcuInside_[actor_];
    if (inOwnStep())
        applySrcu();
    fence();
}

void Sim::srcuReadUnlock() {
    fence();
    srcuReadUnlockWithoutBarrier();
}

void Sim::srcuReadUnlockWithoutBarrier() {
    --srcuInside_[actor_];
    applySrcu();
}

void Sim::vcpuLock(unsigned vcpu) {
    if (!inRace_ || !race_->isShared(vcpu))
        return;
    wait(Site::LockAcquire, {.kind = Condition::Kind::Equals, .place = vcpuMutex_ + vcpu});
    machine_->set(vcpuMutex_ + vcpu, u64{actor_} + 1);
}

void Sim::vcpuUnlock(unsigned vcpu) {
    if (!inRace_ || !race_->isShared(vcpu))
        return;
    step(Site::LockRelease);
    machine_->set(vcpuMutex_ + vcpu, 0);
}

void Sim::startOver() {
    begunBefore_ = begun_;
    for (unsigned a = 0; a < actors(); ++a)
        srcuInside_[a] = machine_->peek(srcuDepth_ + a);
    retries_ = {};
}

void Sim::synchronizeSrcu() {
    const Place mine = srcuWaitFor_ + actor_ * 2;
    u64 waitFor[2] = {0, 0};
    for (unsigned a = 0; a < actors(); ++a)
        if (a != actor_ && machine_->peek(srcuDepth_ + a) != 0)
            waitFor[a / 64] |= 1ull << a % 64;
    if ((waitFor[0] | waitFor[1]) == 0)
        return;
    machine_->set(mine, waitFor[0]);
    machine_->set(mine + 1, waitFor[1]);
    bump(srcuWaiters_, 1);
    for (unsigned half = 0; half < 2; ++half)
        if (waitFor[half] != 0)
            wait(Site::SrcuSync, {.kind = Condition::Kind::Equals, .place = mine + half});
    bump(srcuWaiters_, ~0ull);
}

void Sim::passSrcu(Place word) {
    machine_->set(word, srcuInside_[actor_]);
    if (srcuInside_[actor_] == 0 && machine_->peek(srcuWaiters_) != 0)
        leftSrcu();
}

// Who was inside when somebody began to wait has been outside once now.
void Sim::leftSrcu() {
    for (unsigned a = 0; a < actors(); ++a) {
        const Place word = srcuWaitFor_ + a * 2 + actor_ / 64;
        if (const u64 mask = machine_->peek(word); (mask >> actor_ % 64 & 1) != 0)
            machine_->set(word, mask & ~(1ull << actor_ % 64));
    }
}

void Sim::callRcu(u64 object) {
    step(Site::RcuQueue);
    const u64 i = machine_->peek(rcuCount_);
    assert(i < kRcuCapacity);
    u64 readers[2] = {0, 0};
    for (unsigned a = 0; a < actors(); ++a)
        if (machine_->peek(rcuDepth_ + a) != 0)
            readers[a / 64] |= 1ull << a % 64;
    machine_->set(rcuQueue_ + i * 3, object);
    machine_->set(rcuQueue_ + i * 3 + 1, readers[0]);
    machine_->set(rcuQueue_ + i * 3 + 2, readers[1]);
    machine_->set(rcuCount_, i + 1);
}

bool Sim::rcuReady() const {
    const u64 queued = machine_->peek(rcuCount_);
    for (u64 i = 0; i < queued; ++i)
        if (machine_->peek(rcuQueue_ + i * 3 + 1) == 0 && machine_->peek(rcuQueue_ + i * 3 + 2) == 0)
            return true;
    return false;
}

bool Sim::keepsRcu(ActorId actor) const {
    if (machine_->look(rcuDepth_ + actor) == 0)
        return false;
    const u64 queued = machine_->look(rcuCount_);
    for (u64 i = 0; i < queued; ++i)
        if ((machine_->look(rcuQueue_ + (i * 3 + 1 + actor / 64)) >> actor % 64 & 1) == 0)
            return false;
    return true;
}

void Sim::rcuRunOne() {
    const u64 queued = machine_->peek(rcuCount_);
    for (u64 i = 0; i < queued; ++i) {
        const Place entry = rcuQueue_ + i * 3;
        if (machine_->peek(entry + 1) != 0 || machine_->peek(entry + 2) != 0)
            continue;
        const u64 object = machine_->peek(entry);
        // The last entry takes its place.
        const Place last = rcuQueue_ + (queued - 1) * 3;
        for (unsigned k = 0; k < 3; ++k) {
            machine_->set(entry + k, machine_->peek(last + k));
            if (last != entry)
                machine_->set(last + k, 0);
        }
        if (last == entry)
            machine_->set(entry, 0);
        machine_->set(rcuCount_, queued - 1);
        rcuFree_(object);
        return;
    }
}

void Sim::rcuBarrier() {
    assert(!inRace_);
    if (!rcuReady())
        return;
    const ActorId actor = actor_;
    const u32 path = path_;
    setActor(rcuActor());
    setPath(paths_.enter(0, "tdp_mmu_free_sp_rcu_callback"));
    while (rcuReady()) {
        step(Site::RcuFree);
        rcuRunOne();
    }
    finishStep();
    setActor(actor);
    setPath(path);
}

void Sim::mark(const Mark& given) {
    if (!machine_->recording())
        return;
    Mark mark = given;
    const u64 steps = machine_->steps();
    mark.n = mark.kind == MarkKind::StepBegin || steps == 0 ? steps : steps - 1;
    mark.actor = actor_;
    if (mark.script == 0)
        mark.script = script_;
    marks_.push(mark);
}

void Sim::baseline() {
    for (u64 i = 0; i < kEventCounters + kLeaves; ++i)
        machine_->set(counters_ + i, 0);
    marks_.truncate(0);
    stepOpen_ = false;
    machine_->baseline();
}

void Sim::beginHistory() {
    finishStep();
    marks_.truncate(0);
    machine_->beginHistory();
}

} // namespace mirrorscope
