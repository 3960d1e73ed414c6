// SPDX-License-Identifier: GPL-3.0-or-later
#include "explore/crew.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace mirrorscope {

Crew::Crew(unsigned members, Gives gives) : members_(members), gives_(gives), read_(members) {}

Crew::Entered Crew::enter(u64 state, HashSet::Left asleep) {
    Stripe& stripe = stripeOf(state);
    const std::lock_guard lock(stripe.mutex);
    const HashSet::Entered entered = stripe.seen.enter(state, asleep);
    if (!entered.isNew)
        return {stripe.open.contains(state) ? Found::Open : Found::Closed, entered.left};
    ++stripe.entered;
    ++stripe.open[state];
    return {};
}

void Crew::open(u64 state) {
    Stripe& stripe = stripeOf(state);
    const std::lock_guard lock(stripe.mutex);
    ++stripe.open[state];
}

void Crew::close(u64 state) {
    Stripe& stripe = stripeOf(state);
    const std::lock_guard lock(stripe.mutex);
    if (const auto at = stripe.open.find(state); at != stripe.open.end() && --at->second == 0)
        stripe.open.erase(at);
}

bool Crew::isFirst(u64 hash) {
    Stripe& stripe = stripeOf(hash);
    const std::lock_guard lock(stripe.mutex);
    return stripe.seen.insert(hash);
}

u64 Crew::states() const {
    u64 states = 0;
    for (const Stripe& stripe : stripes_) {
        const std::lock_guard lock(stripe.mutex);
        states += stripe.entered;
    }
    return states;
}

void Crew::countHungry() { hungry_.store(static_cast<int>(waiting_) - static_cast<int>(tasks_.size()), std::memory_order_relaxed); }

void Crew::give(Task task) {
    for (const u64 state : task.open)
        open(state);
    const std::lock_guard lock(mutex_);
    tasks_.push_back(std::move(task));
    countHungry();
    changed_.notify_one();
}

bool Crew::allHaveRead() const {
    return std::all_of(read_.begin(), read_.end(), [&](std::size_t read) { return read == facts_.size(); });
}

Crew::Next Crew::wait(unsigned member, Task& task, const std::function<void()>& rest) {
    constexpr std::chrono::milliseconds kRest(4);
    std::unique_lock lock(mutex_);
    ++waiting_;
    countHungry();
    const auto end = [&](Next next) {
        --waiting_;
        countHungry();
        return next;
    };
    while (true) {
        if (call_ == Call::Stop)
            return end(Next::Stop);
        if (call_ == Call::Anew)
            return end(Next::Anew);
        if (done_)
            return end(Next::Done);
        if (!tasks_.empty()) {
            task = std::move(tasks_.front());
            tasks_.pop_front();
            return end(Next::Task);
        }
        // What somebody has learned may show a decision of another to be wrong. It is asked about when nobody has anything else to do.
        if (waiting_ == members_) {
            if (read_[member] != facts_.size())
                return end(Next::Facts);
            done_ = allHaveRead();
            changed_.notify_all();
            if (done_)
                continue;
        }
        changed_.wait_for(lock, kRest);
        if (rest) {
            lock.unlock();
            rest();
            lock.lock();
        }
    }
}

void Crew::tell(Fact fact) {
    const std::lock_guard lock(mutex_);
    facts_.push_back(std::make_unique<const Fact>(std::move(fact)));
}

std::vector<const Fact*> Crew::news(unsigned member) {
    const std::lock_guard lock(mutex_);
    std::vector<const Fact*> news;
    for (std::size_t& read = read_[member]; read < facts_.size(); ++read)
        news.push_back(facts_[read].get());
    return news;
}

void Crew::stop() {
    const std::lock_guard lock(mutex_);
    call_ = Call::Stop;
    changed_.notify_all();
}

void Crew::leaveNobodyOut() {
    leavesNobodyOut_ = true;
    callAnew();
}

void Crew::callAnew() {
    const std::lock_guard lock(mutex_);
    if (call_ == Call::GoOn)
        call_ = Call::Anew;
    changed_.notify_all();
}

void Crew::beginAnew() {
    std::unique_lock lock(mutex_);
    const u64 beginning = beginnings_;
    if (++atBeginning_ == members_) {
        atBeginning_ = 0;
        ++beginnings_;
        tasks_.clear();
        countHungry();
        branches_.clear();
        for (Stripe& stripe : stripes_) {
            stripe.seen.clear();
            stripe.open.clear();
            stripe.entered = 0;
        }
        if (call_ == Call::Anew)
            call_ = Call::GoOn;
        changed_.notify_all();
    }
    changed_.wait(lock, [&] { return beginnings_ != beginning || call_ == Call::Stop; });
}

} // namespace mirrorscope
