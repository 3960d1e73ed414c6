// SPDX-License-Identifier: GPL-3.0-or-later
// A TD as a scenario finds it: after KVM_TDX_INIT_VM and KVM_TDX_INIT_VCPU (v6.16 tdx.c).
#include "tdx/backend/protocol.h"

#include <cassert>

namespace mirrorscope {

namespace {
constexpr u64 kHkid = 1;
}

TdxBackend::TdxBackend(Kvm& kvm, TdxModule& module, Regions& regions)
    : kvm_(kvm), module_(module), sim_(kvm.sim()), protocol_(std::make_unique<TdxProtocol>()) {
    words_ = regions.take(static_cast<unsigned>(Word::Count_), "kvm-tdx", static_cast<unsigned>(Word::Count_));
    tdvprs_ = regions.take(kvm.config().vcpus, "tdvpr");
    tlbEpoch_ = regions.take(kvm.config().vcpus, "tlb-epoch");
    takePamtWords(regions);
    applyVersion(kvm.config(), *protocol_);
    applyBreaks(kvm.config(), *protocol_);
}

TdxBackend::~TdxBackend() = default;

VmTraits TdxBackend::traits() {
    constexpr u8 kTdcall = 77; // EXIT_REASON_TDCALL
    VmTraits traits;
    traits.masks = {.mmioValue = 0, .ignoreGuestPat = false};
    traits.protectedState = true;
    traits.preFaultAllowed = false;
    traits.callExit = kTdcall;
    traits.mapGpa = "tdx_map_gpa";
    return traits;
}

void TdxBackend::build() {
    Call call(sim_, "tdx_td_init");
    const MachineConfig& config = kvm_.config();
    const auto control = [&] { return *tdx_alloc_control_page(); };
    const auto must = [&](Leaf leaf, Regs regs) {
        [[maybe_unused]] const u64 status = module_.seamcall(leaf, regs);
        assert(status == tdx::kSuccess);
    };
    const Pfn tdr = control();
    set(Word::Tdr, tdr.v);
    set(Word::Hkid, kHkid);
    must(Leaf::MngCreate, {.rcx = hpa(tdr), .rdx = kHkid});
    must(Leaf::MngKeyConfig, {.rcx = hpa(tdr)});
    for (unsigned i = 0; i < tdcs::kPages; ++i)
        must(Leaf::MngAddcx, {.rcx = hpa(control()), .rdx = hpa(tdr)});
    const Pfn params = *kvm_.alloc_page(FrameKind::Cache, 0);
    writeTdParams(params);
    must(Leaf::MngInit, {.rcx = hpa(tdr), .rdx = hpa(params)});
    kvm_.free_page(params);
    const u8 self = sim_.actor();
    for (unsigned v = 0; v < config.initVcpus.value_or(config.vcpus); ++v) {
        sim_.setActor(static_cast<ActorId>(v)); // INIT_VCPU runs on the vCPU's own CPU, which it is associated with from then on
        const Pfn tdvpr = control();
        kvm_.machine().set(tdvprs_ + v, tdvpr.v);
        must(Leaf::VpCreate, {.rcx = hpa(tdvpr), .rdx = hpa(tdr)});
        for (unsigned i = 1; i < tdvps::kPages; ++i)
            must(Leaf::VpAddcx, {.rcx = hpa(control()), .rdx = hpa(tdvpr)});
        must(Leaf::VpInit, {.rcx = hpa(tdvpr), .version = vpInitVersion()});
    }
    sim_.setActor(self);
    set(Word::State, kInitialized);
}

void TdxBackend::writeTdParams(Pfn params) {
    const MachineConfig& config = kvm_.config();
    kvm_.machine().set(wordOf(params, 0), config.septVeDisable ? 1ull << 28 : 0);
    kvm_.machine().set(wordOf(params, 1), config.levels);
    kvm_.machine().set(wordOf(params, 2), config.gpaw == 52);
    kvm_.machine().set(wordOf(params, 3), 576);
}

} // namespace mirrorscope
