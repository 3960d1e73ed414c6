// SPDX-License-Identifier: GPL-3.0-or-later
#include "sim/fiber.h"

#include "base/hash.h"
#include "base/sanitizer.h"

#include <boost/context/detail/fcontext.hpp>

#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <new>

#ifdef MIRRORSCOPE_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef MIRRORSCOPE_TSAN
#include <sanitizer/tsan_interface.h>
#endif

namespace mirrorscope {

namespace {
namespace context = boost::context::detail;
#ifdef MIRRORSCOPE_ASAN
constexpr std::size_t kStack = 1024 * 1024; // instrumented frames are many times larger
#else
constexpr std::size_t kStack = 128 * 1024;
#endif
constexpr std::size_t kGuard = 4096;
} // namespace

// Tells the sanitizers which stack comes next; they cannot see a switch.
struct Fiber::Switch {
    static void leaveTo([[maybe_unused]] void** fake, [[maybe_unused]] const void* stack, [[maybe_unused]] std::size_t size) {
#ifdef MIRRORSCOPE_ASAN
        __sanitizer_start_switch_fiber(fake, stack, size);
#endif
    }
    static void arrived([[maybe_unused]] void* fake, [[maybe_unused]] const void** stack, [[maybe_unused]] std::size_t* size) {
#ifdef MIRRORSCOPE_ASAN
        __sanitizer_finish_switch_fiber(fake, stack, size);
#endif
    }
    static void tsan([[maybe_unused]] void* fiber) {
#ifdef MIRRORSCOPE_TSAN
        __tsan_switch_to_fiber(fiber, 0);
#endif
    }
};

Fiber::Fiber() {
    void* memory = mmap(nullptr, kStack + kGuard, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        throw std::bad_alloc();
    mprotect(memory, kGuard, PROT_NONE);
    stack_ = static_cast<char*>(memory) + kGuard;
#ifdef MIRRORSCOPE_TSAN
    tsanFiber_ = __tsan_create_fiber(0);
#endif
}

Fiber::~Fiber() {
#ifdef MIRRORSCOPE_TSAN
    __tsan_destroy_fiber(tsanFiber_);
#endif
#ifdef MIRRORSCOPE_ASAN
    __asan_unpoison_memory_region(stack_, kStack);
#endif
    munmap(static_cast<char*>(stack_) - kGuard, kStack + kGuard);
}

void Fiber::run(void* pointer) {
    const auto transfer = *static_cast<context::transfer_t*>(pointer);
    auto* self = static_cast<Fiber*>(transfer.data);
    self->caller_ = transfer.fctx;
    Switch::arrived(nullptr, &self->callerStack_, &self->callerSize_);
    self->entry_(self->argument_);
    self->done_ = true;
    Switch::tsan(self->tsanCaller_);
    Switch::leaveTo(nullptr, self->callerStack_, self->callerSize_);
    context::jump_fcontext(self->caller_, nullptr);
}

void Fiber::start(Entry entry, void* argument) {
#ifdef MIRRORSCOPE_ASAN
    __asan_unpoison_memory_region(stack_, kStack); // frames of a dropped run
#endif
    entry_ = entry;
    argument_ = argument;
    done_ = false;
    context_ = context::make_fcontext(static_cast<char*>(stack_) + kStack, kStack, [](context::transfer_t transfer) { run(&transfer); });
}

void Fiber::resume() {
    void* fake = nullptr;
#ifdef MIRRORSCOPE_TSAN
    tsanCaller_ = __tsan_get_current_fiber();
#endif
    Switch::tsan(tsanFiber_);
    Switch::leaveTo(&fake, stack_, kStack);
    const auto transfer = context::jump_fcontext(context_, this);
    Switch::arrived(fake, nullptr, nullptr);
    context_ = transfer.fctx;
}

void Fiber::suspend() {
    void* fake = nullptr;
    Switch::tsan(tsanCaller_);
    Switch::leaveTo(&fake, callerStack_, callerSize_);
    const auto transfer = context::jump_fcontext(caller_, nullptr);
    Switch::arrived(fake, &callerStack_, &callerSize_);
    caller_ = transfer.fctx;
}

namespace {
// Red zones lie within a stack that is copied and read as a whole.
#if defined(__clang__)
#define NOT_INSTRUMENTED __attribute__((no_sanitize("address", "thread", "undefined")))
#elif defined(__GNUC__)
#define NOT_INSTRUMENTED __attribute__((no_sanitize_address, no_sanitize_thread, no_sanitize_undefined))
#endif
NOT_INSTRUMENTED void copyStack(void* to, const void* from, std::size_t size) {
#if (defined(MIRRORSCOPE_ASAN) || defined(MIRRORSCOPE_TSAN)) && defined(__x86_64__)
    // memcpy() would be theirs, and a loop costs more than all the rest of a micro-step.
    std::size_t words = size / sizeof(std::size_t);
    asm volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(words) : : "memory");
#elif defined(MIRRORSCOPE_ASAN) || defined(MIRRORSCOPE_TSAN)
    auto* t = static_cast<volatile std::size_t*>(to);
    const auto* f = static_cast<const volatile std::size_t*>(from);
    for (std::size_t i = 0; i < size / sizeof(std::size_t); ++i)
        t[i] = f[i];
#else
    std::memcpy(to, from, size);
#endif
}
} // namespace

std::size_t Fiber::used() const {
    return done_ ? 0 : static_cast<std::size_t>(static_cast<char*>(stack_) + kStack - static_cast<char*>(context_));
}

void Fiber::save(std::byte* to) const { copyStack(to, context_, used()); }

// Down from the used part until so much is clear that nobody has been further down since it was cleared last.
NOT_INSTRUMENTED void Fiber::clearBelow() {
    if (done_)
        return;
    constexpr std::size_t kMost = 4096, kClear = 384, kWords = 8;
    constexpr std::size_t kBlock = kWords * sizeof(std::uint64_t);
    const std::size_t room = static_cast<std::size_t>(static_cast<char*>(context_) - static_cast<char*>(stack_));
    // (Volatile, lest it becomes a call of what is instrumented.)
    auto* block = static_cast<volatile std::uint64_t*>(context_);
    std::size_t clear = 0;
    for (std::size_t left = std::min(kMost, room) / kBlock; left > 0 && clear < kClear; --left) {
        block -= kWords;
        const std::uint64_t any = block[0] | block[1] | block[2] | block[3] | block[4] | block[5] | block[6] | block[7];
        clear = any == 0 ? clear + kBlock : 0;
        for (std::size_t i = 0; any != 0 && i < kWords; ++i)
            block[i] = 0;
    }
}

NOT_INSTRUMENTED std::uint64_t Fiber::hash() const {
    if (done_)
        return 0;
    const auto* word = static_cast<const std::uint64_t*>(context_);
    const auto* end = reinterpret_cast<const std::uint64_t*>(static_cast<char*>(stack_) + kStack);
    // Four sums beside each other: a multiplication waits for the one before it.
    std::uint64_t a = 0x9e3779b97f4a7c15ull, b = 0xc2b2ae3d27d4eb4full, c = 0x165667b19e3779f9ull, d = 0x27d4eb2f165667c5ull;
    for (; end - word >= 4; word += 4) {
        a = (a ^ word[0]) * 0xff51afd7ed558ccdull;
        b = (b ^ word[1]) * 0xc4ceb9fe1a85ec53ull;
        c = (c ^ word[2]) * 0x9fb21c651e98df25ull;
        d = (d ^ word[3]) * 0xa24baed4963ee407ull;
        a ^= a >> 32;
        b ^= b >> 29;
        c ^= c >> 31;
        d ^= d >> 33;
    }
    for (; word < end; ++word) {
        a = (a ^ *word) * 0xff51afd7ed558ccdull;
        a ^= a >> 32;
    }
    return mix(mix(a, b), mix(c, d));
}

void Fiber::restore(const std::byte* saved, std::size_t size) {
    done_ = size == 0;
    if (done_)
        return;
    char* const top = static_cast<char*>(stack_) + kStack;
#ifdef MIRRORSCOPE_ASAN
    // Only frames that are left now have red zones; those below them were taken away by their own ends.
    char* const lowest = std::min(static_cast<char*>(context_), top - size);
    __asan_unpoison_memory_region(lowest, static_cast<std::size_t>(top - lowest));
#endif
    context_ = top - size;
    copyStack(context_, saved, size);
}

} // namespace mirrorscope
