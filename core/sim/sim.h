// SPDX-License-Identifier: GPL-3.0-or-later
// Actors, micro-steps, locks and RCU: what makes a plain C++ function with the kernel's name steppable.
//
//   Call call(sim, "kvm_tdp_mmu_map");
//   sim.step(Site::SpteRead);            // another actor may run before this returns
//   const u64 spte = machine.get(place); // the micro-step: up to the next step()
//
// Outside of a race, step() counts and returns. In a race each actor runs on a fiber, and step() hands over to whoever
// drives the race (the schedule, or the explorer).
#pragma once

#include "machine/config.h"
#include "machine/frames.h"
#include "machine/machine.h"
#include "machine/store_buffer.h"
#include "sim/call_path.h"
#include "sim/fiber.h"
#include "sim/marks.h"
#include "sim/nested.h"

#include <concepts>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mirrorscope {

enum class LockId : u8 { MmuLock, SlotsLock, FilemapInvalidateLock, TdpMmuPagesLock, TdxLock, KvmLock, PamtLock, Count_ };
inline constexpr unsigned kLocks = static_cast<unsigned>(LockId::Count_);
std::string_view name(LockId lock);

// What a suspended actor waits for. It is run again only when this holds, so a blocked actor takes no steps.
struct Condition {
    enum class Kind : u8 { Always, CanRead, CanWrite, Equals, Clear, Set, Changed };
    Kind kind = Kind::Always;
    Place place;
    u64 value = 0; // Clear, Set: these bits, all or any of them
    // Changed: one of the words in this part of the actor's log is not what it was there.
    const AccessLog* log = nullptr;
    std::size_t begin = 0, end = 0;

    // Would it hold with that value in its word? (Not for Changed.)
    bool holdsWith(u64 word) const;
};

// Thrown outside of races when an actor would wait for ever: nobody else is there to change what it waits for.
struct Stuck {
    std::string what;
};

class Sim {
public:
    static constexpr unsigned kHosts = 8;

    Sim(const MachineConfig& config, Regions& regions);
    void layOutIndexes(Regions& indexes);
    void attach(Machine& machine, Frames& frames);

    Machine& machine() { return *machine_; }
    const Machine& machine() const { return *machine_; }
    Frames& frames() { return *frames_; }

    // Actors: vCPUs first, then host, host1 …, and last the RCU callbacks. Behind them, no actors but named like some, the store buffers.
    unsigned vcpus() const { return vcpus_; }
    ActorId hostActor(unsigned n = 0) const { return static_cast<ActorId>(vcpus_ + n); }
    static ActorId rcuActorOf(unsigned vcpus) { return static_cast<ActorId>(vcpus + kHosts); }
    ActorId rcuActor() const { return rcuActorOf(vcpus_); }
    unsigned actors() const { return vcpus_ + kHosts + 1; }
    static ActorId storesOf(unsigned vcpus, ActorId actor) { return static_cast<ActorId>(rcuActorOf(vcpus) + 1 + actor); }
    static constexpr std::string_view kStoresOf = ".stores"; // behind an actor's name: its store buffer
    std::string actorName(ActorId actor) const;
    // The first actors are called so from now on: the tasks of a recording.
    void nameActors(std::vector<std::string> names) { names_ = std::move(names); }
    // The other way round, of a name that actorName() gave.
    static ActorId actorNamed(unsigned vcpus, std::string_view name);
    ActorId actor() const { return actor_; }
    void setActor(ActorId actor) { actor_ = actor; }
    u32 script() const { return script_; }
    void setScript(u32 script) { script_ = script; }

