// SPDX-License-Identifier: GPL-3.0-or-later
// The vCPU's caches of pages, from which a fault takes its tables under mmu_lock (Linux v6.16 mmu.c: mmu_topup_memory_caches();
// kvm_main.c: __kvm_mmu_topup_memory_cache(), kvm_mmu_memory_cache_alloc()).
#include "kvm/kvm.h"

namespace mirrorscope {

// At one go, from the CPU's own free pages; too few is an error, fewer than there is room for is none.
int Kvm::topUpCache(Place count, u64 min, u64 capacity, FrameKind kind, u64 info) {
    u64 n = machine_->get(count);
    if (n >= min)
        return 0;
    sim_.step(Site::PageAlloc);
    while (n < capacity) {
        const auto page = frames_.allocate(kind, info, sim_.actor());
        if (!page)
            break;
        machine_->set(count + ++n, page->v);
    }
    machine_->set(count, n);
    return n >= min ? 0 : -kENOMEM;
}

int Kvm::mmu_topup_memory_caches(unsigned vcpu) {
    Call call(sim_, "mmu_topup_memory_caches");
    const auto topUp = [&](VcpuWord cache) { return topUpCache(vcpuWord(vcpu, cache), kCacheMin, kCacheCapacity, FrameKind::Cache, vcpu); };
    if (external_ != nullptr) {
        if (const int r = topUp(VcpuWord::ExternalCache); r != 0)
            return r;
        if (const int r = external_->topup_external_cache(vcpu); r != 0)
            return r;
    }
    return topUp(VcpuWord::ShadowCache);
}

// What is nobody else's yet is filled with the non-present value here, not when the cache is.
Pfn Kvm::kvm_mmu_memory_cache_alloc(unsigned vcpu, VcpuWord cache, FrameKind kind, u64 info) {
    const Place count = vcpuWord(vcpu, cache);
    const u64 n = machine_->get(count);
    KVM_BUG_ON(n == 0, Assert::CacheEmpty); // WARN_ON(), then an allocation that must not fail
    const Pfn page = n == 0 ? *frames_.allocate(kind, info, sim_.actor()) : Pfn{machine_->get(count + n)};
    if (n != 0) {
        machine_->set(count + n, 0);
        machine_->set(count, n - 1);
        frames_.setKind(page, kind, info);
    }
    if (cache == VcpuWord::ShadowCache)
        machine_->fill(page, spte::kNonpresent);
    return page;
}

} // namespace mirrorscope
