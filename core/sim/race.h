// SPDX-License-Identifier: GPL-3.0-or-later
// A race: actors on fibers, one micro-step at a time, in whatever order its driver asks for.
#pragma once

#include "sim/sim.h"

#include <algorithm>
#include <bitset>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

namespace mirrorscope {

// Saved stacks, one after another. A vector would clear the room before the bytes come, which costs as much as they do.
class StackBytes {
public:
    std::size_t size() const { return size_; }
    const std::byte* data() const { return bytes_.get(); }
    // Room for so many more, whose bytes are anything.
    std::byte* grow(std::size_t by) {
        if (size_ + by > capacity_) {
            capacity_ = 2 * (size_ + by);
            auto bytes = std::make_unique_for_overwrite<std::byte[]>(capacity_);
            std::copy_n(bytes_.get(), size_, bytes.get());
            bytes_ = std::move(bytes);
        }
        size_ += by;
        return bytes_.get() + size_ - by;
    }
    void shrink(std::size_t size) { size_ = size; }

private:
    std::unique_ptr<std::byte[]> bytes_;
    std::size_t size_ = 0, capacity_ = 0;
};

class Race {
public:
    struct Actor {
        ActorId actor = 0;
        std::function<void()> body;  // runs on the fiber; must own nothing there
        std::bitset<256> vcpus = {}; // whose ioctls it makes
    };

    Race(Sim& sim, std::vector<Actor> actors);
    ~Race();
    Race(const Race&) = delete;
    Race& operator=(const Race&) = delete;

    // The race's own numbering: its actors are 0 … actors()-1; behind them stand those who serve them and never have a script: the store
    // buffer of each, if there are any, in the same order, and RCU as the last, count()-1.
    unsigned count() const { return static_cast<unsigned>(lanes_.size()); }
    unsigned actors() const { return actors_; }
    bool serves(unsigned i) const { return i >= actors_; }
    ActorId actorOf(unsigned i) const { return lanes_[i].actor; }
    // Do several actors work on that vCPU, so that its mutex matters?
    bool isShared(unsigned vcpu) const { return sharedVcpus_[vcpu]; }
    bool done(unsigned i) const { return serves(i) ? !enabled(i) : lanes_[i].done; }
    // All listed actors are done, and what they have stored is seen by all.
    bool over() const;
    // Can take a micro-step now. An actor that was never run can: it may turn out to have none.
    bool enabled(unsigned i) const;
    // All who can, in order.
    std::vector<unsigned> movable() const;
    // A round of a loop that tries again: how deep that loop is in others, from 1, and which of all the rounds that the actor has begun.
    struct Round {
        unsigned depth;
        u64 number;
    };
    // Of those that actor i is in: the outermost; the outermost in which it has taken no micro-step yet.
    std::optional<Round> outermostRound(unsigned i) const;
    std::optional<Round> freshRound(unsigned i) const;
    bool isIn(unsigned i, const Round& round) const;
    // Every access of actor i so far, in order; a micro-step's are those that it appended.
    const AccessLog& accesses(unsigned i) const { return lanes_[i].log; }
    // What a waiting actor waits for, and the words that this is about, as accesses.
    const Condition& condition(unsigned i) const { return lanes_[i].condition; }
    AccessLog awaited(unsigned i) const;
    // Nobody can go on: what each actor that is not done waits for, or repeats.
    std::string whoWaits() const;
    // The site of the next micro-step, once the actor was started.
    Site pendingSite(unsigned i) const { return lanes_[i].site; }
    u32 pendingPath(unsigned i) const { return lanes_[i].path; }
    u64 pendingPathHash(unsigned i) const { return sim_.paths().hash(lanes_[i].path); } // the same in every machine
    u32 script(unsigned i) const { return lanes_[i].script; }
    // Of locks bit 2n is about who wants lock n for reading, 2n+1 about who wants it for writing: what that micro-step wants (one bit, or
    // none), and whom the actor keeps out with what it holds.
    using Locks = u16;
    Locks wants(unsigned i) const;
    Locks keepsOut(unsigned i) const;
    // RCU's callbacks wait for as long as actor i does not move.
    bool keepsRcu(unsigned i) const { return !serves(i) && sim_.keepsRcu(lanes_[i].actor); }
    bool isRcu(unsigned i) const { return i + 1 == count(); }

    // Runs actor i up to its first step(); what stands before it observes nothing.
    void start(unsigned i);
    // One micro-step; false when the actor ended without one.
    bool run(unsigned i);
    // The lane of the store buffer of actor i, if a store waits in it.
    std::optional<unsigned> storesThatGo(unsigned i) const {
        return sim_.stores().exist() && enabled(actors_ + i) ? std::optional(actors_ + i) : std::nullopt;
    }
    // Whatever waits in the store buffer of actor i leaves it, each store a micro-step.
    void drainStores(unsigned i);

    // Puts actors back to where they stood, so that a search pays for the distance and not for the path. save() before a micro-step of
    // actor i, undo() after the machine was rewound to before it; the last one saved is the first one undone.
    void save(unsigned i);
    void undo();
    // What was saved last is not wanted.
    void dropSaved();
    std::size_t saved() const { return saved_.size(); }
    // Everything that an actor's future depends on beside the machine, as one hash: what it has read since its script step began; or what
    // its stack holds. Equal by either goes on alike: the first is blind to values that are no longer of use only at settle(), the second
    // sees values that nobody looks at any more.
    u64 stackHash(unsigned i) const { return standingHash(i, true); }
    u64 localHash(unsigned i) const { return standingHash(i, false); }
    // `all`: kept one by one, for copies.
    void traceObservations(bool on, bool all = false) {
        tracing_ = on;
        keeping_ = all;
    }

    // Where an actor stands, beside its stack.
    struct Standing {
        bool started = false;
        bool done = false;
        Site site = Site::VmState;
        Condition condition;
        u32 path = 0;
        u32 script = 0;
        Observed observed{};
        Sim::Retries retries;
        Sim::Forgets forgets;
        u64 steps = 0;             // micro-steps that it took
        mutable u64 stackHash = 0; // of its stack as it is; 0: not known
    };
    // All of an actor that is not in the machine, by value. Of its log of accesses what a loop that tries again, or its waiting, may still
    // ask for.
    struct Copy {
        Standing standing;
        u64 srcuInside = 0;
        std::vector<std::byte> stack;
        std::size_t logBegin = 0;
        AccessLog log;
        std::vector<u64> observed; // since what it had observed before ceased to matter
    };
    Copy copy(unsigned i) const;
    void put(unsigned i, const Copy& copy);

private:
    friend class Forget;
    friend class Sim;
    struct Lane : Standing {
        ActorId actor = 0;
        std::function<void()> body;
        std::unique_ptr<Fiber> fiber;
        AccessLog log;
        std::vector<u64> all; // observations, if they are kept
    };
    struct Saved {
        Standing standing;
        unsigned lane;
        u64 srcuInside; // 0 for those who serve
        std::size_t stackBegin;
        std::size_t logSize;
    };
    u8 ownerOfStores(unsigned i) const { return lanes_[i - actors_].actor; }
    void resume(unsigned i);
    void serve(unsigned i);
    u64 standingHash(unsigned i, bool byStack) const;

    Sim& sim_;
    std::vector<Lane> lanes_;
    unsigned actors_ = 0;
    unsigned current_ = 0;
    bool tracing_ = false, keeping_ = false;
    std::vector<Saved> saved_;
    StackBytes stacks_; // of saved_, one after another
    std::bitset<256> sharedVcpus_;
};

} // namespace mirrorscope
