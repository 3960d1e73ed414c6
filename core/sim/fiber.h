// SPDX-License-Identifier: GPL-3.0-or-later
// A stack of its own for an actor, switched in a few nanoseconds (Boost.Context), with a guard page below it.
//
// A fiber may be dropped at any switch without unwinding, or be put back to an earlier one: what runs on it must own nothing that is not on
// its stack or in the machine. The sanitizers are told of every switch.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>

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

    // Where a suspended fiber stands: the used part of its stack, appended to `out`. Only this very fiber can be put back to it.
    void save(StackBytes& out) const;
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
