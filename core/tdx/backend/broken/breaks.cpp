// SPDX-License-Identifier: GPL-3.0-or-later
// The values of `machine.break` that concern what the backend does; each is one function that stands for an honest one.
#include "tdx/backend/broken/broken.h"

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
        {Break::PamtWithoutLock, broken::pamtWithoutLock},
        {Break::PamtCountBeforeLock, broken::pamtCountBeforeLock},
        {Break::PamtLockAtZero, broken::pamtLockAtZero},
        {Break::IgnoreAcceptLevel, ignoreAcceptLevel},
        {Break::SplitThoughBlockIsBusy, splitThoughBlockIsBusy},
    };
    for (const auto& [which, apply] : kBroken)
        if (config.broken(which))
            apply(protocol);
}

} // namespace mirrorscope
