// SPDX-License-Identifier: GPL-3.0-or-later
// A stack of its own for an actor, switched in a few nanoseconds (Boost.Context), with a guard page below it.
//
// A fiber may be dropped at any switch without unwinding, or be put back to an earlier one: what runs on it must own nothing that is not on
// its stack or in the machine. The sanitizers are told of every switch.
#pragma once

#include <cstddef>
#include <cstdint>

namespace mirrorscope {

class Fiber {
public:
    using Entry = void (*)(void* argument);

    Fiber();
    ~Fiber();
    Fiber(const Fiber&) = delete;
    Fiber& operator=(const Fiber&) = delete;

    // Prepares a fresh run; whatever ran here before is dropped.
    void start(Entry entry, void* argument);
    // Runs the fiber until it suspends or ends. Called from outside of it.
    void resume();
    // Back to whoever resumed. Called on the fiber.
    void suspend();
    bool done() const { return done_; }

    // Where a suspended fiber stands: the used part of its stack, so many bytes. Only this very fiber can be put back to it.
    std::size_t used() const;
    void save(std::byte* to) const;
    void restore(const std::byte* saved, std::size_t size);
    // What earlier calls left below the used part is cleared, so that equal ways on look equal.
    void clearBelow();
    // A hash over the used part: equal ones go on alike.
    std::uint64_t hash() const;

private:
    struct Switch;
    static void run(void* transfer);

    void* stack_ = nullptr; // lowest usable byte
    void* context_ = nullptr;
    void* caller_ = nullptr;
    Entry entry_ = nullptr;
    void* argument_ = nullptr;
    bool done_ = true;
    void* tsanFiber_ = nullptr;
    void* tsanCaller_ = nullptr;
    const void* callerStack_ = nullptr;
    std::size_t callerSize_ = 0;
};

} // namespace mirrorscope
