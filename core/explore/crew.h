// SPDX-License-Identifier: GPL-3.0-or-later
// Several searches of one race at a time, each with a machine and, given by the caller, a thread of its own: what they have in common. The
// states that were entered; those on somebody's path; work to give away; what was learned of what actors do. All members search the same
// scenario, with the same options. resources/docs/exploring.md ("Several at once") says why nothing is lost by it.
#pragma once

#include "explore/fact.h"
#include "explore/hash_set.h"

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

namespace mirrorscope {

// Of states in which several could move: in how many all were tried, and in how many somebody was left out.
class Branches {
public:
    void count(bool all) { (all ? all_ : some_).fetch_add(1, std::memory_order_relaxed); }
    // Is so little left out that a race of few actors is searched faster without it?
    bool payLittle() const {
        constexpr u64 kFew = 1000;
        const u64 all = all_.load(std::memory_order_relaxed), some = some_.load(std::memory_order_relaxed);
        return all + some >= kFew && some <= all;
    }
    void clear() { all_ = some_ = 0; }

private:
    std::atomic<u64> all_ = 0, some_ = 0;
};

class Crew {
public:
    // Work is given to whoever waits for it. Everything: whatever can be given is, so that (for tests) one member alone does it all in
    // another order.
    enum class Gives : u8 { WhatIsAskedFor, Everything };
    explicit Crew(unsigned members, Gives gives = Gives::WhatIsAskedFor);

    // ---- States, by their hashes
    enum class Found : u8 { New, Open, Closed };
    // A search has come to that state, where it leaves those actors out who are asleep (explore/by_states.cpp). A new one is open from now
    // on.
    struct Entered {
        Found found = Found::New;
        HashSet::Left left = 0; // of one that is not new: whom everybody has left out there
    };
    Entered enter(u64 state, HashSet::Left asleep = 0);
    // It is on one path more, or less.
    void open(u64 state);
    void close(u64 state);
    // Was that hash, of what is no state of the race, never told before?
    bool isFirst(u64 hash);

    // ---- Work
    // To be gone on with from the state where `path` leads to from the beginning of the race.
    struct Task {
        std::vector<u16> path;
        bool all = false;                 // everybody who can move is to be tried there; else
        std::vector<u16> choices, spared; // these are, and those need not be
        HashSet::Left asleep = 0;         // nor, behind what commutes with their next micro-steps, these: that was done, or is being done
        unsigned preemptions = 0;         // on the path
        u16 last = 0;                     // who took its last micro-step
        bool lastCouldGo = false;         // and could take another
        std::vector<u64> open;            // states on the way, the last one included, open for whoever takes it on until he has done
    };
    // Does somebody wait for work that nobody has given yet?
    bool isHungry() const { return gives_ == Gives::Everything || hungry_.load(std::memory_order_relaxed) > 0; }
    void give(Task task);
    // For a member that has nothing left to do, until there is something: a task; facts that it has not looked at; or the end of the
    // search, by one of three ways. `rest` is called now and then.
    enum class Next : u8 { Task, Facts, Done, Stop, Anew };
    Next wait(unsigned member, Task& task, const std::function<void()>& rest);

    // ---- Facts
    void tell(Fact fact);
    // Those that were told since the member asked last; they stay.
    std::vector<const Fact*> news(unsigned member);

    // ---- All at once
    // Stop: the search is over. Anew: all begin again, when each has called beginAnew(), with nothing entered and what was learned.
    enum class Call : u8 { GoOn, Anew, Stop };
    Call called() const { return call_.load(std::memory_order_relaxed); }
    void stop();
    void callAnew();
    // The same; and since that does not pay nobody is to be left out any more.
    void leaveNobodyOut();
    bool leavesNobodyOut() const { return leavesNobodyOut_.load(); }
    void beginAnew();

    // ---- Numbers of all together
    void count(u64 microSteps) { microSteps_.fetch_add(microSteps, std::memory_order_relaxed); }
    Branches& branches() { return branches_; }
    u64 microSteps() const { return microSteps_.load(std::memory_order_relaxed); }
    u64 states() const;

private:
    // A part of the states: searches meet in one seldom.
    struct Stripe {
        mutable std::mutex mutex;
        HashSet seen{HashSet::Use::Own, HashSet::kMost / kStripes};
        std::unordered_map<u64, unsigned> open; // on how many paths
        u64 entered = 0;
    };
    static constexpr std::size_t kStripes = 64;
    Stripe& stripeOf(u64 state) { return stripes_[state >> 58]; }
    bool allHaveRead() const;
    void countHungry();

    const unsigned members_;
    const Gives gives_;
    std::array<Stripe, kStripes> stripes_;
    std::mutex mutex_; // of all that follows
    std::condition_variable changed_;
    std::deque<Task> tasks_;
    unsigned waiting_ = 0;
    bool done_ = false;
    std::vector<std::unique_ptr<const Fact>> facts_;
    std::vector<std::size_t> read_; // by member: how many facts it has looked at
    unsigned atBeginning_ = 0;      // members that have called beginAnew()
    u64 beginnings_ = 0;
    std::atomic<int> hungry_ = 0;
    std::atomic<Call> call_ = Call::GoOn;
    std::atomic<bool> leavesNobodyOut_ = false;
    std::atomic<u64> microSteps_ = 0;
    Branches branches_;
};

} // namespace mirrorscope
