// SPDX-License-Identifier: GPL-3.0-or-later
// Store buffers, as x86 has them (Intel SDM vol. 3A, 9.2.2; Owens, Sarkar, Sewell, "A better x86 memory model: x86-TSO"): a plain store
// waits in the buffer of its CPU, in order; the CPU itself reads it from there, the others see it once it has left. Each actor has a CPU of
// its own. Only with `machine.memory-model: tso` there are any.
#pragma once

#include "machine/config.h"
#include "machine/machine.h"

#include <vector>

namespace mirrorscope {

class StoreBuffers {
public:
    // What a buffer holds at most; one that is full lets its oldest store go when the next one comes.
    static constexpr unsigned kStores = 8;

    StoreBuffers() = default; // none
    StoreBuffers(unsigned actors, Regions& regions);
    void layOutIndexes(Regions& indexes);
    void attach(Machine& machine) { machine_ = &machine; }
    bool exist() const { return count_.v != 0; }

    // How many stores wait.
    Place count(ActorId actor) const { return count_ + actor * kWords; }
    bool owns(ActorId actor, Place place) const { return exist() && place >= count(actor) && place < count(actor) + kWords; }
    // What is read while this lives is read by that actor's CPU.
    class Reading {
    public:
        Reading(const StoreBuffers& buffers, ActorId actor) : machine_(*buffers.machine_) {
            if (buffers.exist())
                machine_.readThrough(buffers.count(actor));
        }
        ~Reading() { machine_.readThrough({}); }
        Reading(const Reading&) = delete;
        Reading& operator=(const Reading&) = delete;

    private:
        Machine& machine_;
    };

    // `old`: what its own CPU has seen there so far; `path`: who stores, for those who ask later.
    void push(ActorId actor, Place place, u64 old, u64 value, u32 path);
    // The oldest store becomes visible.
    void drain(ActorId actor);
    u32 oldestPath(ActorId actor) const;

    // The machine as it will be when all stores have left, for those who judge what the actors have decided, not what others see of it yet:
    // while this lives the words have those values. Nothing of it is journalled, and no word that a store waits for may be changed.
    class Settled {
    public:
        explicit Settled(StoreBuffers& buffers) : buffers_(buffers) {
            if (buffers_.exist())
                buffers_.cover();
        }
        ~Settled() {
            if (buffers_.exist())
                buffers_.uncover();
        }
        Settled(const Settled&) = delete;
        Settled& operator=(const Settled&) = delete;

    private:
        StoreBuffers& buffers_;
    };
    // Is there a store to that place in any buffer? While one of those lives.
    bool isSettled(Place place) const { return !under_.empty() && isCovered(place); }

private:
    void cover();
    void uncover();
    bool isCovered(Place place) const;
    static constexpr unsigned kWords = 1 + 2 * kStores; // the count; place and value of each, oldest first

    unsigned actors_ = 0;
    Place count_{};
    Place paths_{};
    Machine* machine_ = nullptr;
    std::vector<std::pair<Place, u64>> under_; // what the words had, in the order in which they were covered
};

} // namespace mirrorscope