    // The next action that others could observe is about to happen. With store buffers all but a plain load waits for those of its CPU.
    void step(Site site) {
        fenceBefore(site);
        storing(site);
    }
    // The same, but not before the condition holds.
    void wait(Site site, const Condition& condition);
    bool holds(const Condition& condition) const;
    // Plain stores: seen by all at once, or with `machine.memory-model: tso` put into the store buffer of the actor's CPU. An action that
    // consists of such stores begins with storing(); store(site, …) is one of a single store.
    void storing(Site site) {
        if (inRace_)
            suspend(site, {});
        else if (afterStep_)
            finishStep();
        begin(site);
    }
    void store(Place place, u64 value);
    void store(Site site, Place place, u64 value) {
        storing(site);
        store(place, value);
    }
    // smp_mb(), and what else lets a CPU's stores leave first: locked operations, serializing instructions, interrupts (SDM vol.
    // 3A, 12.10). A micro-step if any wait.
    void fence() {
        if (storesWait())
            wait(Site::Fence, {.kind = Condition::Kind::Equals, .place = stores_.count(actor_)});
    }
    StoreBuffers& stores() { return stores_; }
    const StoreBuffers& stores() const { return stores_; }
    // What was put into a buffer in the present micro-step: place, what the word would have had, what it will have. Told once.
    struct Stored {
        Place place;
        u64 old, now;
    };
    std::vector<Stored> takeStored() { return std::exchange(stored_, {}); }
    // Of the micro-step that began last.
    Site site() const { return site_; }
    // That micro-step turns out to be of another site, which depends on what it has read.
    void becomes(Site site) {
        machine_->renameStep(site_, site);
        site_ = site;
    }
    // The micro-step that ran last is complete: rules are checked. Called by step() and at the end of a script step.
    [[gnu::noinline]] void finishStep() {
        if (afterStep_ && stepOpen_) {
            stepOpen_ = false;
            afterStep_();
        }
    }
    // The machine is quiet. Nothing that was done before is told any more, but how often each site was passed.
    void beginHistory();
    void onStep(std::function<void()> hook) { afterStep_ = std::move(hook); }

    // What the actor does from here on depends on `token` and on the machine only, not on what it read before.
    void settle(u64 token);

    // Locks. A reader is let in while no writer holds the lock.
    void readLock(LockId lock);
    void readUnlock(LockId lock);
    void writeLock(LockId lock);
    void writeUnlock(LockId lock);
    void lock(LockId lock, bool write);
    void unlock(LockId lock, bool write) { write ? writeUnlock(lock) : readUnlock(lock); }
    bool heldForWriting(LockId lock) const;
    bool heldByMe(LockId lock) const;
    // rwlock_needbreak(): does another actor of the race wait for a lock that this one holds?
    bool contended(LockId lock) const;
    // The same for a round of a loop that was told so: is what stands in the log as an arrival still so? Without those of that log's actor.
    bool waitedFor(u64 arrivals, const AccessLog* without) const;
    // What an actor holds: bit 2n for lock n held for reading, bit 2n+1 for writing.
    Place heldPlace(unsigned actor) const { return held_ + actor; }
    Place lockPlace(LockId lock) const { return locks_ + static_cast<unsigned>(lock); }
    // No word of the machine: who has arrived at a lock, for reading or for writing. In an actor's log of accesses an arrival adds to it,
    // contended() reads what it goes by.
    static u64 arrivals(LockId lock, bool write) { return WordAccess::kNoWord | static_cast<u64>(lock) << 1 | u64{write}; }

    // RCU. Deferred frees run when every reader of the time of call_rcu has left.
    void rcuReadLock();
    void rcuReadUnlock();
    bool rcuHeld() const { return machine_->peek(rcuDepth_ + actor_) != 0; }
    void callRcu(u64 object);
    void onRcuFree(std::function<void(u64 object)> callback) { rcuFree_ = std::move(callback); }
    bool rcuReady() const;
    // Nothing is freed while that actor stays in its read-side section: every deferred free waits for it, and those to come would.
    bool keepsRcu(ActorId actor) const;
    // One callback, as the RCU actor.
    void rcuRunOne();
    // Ends all grace periods; only when the machine is quiet.
    void rcuBarrier();

    // kvm->srcu: held over the whole handling of an exit. synchronizeSrcu() waits for those who are inside now. Entering
    // and leaving are no micro-steps of their own: they belong to the actor's present one, and before its first to that one.
    // Both have a full barrier inside (v6.16 kernel/rcu/srcutree.c, __srcu_read_lock(), __srcu_read_unlock()).
    void srcuReadLock();
    void srcuReadUnlock();
    void srcuReadUnlockWithoutBarrier();
    void synchronizeSrcu();
    // vcpu->mutex, held over each ioctl of a vCPU. It is a micro-step only in a race where somebody else wants the same vCPU.
    void vcpuLock(unsigned vcpu);
    void vcpuUnlock(unsigned vcpu);
    // Where the actors stand follows from the machine alone: between script steps, and when a race starts over.
    void startOver();

