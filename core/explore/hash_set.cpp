// SPDX-License-Identifier: GPL-3.0-or-later
#include "explore/hash_set.h"

#include <sys/mman.h>

#include <atomic>
#include <new>

namespace mirrorscope {

HashSet::HashSet(Use use, u64 most) : use_(use), most_(most), size_(use == Use::Shared ? most : 1 << 12), slots_(map(size_, use)) {}

HashSet::~HashSet() { munmap(slots_, size_ * sizeof(u64)); }

u64* HashSet::map(u64 size, Use use) {
    const int flags = MAP_ANONYMOUS | MAP_NORESERVE | (use == Use::Shared ? MAP_SHARED : MAP_PRIVATE);
    void* memory = mmap(nullptr, size * sizeof(u64), PROT_READ | PROT_WRITE, flags, -1, 0);
    if (memory == MAP_FAILED)
        throw std::bad_alloc();
    if (use == Use::Own)
        madvise(memory, size * sizeof(u64), MADV_HUGEPAGE); // each look-up is somewhere else
    return static_cast<u64*>(memory);
}

bool HashSet::insert(u64 hash) {
    if (hash == 0)
        hash = 1;
    while (true) {
        for (u64* const line : {first(hash), second(hash)})
            for (u64 i = 0; i < kWays; ++i) {
                const std::atomic_ref slot(line[i]);
                u64 found = slot.load(std::memory_order_relaxed);
                if (found == 0 && slot.compare_exchange_strong(found, hash, std::memory_order_relaxed))
                    return true;
                if (found == hash)
                    return false;
            }
        if (size_ == most_) {
            std::atomic_ref(first(hash)[hash >> 32 & (kWays - 1)]).store(hash, std::memory_order_relaxed);
            return true;
        }
        grow();
    }
}

void HashSet::clear() {
    munmap(slots_, size_ * sizeof(u64));
    slots_ = map(size_, use_);
}

void HashSet::grow() {
    u64* const old = slots_;
    const u64 oldSize = size_;
    size_ *= 2;
    slots_ = map(size_, use_);
    for (u64 i = 0; i < oldSize; ++i)
        if (old[i] != 0)
            insert(old[i]);
    munmap(old, oldSize * sizeof(u64));
}

} // namespace mirrorscope
