// SPDX-License-Identifier: GPL-3.0-or-later
// Dynamic PAMT as it was proposed and not merged: who counts the pages of a range, and what pamt_lock is held over. In all three a get that
// finds a count takes neither a page nor the lock.
#include "tdx/backend/broken/broken.h"

namespace mirrorscope::broken {

namespace {
// The count of a range, an atomic_t: each of these is one action.
class Count {
public:
    Count(TdxBackend& backend, Pfn pfn) : kvm_(backend.kvm()), place_(backend.pamtRef(pfn)) {}

    u64 read() {
        kvm_.sim().step(Site::PamtRef);
        return kvm_.machine().get(place_);
    }
    void set(u64 n) {
        kvm_.sim().step(Site::PamtRef);
        kvm_.machine().set(place_, n);
    }
    void inc() {
        kvm_.sim().step(Site::PamtRef);
        kvm_.machine().add(place_, 1);
    }
    bool addUnless(u64 unless, u64 by) { // atomic_add_unless()
        const u64 n = read();
        if (n != unless)
            kvm_.machine().set(place_, n + by);
        return n != unless;
    }
    bool incNotZero() { return addUnless(0, 1); }
    bool decAndTest() {
        const u64 n = read() - 1;
        kvm_.machine().set(place_, n);
        return n == 0;
    }

private:
    Kvm& kvm_;
    const Place place_;
};

using PamtPair = TdxBackend::PamtPair;
using PamtFrom = TdxBackend::PamtFrom;

enum class Added : u8 { Ours, Anothers, Failed };

// HPA_RANGE_NOT_FREE: the range has a pair, which another get has brought.
Added addPair(TdxBackend& backend, Pfn pfn, const PamtPair& pair, bool mayBeAnothers) {
    const u64 status = backend.pamtAdd(pfn, pair);
    if (status == tdx::kSuccess)
        return Added::Ours;
    const bool anothers = mayBeAnothers && tdx::highOf(status) == tdx::HPA_RANGE_NOT_FREE;
    return backend.kvm().WARN_ON_ONCE(!anothers, Assert::PamtAddFailed) ? Added::Failed : Added::Anothers;
}

// Who finds a count counts; else `add` does what is to be done with a pair.
template <class Add>
int get(TdxBackend& backend, Pfn pfn, PamtFrom from, Add&& add) {
    Call call(backend.kvm().sim(), "tdx_pamt_get");
    Count count(backend, pfn);
    if (count.incNotZero())
        return 0;
    const auto pair = backend.allocPair(from);
    return pair ? add(count, *pair) : -kENOMEM;
}

int getWithoutLock(TdxBackend& backend, Pfn pfn, PamtFrom from) {
    return get(backend, pfn, from, [&](Count& count, const PamtPair& pair) {
        const Added added = addPair(backend, pfn, pair, true);
        if (added != Added::Ours)
            backend.freePair(pair);
        if (added == Added::Failed)
            return -kEIO;
        count.inc();
        return 0;
    });
}

void putWithoutLock(TdxBackend& backend, Pfn pfn) {
    Call call(backend.kvm().sim(), "tdx_pamt_put");
    if (Count(backend, pfn).decAndTest())
        if (const auto pair = backend.pamtRemove(pfn))
            backend.freePair(*pair);
}

// Of both designs that have a lock: it is for who finds no count, and looks once more when he has it.
int getWithLock(TdxBackend& backend, Pfn pfn, PamtFrom from, bool mayBeAnothers) {
    return get(backend, pfn, from, [&](Count& count, const PamtPair& pair) {
        Sim& sim = backend.kvm().sim();
        Added added = Added::Anothers;
        sim.writeLock(LockId::PamtLock);
        if (count.read() != 0) {
            count.inc();
        } else {
            added = addPair(backend, pfn, pair, mayBeAnothers);
            if (added != Added::Failed)
                count.set(1);
        }
        sim.writeUnlock(LockId::PamtLock);
        if (added != Added::Ours)
            backend.freePair(pair);
        return added == Added::Failed ? -kEIO : 0;
    });
}

// And the pair goes with the lock, if `isLast` says so then; what cannot be removed is counted.
template <class IsLast>
void removeWithLock(TdxBackend& backend, Pfn pfn, Count& count, IsLast&& isLast) {
    Sim& sim = backend.kvm().sim();
    std::optional<PamtPair> pair;
    sim.writeLock(LockId::PamtLock);
    if (isLast() && !(pair = backend.pamtRemove(pfn)))
        count.set(1);
    sim.writeUnlock(LockId::PamtLock);
    if (pair)
        backend.freePair(*pair);
}

void putCountsBeforeLock(TdxBackend& backend, Pfn pfn) {
    Call call(backend.kvm().sim(), "tdx_pamt_put");
    Count count(backend, pfn);
    if (count.decAndTest())
        removeWithLock(backend, pfn, count, [&] { return count.read() == 0; });
}

// atomic_dec_and_lock(): what is more than one is counted down without the lock, and what is one with it.
void putLocksAtZero(TdxBackend& backend, Pfn pfn) {
    Call call(backend.kvm().sim(), "tdx_pamt_put");
    Count count(backend, pfn);
    if (!count.addUnless(1, ~u64{0}))
        removeWithLock(backend, pfn, count, [&] { return count.decAndTest(); });
}
} // namespace

// break: [pamt-without-lock]. Whoever finds a count counts; who finds none adds the pair, and takes HPA_RANGE_NOT_FREE for another's get.
// Between a put that counted down to nothing and its REMOVE that is wrong: the pair is still there, and goes.
void pamtWithoutLock(TdxProtocol& protocol) {
    protocol.tdx_pamt_get = getWithoutLock;
    protocol.tdx_pamt_put = putWithoutLock;
}

// break: [pamt-count-before-lock]. From v2 to v5 (June 2025 to January 2026) pamt_lock is held over the SEAMCALLs, and a put counts
// before it has it. "Has somebody counted since?" is not the question: that one may have gone again, and with him the pair.
void pamtCountBeforeLock(TdxProtocol& protocol) {
    protocol.tdx_pamt_get = [](TdxBackend& backend, Pfn pfn, PamtFrom from) { return getWithLock(backend, pfn, from, true); };
    protocol.tdx_pamt_put = putCountsBeforeLock;
}

// break: [pamt-lock-at-zero]. v6, patch 06, which is not among what was merged: a count leaves zero and comes to it under the lock, so that
// a range which nobody counts has no pair, and HPA_RANGE_NOT_FREE cannot come.
void pamtLockAtZero(TdxProtocol& protocol) {
    protocol.tdx_pamt_get = [](TdxBackend& backend, Pfn pfn, PamtFrom from) { return getWithLock(backend, pfn, from, false); };
    protocol.tdx_pamt_put = putLocksAtZero;
}

} // namespace mirrorscope::broken
