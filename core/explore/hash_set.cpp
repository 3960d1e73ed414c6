// SPDX-License-Identifier: GPL-3.0-or-later
#include "explore/hash_set.h"

#include <sys/mman.h>

#include <atomic>
#include <new>

namespace mirrorscope {

namespace {
void* reserve(u64 bytes, HashSet::Use use) {
    const int flags = MAP_ANONYMOUS | MAP_NORESERVE | (use == HashSet::Use::Shared ? MAP_SHARED : MAP_PRIVATE);
    void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, flags, -1, 0);
    if (memory == MAP_FAILED)
        throw std::bad_alloc();
    if (use == HashSet::Use::Own)
        madvise(memory, bytes, MADV_HUGEPAGE); // each look-up is somewhere else
    return memory;
}
} // namespace

HashSet::HashSet(Use use, u64 most) : use_(use), most_(most), size_(use == Use::Shared ? most : 1 << 12) { map(); }

HashSet::~HashSet() { unmap(); }

void HashSet::map() {
    slots_ = static_cast<u64*>(reserve(size_ * sizeof(u64), use_));
    if (use_ == Use::Own)
        left_ = static_cast<Left*>(reserve(size_ * sizeof(Left), use_));
}

void HashSet::unmap() {
    munmap(slots_, size_ * sizeof(u64));
    if (left_ != nullptr)
        munmap(left_, size_ * sizeof(Left));
}

HashSet::Entered HashSet::enter(u64 hash, Left left) {
    if (hash == 0)
        hash = 1;
    const auto leftAt = [&](const u64* slot) -> Left& { return left_[slot - slots_]; };
    // A page of what nobody leaves anything out of is never touched.
    const auto isEntered = [&](const u64* slot) {
        if (left_ != nullptr && leftAt(slot) != left)
            leftAt(slot) = left;
        return Entered{.isNew = true};
    };
    while (true) {
        for (u64* const line : {first(hash), second(hash)})
            for (u64* at = line; at != line + kWays; ++at) {
                const std::atomic_ref slot(*at);
                u64 found = slot.load(std::memory_order_relaxed);
                if (found == 0 && slot.compare_exchange_strong(found, hash, std::memory_order_relaxed))
                    return isEntered(at);
                if (found != hash)
                    continue;
                const Left before = left_ == nullptr ? Left{0} : leftAt(at);
                if ((before & ~left) != 0)
                    leftAt(at) = before & left;
                return {.isNew = false, .left = before};
            }
        if (size_ == most_) {
            u64* const at = first(hash) + (hash >> 32 & (kWays - 1));
            std::atomic_ref(*at).store(hash, std::memory_order_relaxed);
            return isEntered(at);
        }
        grow();
    }
}

void HashSet::clear() {
    unmap();
    map();
}

void HashSet::grow() {
    const u64* const old = slots_;
    const Left* const oldLeft = left_;
    const u64 oldSize = size_;
    size_ *= 2;
    map();
    for (u64 i = 0; i < oldSize; ++i)
        if (old[i] != 0)
            enter(old[i], oldLeft[i]);
    munmap(const_cast<u64*>(old), oldSize * sizeof(u64));
    munmap(const_cast<Left*>(oldLeft), oldSize * sizeof(Left));
}

} // namespace mirrorscope
