// SPDX-License-Identifier: GPL-3.0-or-later
// Dynamic PAMT (machine.features: [dynamic-pamt]; series v6 of 26 May 2026, as merged without its patch 06): before the module gets a 4K
// page, the 2M of memory around it have the two pages of their PAMT entries, and they are taken back with the last of them. A count for
// each 2M, under one lock for all TDs.
#include "tdx/backend/protocol.h"

namespace mirrorscope {

namespace {
// Each vCPU's pamt_cache holds two pages for each table that a fault may need, and for the page itself: the root needs none.
constexpr u64 kCachePages = 5 * 2;
// The VM's prealloc_split_cache: two for a new table, two for what DEMOTE splits. Several threads that fill it may do one too many each.
constexpr u64 kSplitPages = 2 * 2;
constexpr u64 rangeLevel(Pfn pfn) { return hpa({pfn.v & ~511ull}) | (number(Level::k2M) - 1); }
} // namespace

void TdxBackend::takePamtWords(Regions& regions) {
    const MachineConfig& config = kvm_.config();
    if (!config.has(Feature::DynamicPamt))
        return;
    pamtRefs_ = regions.take(kvm_.frames().count() / 512 + 1, "pamt-refcount");
    pamtCaches_ = regions.take(config.vcpus * (kCachePages + 1), "pamt-cache", kCachePages + 1);
    running_ = regions.take(sim_.actors(), "running-vcpu");
    if (splitsWithPamt())
        pamtSplitCache_ = regions.take(1 + kSplitPages + sim_.actors(), "pamt-split-cache");
}

// The count of its pages, behind which they stand.
Place TdxBackend::pamtCache(unsigned vcpu) const { return pamtCaches_ + vcpu * (kCachePages + 1); }

// op topup_external_cache, from mmu_topup_memory_caches(): the vCPU that runs on this CPU is the one whose cache a hook finds.
int TdxBackend::topup_external_cache(unsigned vcpu) {
    if (!kvm_.config().has(Feature::DynamicPamt))
        return 0;
    Call call(sim_, "tdx_topup_external_cache");
    kvm_.machine().set(running_ + sim_.actor(), vcpu + 1);
    return kvm_.topUpCache(pamtCache(vcpu), kCachePages, kCachePages, FrameKind::PamtPage, 0);
}

bool TdxBackend::need_topup_external_per_vm_split_cache() { return splitsWithPamt() && kvm_.machine().get(pamtSplitCache_) < kSplitPages; }

// prealloc_split_cache_lock is held for one operation on the list, which is one action here.
int TdxBackend::topup_external_per_vm_split_cache() {
    Call call(sim_, "tdx_topup_vm_split_cache");
    Machine& machine = kvm_.machine();
    while (need_topup_external_per_vm_split_cache()) {
        const auto page = kvm_.alloc_page(FrameKind::PamtPage, 0);
        if (!page)
            return -kENOMEM;
        const u64 n = machine.get(pamtSplitCache_) + 1;
        machine.set(pamtSplitCache_ + n, page->v);
        machine.set(pamtSplitCache_, n);
    }
    return 0;
}

Place TdxBackend::pamtCacheOf(PamtFrom from) const {
    return from == PamtFrom::SplitCache ? pamtSplitCache_
                                        : pamtCache(static_cast<unsigned>(kvm_.machine().get(running_ + sim_.actor())) - 1);
}

std::optional<TdxBackend::PamtPair> TdxBackend::allocPair(PamtFrom from) {
    Machine& machine = kvm_.machine();
    if (from != PamtFrom::Allocator) {
        const Place count = pamtCacheOf(from);
        const u64 n = machine.get(count);
        if (n < 2)
            return std::nullopt;
        const PamtPair pair{Pfn{machine.get(count + n)}, Pfn{machine.get(count + (n - 1))}};
        machine.set(count + n, 0);
        machine.set(count + (n - 1), 0);
        machine.set(count, n - 2);
        return pair;
    }
    const auto first = kvm_.alloc_page(FrameKind::PamtPage, 0);
    if (!first)
        return std::nullopt;
    const auto second = kvm_.alloc_page(FrameKind::PamtPage, 0);
    if (!second) {
        kvm_.free_page(*first);
        return std::nullopt;
    }
    return PamtPair{*first, *second};
}

void TdxBackend::freePair(const PamtPair& pair) {
    for (const Pfn page : pair)
        kvm_.free_page(page);
}

u64 TdxBackend::pamtAdd(Pfn pfn, const PamtPair& pair) {
    Regs regs{.rcx = rangeLevel(pfn), .rdx = hpa(pair[0]), .r8 = hpa(pair[1])};
    return seamcall(Leaf::PhymemPamtAdd, regs);
}

std::optional<TdxBackend::PamtPair> TdxBackend::pamtRemove(Pfn pfn) {
    Regs regs{.rcx = rangeLevel(pfn)};
    if (kvm_.WARN_ON_ONCE(seamcall(Leaf::PhymemPamtRemove, regs) != tdx::kSuccess, Assert::PamtRemoveFailed))
        return std::nullopt; // the pages are leaked
    return PamtPair{mirrorscope::pfnOf(regs.rdx), mirrorscope::pfnOf(regs.r8)};
}

// The pages are got first, and given back if the range has some already.
int TdxBackend::tdx_pamt_get(Pfn pfn, PamtFrom from) {
    Call call(sim_, "tdx_pamt_get");
    const auto pair = allocPair(from);
    if (!pair)
        return -kENOMEM;
    Machine& machine = kvm_.machine();
    int r = 0;
    bool used = false;
    sim_.writeLock(LockId::PamtLock);
    sim_.step(Site::PamtRef);
    if (const u64 n = machine.get(pamtRef(pfn)); n > 0) {
        machine.set(pamtRef(pfn), n + 1);
    } else if (kvm_.WARN_ON_ONCE(pamtAdd(pfn, *pair) != tdx::kSuccess, Assert::PamtAddFailed)) {
        r = -kEIO;
    } else {
        used = true;
        sim_.step(Site::PamtRef);
        machine.set(pamtRef(pfn), 1);
    }
    sim_.writeUnlock(LockId::PamtLock);
    if (!used)
        freePair(*pair);
    return r;
}

void TdxBackend::tdx_pamt_put(Pfn pfn) {
    Call call(sim_, "tdx_pamt_put");
    Machine& machine = kvm_.machine();
    std::optional<PamtPair> pair;
    sim_.writeLock(LockId::PamtLock);
    sim_.step(Site::PamtRef);
    if (const u64 n = machine.get(pamtRef(pfn)); n > 1) {
        machine.set(pamtRef(pfn), n - 1);
    } else if ((pair = pamtRemove(pfn))) {
        sim_.step(Site::PamtRef);
        machine.set(pamtRef(pfn), 0);
    }
    sim_.writeUnlock(LockId::PamtLock);
    if (pair)
        freePair(*pair);
}

int TdxBackend::pamtGet(Pfn pfn, PamtFrom from, Level level) {
    if (!kvm_.config().has(Feature::DynamicPamt) || level != Level::k4K)
        return 0;
    if (from == PamtFrom::Cache && kvm_.KVM_BUG_ON(kvm_.machine().get(running_ + sim_.actor()) == 0, Assert::PamtNoVcpu))
        return -kEIO;
    return protocol_->tdx_pamt_get(*this, pfn, from);
}

void TdxBackend::pamtPut(Pfn pfn, Level level) {
    if (kvm_.config().has(Feature::DynamicPamt) && level == Level::k4K)
        protocol_->tdx_pamt_put(*this, pfn);
}

std::optional<Pfn> TdxBackend::tdx_alloc_control_page() {
    const auto page = kvm_.alloc_page(FrameKind::TdxControl, 0);
    if (!page || pamtGet(*page, PamtFrom::Allocator) == 0)
        return page;
    kvm_.free_page(*page);
    return std::nullopt;
}

void TdxBackend::tdx_free_control_page(Pfn page) {
    pamtPut(page);
    kvm_.free_page(page);
}

void TdxBackend::freePamtCache(Place count) {
    Machine& machine = kvm_.machine();
    for (u64 n = machine.get(count); n > 0; --n) {
        kvm_.free_page({machine.get(count + n)});
        machine.set(count + n, 0);
        machine.set(count, n - 1);
    }
}

bool TdxBackend::inPamtCache(Pfn pfn) const {
    if (!kvm_.config().has(Feature::DynamicPamt) || pfn.v == 0)
        return false;
    const Machine& machine = kvm_.machine();
    const auto isIn = [&](Place count, u64 pages) {
        for (u64 i = 1; i <= pages; ++i)
            if (machine.peek(count + i) == pfn.v)
                return true;
        return false;
    };
    for (unsigned v = 0; v < kvm_.config().vcpus; ++v)
        if (isIn(pamtCache(v), kCachePages))
            return true;
    return splitsWithPamt() && isIn(pamtSplitCache_, kSplitPages + sim_.actors());
}

// atomic_cmpxchg(0, 512), in the wrapper of TDH.MEM.PAGE.DEMOTE (v3, patch 23)
void TdxBackend::pamtSplit(Pfn pfn) {
    sim_.step(Site::PamtRef);
    if (!kvm_.WARN_ON_ONCE(kvm_.machine().get(pamtRef(pfn)) != 0, Assert::PamtSplitTwice))
        kvm_.machine().set(pamtRef(pfn), 512);
}

u64 TdxBackend::peekPamtRef(Pfn pfn) const { return kvm_.config().has(Feature::DynamicPamt) ? kvm_.machine().peek(pamtRef(pfn)) : 0; }

} // namespace mirrorscope
