// SPDX-License-Identifier: GPL-3.0-or-later
// The values of `machine.break` that concern what the backend does; each is one function that stands for an honest one.
#include "tdx/backend/protocol.h"

namespace mirrorscope {

namespace {
// break: [skip-block]. A private page is removed although it was never blocked.
void skipBlock(TdxProtocol& protocol) {
    protocol.tdx_sept_zap_private_spte = [](TdxBackend&, Gfn, Level, Pfn) { return 1; };
}

// break: [skip-track]. A blocked page is removed although the TLBs may still have it: neither TRACK nor the kick after it.
void skipTrack(TdxProtocol& protocol) {
    protocol.tdx_track = [](TdxBackend&) {};
}

// break: [skip-track-kick]. The epoch advances, and who is inside stays there.
void skipTrackKick(TdxProtocol& protocol) {
    protocol.kick_after_track = [](TdxBackend&) {};
}

// break: [skip-kick]. A busy SEAMCALL is tried once more, and nobody was kept out meanwhile.
void skipKick(TdxProtocol& protocol) {
    protocol.tdx_no_vcpus_enter_start = [](TdxBackend&) {};
}

// break: [free-before-remove]. The pin of a private page is given back before the module has removed it.
void freeBeforeRemove(TdxProtocol& protocol) {
    protocol.tdx_sept_remove_private_spte = [](TdxBackend& backend, Gfn gfn, Level level, Pfn pfn) {
        backend.kvm().put_page(pfn);
        return backend.tdx_sept_remove_private_spte(gfn, level, pfn);
    };
    protocol.tdx_clear_and_unpin = [](TdxBackend&, Pfn, Level) {};
}
// break: [pamt-without-lock]. Whoever finds a count counts; who finds none adds the pair, and takes HPA_RANGE_NOT_FREE for another's get.
// Between a put that counted down to nothing and its REMOVE that is wrong: the pair is still there, and goes.
int getWithoutLock(TdxBackend& backend, Pfn pfn, TdxBackend::PamtFrom from) {
    Kvm& kvm = backend.kvm();
    Call call(kvm.sim(), "tdx_pamt_get");
    Machine& machine = kvm.machine();
    const Place count = backend.pamtRef(pfn);
    kvm.sim().step(Site::PamtRef); // atomic_inc_not_zero()
    if (const u64 n = machine.get(count); n > 0) {
        machine.set(count, n + 1);
        return 0;
    }
    const auto pair = backend.allocPair(from);
    if (!pair)
        return -kENOMEM;
    const u64 status = backend.pamtAdd(pfn, *pair);
    if (status != tdx::kSuccess)
        backend.freePair(*pair);
    if (kvm.WARN_ON_ONCE(status != tdx::kSuccess && tdx::highOf(status) != tdx::HPA_RANGE_NOT_FREE, Assert::PamtAddFailed))
        return -kEIO;
    kvm.sim().step(Site::PamtRef);
    machine.add(count, 1);
    return 0;
}

void putWithoutLock(TdxBackend& backend, Pfn pfn) {
    Kvm& kvm = backend.kvm();
    Call call(kvm.sim(), "tdx_pamt_put");
    const Place count = backend.pamtRef(pfn);
    kvm.sim().step(Site::PamtRef); // atomic_dec_and_test()
    const u64 n = kvm.machine().get(count);
    kvm.machine().set(count, n - 1);
    if (n == 1)
        if (const auto pair = backend.pamtRemove(pfn))
            backend.freePair(*pair);
}

void pamtWithoutLock(TdxProtocol& protocol) {
    protocol.tdx_pamt_get = getWithoutLock;
    protocol.tdx_pamt_put = putWithoutLock;
}

// break: [split-though-block-is-busy]. What BLOCK answered is looked at no further than "busy is no failure".
void splitThoughBlockIsBusy(TdxProtocol& protocol) {
    protocol.block_for_split = [](TdxBackend& backend, Gfn gfn, Level level) {
        Regs regs{.rcx = TdxBackend::gpaLevel(gfn, level), .rdx = backend.tdrHpa()};
        const u64 status = backend.seamcall(Leaf::MemRangeBlock, regs);
        return tdx::isBusy(status) ? tdx::kSuccess : status;
    };
}

// break: [ignore-accept-level]. The exit is handled as any other: the page is mapped, so that nothing is to do, and the guest asks again.
void ignoreAcceptLevel(TdxProtocol& protocol) {
    protocol.tdx_honor_guest_accept_level = [](TdxBackend&, Gfn, Level) { return 0; };
}
} // namespace

void applyBreaks(const MachineConfig& config, TdxProtocol& protocol) {
    constexpr std::pair<Break, void (*)(TdxProtocol&)> kBroken[] = {
        {Break::SkipBlock, skipBlock},
        {Break::SkipTrack, skipTrack},
        {Break::SkipTrackKick, skipTrackKick},
        {Break::FreeBeforeRemove, freeBeforeRemove},
        {Break::SkipKick, skipKick},
        {Break::PamtWithoutLock, pamtWithoutLock},
        {Break::IgnoreAcceptLevel, ignoreAcceptLevel},
        {Break::SplitThoughBlockIsBusy, splitThoughBlockIsBusy},
    };
    for (const auto& [which, apply] : kBroken)
        if (config.broken(which))
            apply(protocol);
}

} // namespace mirrorscope
