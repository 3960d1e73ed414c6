// SPDX-License-Identifier: GPL-3.0-or-later
// KVM_TDX_INIT_VCPU (v6.16 tdx.c: tdx_vcpu_init(), tdx_td_vcpu_init()).
#include "tdx/backend/protocol.h"

#include <array>

namespace mirrorscope {

int TdxBackend::tdx_td_vcpu_init(unsigned vcpu) {
    Call call(sim_, "tdx_td_vcpu_init");
    Machine& machine = kvm_.machine();
    const Place word = tdvprs_ + vcpu;
    std::array<Pfn, tdvps::kPages> pages; // the TDVPR first
    for (unsigned i = 0; i < pages.size(); ++i) {
        const auto page = tdx_alloc_control_page();
        if (!page) {
            for (unsigned k = 0; k < i; ++k)
                tdx_free_control_page(pages[k]);
            machine.set(word, 0);
            return -kENOMEM;
        }
        pages[i] = *page;
        if (i == 0)
            machine.set(word, page->v);
    }
    const auto freeFrom = [&](unsigned first) {
        for (unsigned i = first; i < pages.size(); ++i)
            tdx_free_control_page(pages[i]);
    };
    Regs create{.rcx = hpa(pages[0]), .rdx = tdrHpa()};
    if (const u64 status = seamcall(Leaf::VpCreate, create); status != tdx::kSuccess) {
        const int r = bug(Leaf::VpCreate, status, kEIO);
        freeFrom(0);
        machine.set(word, 0);
        return r;
    }
    for (unsigned i = 1; i < pages.size(); ++i) {
        Regs add{.rcx = hpa(pages[i]), .rdx = hpa(pages[0])};
        if (const u64 status = seamcall(Leaf::VpAddcx, add); status != tdx::kSuccess) {
            const int r = bug(Leaf::VpAddcx, status, kEIO);
            freeFrom(i); // those that were added are reclaimed with the vCPU
            return r;
        }
    }
    Regs init{.rcx = hpa(pages[0]), .version = vpInitVersion()};
    if (const u64 status = protocol_->init_vp(*this, init); status != tdx::kSuccess)
        return bug(Leaf::VpInit, status, kEIO);
    // The ioctl ran on the caller's CPU; the vCPU is loaded on its own, for which tdx_vcpu_load() flushes it here.
    Regs flush{.rcx = hpa(pages[0])};
    if (const u64 status = seamcall(Leaf::VpFlush, flush); status != tdx::kSuccess)
        return bug(Leaf::VpFlush, status, kEIO);
    return 0;
}

int TdxBackend::tdx_vcpu_init(unsigned vcpu) {
    Call call(sim_, "tdx_vcpu_init");
    protocol_->lock_state(*this, vcpu);
    const int result = protocol_->init_vcpu_locked(*this, vcpu);
    protocol_->unlock_state(*this, vcpu);
    return result;
}

int TdxBackend::init_vcpu_locked(unsigned vcpu) {
    sim_.step(Site::VmRead);
    const bool refused = !is_hkid_assigned() || get(Word::State) == kRunnable || tdvpr(vcpu).v != 0;
    return refused ? -kEINVAL : tdx_td_vcpu_init(vcpu);
}

} // namespace mirrorscope