    // Call path of the running actor.
    CallPaths& paths() { return paths_; }
    const CallPaths& paths() const { return paths_; }
    u32 path() const { return path_; }
    void setPath(u32 path) { path_ = path; }

    // Event counters and marks.
    void count(Counter counter, u64 by = 1) { bump(counters_ + static_cast<unsigned>(counter), by); }
    u64 counter(Counter counter) const { return machine_->peek(counters_ + static_cast<unsigned>(counter)); }
    void countLeaf(unsigned leaf) { bump(leafCounts_ + leaf, 1); }
    u64 leafCount(unsigned leaf) const { return machine_->peek(leafCounts_ + leaf); }
    void mark(const Mark& mark);
    // As it is given: of what was recorded elsewhere.
    void markAt(const Mark& mark) { marks_.push(mark); }
    const Marks& marks() const { return marks_; }
    void truncateMarks(u64 size) { marks_.truncate(size); }

    // Everything that is counted goes back to 0 and the present state becomes position 0.
    void baseline();

    // The loops that an actor is in which try again (see Retry).
    struct Retries {
        struct Visit {
            u64 carried;       // what the round began with beside the machine
            u64 hash;          // of the machine, if it keeps one; what counts when nobody else runs
            u64 alike;         // rounds before this one that began with the same
            std::size_t begin; // in the log of accesses; what counts in a race
            bool storesWait;   // in the buffer of the actor's CPU, from before the loop: a later round has none of them
            u64 number;        // of all rounds that the actor has begun
            u64 steps;         // micro-steps that it had taken by then; what counts in a race
        };
        Nested<Visit, 8> visits;
        u64 begun = 0; // rounds, of all loops
    };

    // The parts that an actor is in of which only what they return will matter (see Forget): what it had observed before each.
    using Forgets = Nested<Observed, 12>;

private:
    friend class Race; // drives the fibers of this simulator
    friend class Retry;
    friend class Forget;
    static constexpr unsigned kLeaves = 80;
    static constexpr u64 kRcuCapacity = 1 << 16;

    static bool isLoad(Site site);
    // Of the running actor, in the buffer of its CPU.
    bool storesWait() const { return inRace_ && stores_.exist() && inOwnStep() && machine_->get(stores_.count(actor_)) != 0; }
    void fenceBefore(Site site) {
        if (stores_.exist())
            fenceUnlessLoad(site);
    }
    [[gnu::noinline]] void fenceUnlessLoad(Site site) {
        if (!isLoad(site))
            fence();
    }
    // wait() by one whose stores have left, or may wait.
    void arrive(Site site, const Condition& condition);
    void begin(Site site) {
        if (!stored_.empty())
            stored_.clear();
        stepOpen_ = true;
        ++begun_;
        machine_->beginStep({.change = 0, .path = path_, .script = script_, .site = site, .actor = actor_});
        machine_->note(static_cast<u64>(site));
        site_ = site;
        if (actor_ < actors()) // not a store buffer
            applySrcu();
    }
    bool inOwnStep() const;
    void applySrcu() {
        // (No access that matters to others: nobody else writes the word.)
        if (const Place word = srcuDepth_ + actor_; machine_->look(word) != srcuInside_[actor_])
            passSrcu(word);
    }
    [[gnu::noinline]] void passSrcu(Place word);
    void leftSrcu();
    void bump(Place place, u64 by) { machine_->add(place, by); }
    // After a loop's round, which is the log from `begin` on: Changed, with the words that the round depended on appended to the log as
    // reads; Always when another round could differ.
    Condition endOfRound(AccessLog& log, std::size_t begin);
    void noteArrival(LockId lock, bool write) const {
        if (AccessLog* log = machine_->accesses())
            log->push_back({arrivals(lock, write), WordAccess::Kind::Add, 0, 0});
    }
    void suspend(Site site, const Condition& condition);
    Retries& retries();
    Retries::Visit visit(u64 carried, u64 alike);
    std::size_t logged() const;
    // A round of the innermost loop is over, and the next one begins with `carried`; returns when it could end otherwise.
    bool endRound(u64 carried);

    unsigned vcpus_;
    Machine* machine_ = nullptr;
    Frames* frames_ = nullptr;
    Place locks_;
    Place held_;     // per actor: bit 2n lock n for reading, bit 2n+1 for writing
    Place rcuDepth_; // per actor
    Place srcuDepth_;
    Place srcuWaiters_; // how many wait
    Place srcuWaitFor_; // per actor: whom it still waits for, 0..63 and 64..
    Place vcpuMutex_;   // per vCPU: actor + 1 that holds it
    Place rcuCount_;
    Place rcuQueue_; // object, readers 0..63, readers 64..
    Place counters_;
    Place leafCounts_;

    StoreBuffers stores_;
    std::vector<Stored> stored_;
    std::vector<std::string> names_; // of a recording's tasks

    ActorId actor_ = 0;
    u32 script_ = 0;
    u32 path_ = 0;
    bool inRace_ = false;
    bool stepOpen_ = false;
    u64 begun_ = 0;               // micro-steps, recorded or not
    Site site_ = Site::CallEnter; // of the last one
    class Race* race_ = nullptr;
    Retries retries_;
    std::vector<u64> srcuInside_; // per actor
    u64 begunBefore_ = 0;         // when the present script step started
    // What the round that is being looked at knows of a word; entries with another number are free.
    struct RoundWord {
        u64 id = 0, number = 0;
        u64 first = 0, last = 0;
        u64 added = 0;
        bool valued = false; // its value was read or set, not only added to
    };
    std::vector<RoundWord> round_; // a hash table
    std::vector<u32> roundWords_;  // which of its entries are in use
    u64 roundNumber_ = 0;
    std::function<void()> afterStep_;
    std::function<void(u64)> rcuFree_;
    CallPaths paths_;
    Marks marks_;
};

// A part of which only one value will matter to what follows, beside the machine: what its caller cannot know from that is no part of the
// state any more. Whatever leaves it, by return, by reference or by a member, must be in the value.
//
//   Forget forget(sim);
//   …
//   return forget.but(result);
//
// Between two micro-steps of one function the value must tell them apart, if neither the site nor the call path does: a loop's its index.
class Forget {
public:
    explicit Forget(Sim& sim);
    ~Forget();
    Forget(const Forget&) = delete;
    Forget& operator=(const Forget&) = delete;

    template <class T>
    requires(!std::invocable<T>) T but(T value) {
        forget(static_cast<u64>(value));
        return value;
    }
    // Of many values their hash, which nobody needs outside of a race.
    template <std::invocable F>
    void but(F hash) {
        if (sim_.inRace_)
            forget(hash());
    }
    void all() { forget(0); }

private:
    void forget(u64 value);
    Sim& sim_;
};

// A loop that tries again until somebody else has moved. No other form of such a loop is allowed, so that none can be missed: an actor
// whose round read and wrote only what has the value that it had when the round began, and that carries nothing else over, could only
// repeat itself. It is blocked until somebody changes a word that it read, and `progress` says which function it repeats.
//
//   for (Retry retry(sim, iter.oldSpte); wanted(iter.oldSpte); retry.again(iter.oldSpte))
//       if (tdp_mmu_set_spte_atomic(iter, …) == 0)
//           break;
class Retry {
public:
    // `carried`: what the next round depends on beside the machine and what does not change from round to round.
    explicit Retry(Sim& sim, u64 carried = 0);
    // The same, and what the actor does from each round on depends on `token` and on the machine only (Sim::settle()).
    struct Settled {
        u64 token;
    };
    Retry(Sim& sim, Settled settled);
    ~Retry();
    Retry(const Retry&) = delete;
    Retry& operator=(const Retry&) = delete;

    // The round did not do. A new token where the loop settles.
    void again(u64 carried = 0);

private:
    Sim& sim_;
    Forget rounds_; // what a round has read is no matter to the next
    bool settles_;
};

// Names the running function in the call path while it lives.
class Call {
public:
    Call(Sim& sim, const char* function) : sim_(sim), caller_(sim.path()) { sim.setPath(sim.paths().enter(caller_, function)); }
    ~Call() { sim_.setPath(caller_); }
    Call(const Call&) = delete;
    Call& operator=(const Call&) = delete;

private:
    Sim& sim_;
    u32 caller_;
};

} // namespace mirrorscope
