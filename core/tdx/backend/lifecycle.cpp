// SPDX-License-Identifier: GPL-3.0-or-later
// Building, finalizing and tearing down a TD (v6.16 tdx.c).
#include "tdx/backend/backend.h"

#include <array>
#include <cassert>

namespace mirrorscope {

namespace {
constexpr u64 kHkid = 1;
}

void TdxBackend::build() {
    Call call(sim_, "tdx_td_init");
    const MachineConfig& config = kvm_.config();
    const auto control = [&] { return *kvm_.alloc_page(FrameKind::TdxControl, 0); };
    const auto must = [&](Leaf leaf, Regs regs) {
        [[maybe_unused]] const u64 status = module_.seamcall(leaf, regs);
        assert(status == tdx::kSuccess);
    };
    const Pfn tdr = control();
    vmSet(Kvm::VmWord::Tdr, tdr.v);
    vmSet(Kvm::VmWord::Hkid, kHkid);
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
        sim_.setActor(static_cast<u8>(v)); // INIT_VCPU runs on the vCPU's own CPU, which it is associated with from then on
        const Pfn tdvpr = control();
        kvm_.machine().set(kvm_.vcpuWord(v, Kvm::VcpuWord::Tdvpr), tdvpr.v);
        must(Leaf::VpCreate, {.rcx = hpa(tdvpr), .rdx = hpa(tdr)});
        for (unsigned i = 1; i < tdvps::kPages; ++i)
            must(Leaf::VpAddcx, {.rcx = hpa(control()), .rdx = hpa(tdvpr)});
        must(Leaf::VpInit, {.rcx = hpa(tdvpr)});
    }
    sim_.setActor(self);
    vmSet(Kvm::VmWord::TdState, kInitialized);
}

int TdxBackend::tdx_td_vcpu_init(unsigned vcpu) {
    Call call(sim_, "tdx_td_vcpu_init");
    Machine& machine = kvm_.machine();
    const Place word = kvm_.vcpuWord(vcpu, Kvm::VcpuWord::Tdvpr);
    std::array<Pfn, tdvps::kPages> pages; // the TDVPR first
    for (unsigned i = 0; i < pages.size(); ++i) {
        const auto page = kvm_.alloc_page(FrameKind::TdxControl, 0);
        if (!page) {
            for (unsigned k = 0; k < i; ++k)
                kvm_.free_page(pages[k]);
            machine.set(word, 0);
            return -kENOMEM;
        }
        pages[i] = *page;
        if (i == 0)
            machine.set(word, page->v);
    }
    const auto freeFrom = [&](unsigned first) {
        for (unsigned i = first; i < pages.size(); ++i)
            kvm_.free_page(pages[i]);
    };
    Regs create{.rcx = hpa(pages[0]), .rdx = tdrHpa()};
    if (const u64 status = module_.seamcall(Leaf::VpCreate, create); status != tdx::kSuccess) {
        const int r = bug(Leaf::VpCreate, status, kEIO);
        freeFrom(0);
        machine.set(word, 0);
        return r;
    }
    for (unsigned i = 1; i < pages.size(); ++i) {
        Regs add{.rcx = hpa(pages[i]), .rdx = hpa(pages[0])};
        if (const u64 status = module_.seamcall(Leaf::VpAddcx, add); status != tdx::kSuccess) {
            const int r = bug(Leaf::VpAddcx, status, kEIO);
            freeFrom(i); // those that were added are reclaimed with the vCPU
            return r;
        }
    }
    Regs init{.rcx = hpa(pages[0])};
    if (const u64 status = module_.seamcall(Leaf::VpInit, init); status != tdx::kSuccess)
        return bug(Leaf::VpInit, status, kEIO);
    // The ioctl ran on the caller's CPU; the vCPU is loaded on its own, for which tdx_vcpu_load() flushes it here.
    Regs flush{.rcx = hpa(pages[0])};
    if (const u64 status = module_.seamcall(Leaf::VpFlush, flush); status != tdx::kSuccess)
        return bug(Leaf::VpFlush, status, kEIO);
    return 0;
}

int TdxBackend::tdx_vcpu_init(unsigned vcpu) {
    Call call(sim_, "tdx_vcpu_init");
    sim_.vcpuLock(vcpu);
    // 15945e9ec195 (v6.19) takes all locks that the other changes of the TD's state are made under.
    const bool guarded = kvm_.config().kernelFixed;
    if (guarded)
        sim_.writeLock(LockId::SlotsLock);
    sim_.step(Site::VmState);
    int result = 0;
    if (kvm_.vmDead())
        result = -kEIO;
    else if (vmGet(Kvm::VmWord::Hkid) == 0 || vmGet(Kvm::VmWord::TdState) == kRunnable || tdvpr(vcpu).v != 0)
        result = -kEINVAL;
    else
        result = tdx_td_vcpu_init(vcpu);
    if (guarded)
        sim_.writeUnlock(LockId::SlotsLock);
    sim_.vcpuUnlock(vcpu);
    return result;
}

void TdxBackend::writeTdParams(Pfn params) {
    const MachineConfig& config = kvm_.config();
    kvm_.machine().set(wordOf(params, 0), config.septVeDisable ? 1ull << 28 : 0);
    kvm_.machine().set(wordOf(params, 1), config.levels);
    kvm_.machine().set(wordOf(params, 2), config.gpaw == 52);
    kvm_.machine().set(wordOf(params, 3), 576);
}

int TdxBackend::tdx_gmem_post_populate(Gfn gfn, Pfn source, bool measure) {
    Call call(sim_, "tdx_gmem_post_populate");
    // 6b5b71ffabf9 (v6.19): the page is added while the mirror's entry is frozen (tdx_mem_page_add() below the hook).
    const bool addedByTheHook = kvm_.config().kernelFixed;
    vmSet(Kvm::VmWord::PageAddSource, addedByTheHook ? source.v : 0);
    const int mapped = kvm_.kvm_tdp_map_page(0, gfn.v << 12, true);
    vmSet(Kvm::VmWord::PageAddSource, 0);
    if (mapped != 0)
        return mapped;
    if (!addedByTheHook) {
        const int index = kvm_.slotOf(gfn);
        const Pfn page{kvm_.machine().get(kvm_.gmemPlace(kvm_.slot(index), gfn))};
        Regs add{.rcx = gpaLevel(gfn, Level::k4K), .rdx = tdrHpa(), .r8 = hpa(page), .r9 = hpa(source)};
        const u64 status = module_.seamcall(Leaf::MemPageAdd, add);
        if (status != tdx::kSuccess)
            return tdx::isBusy(status) ? -kEBUSY : -kEIO;
        vmSet(Kvm::VmWord::NrPremapped, vmGet(Kvm::VmWord::NrPremapped) - 1);
    }
    vmSet(Kvm::VmWord::PremapGfn, 0);
    if (!measure)
        return 0;
    for (u64 chunk = 0; chunk < 4096; chunk += 256) {
        Regs extend{.rcx = (gfn.v << 12) + chunk, .rdx = tdrHpa()};
        if (module_.seamcall(Leaf::MrExtend, extend) != tdx::kSuccess)
            return -kEIO;
    }
    return 0;
}

int TdxBackend::tdx_vcpu_init_mem_region(const GfnRange& range, bool measure, Content content, const void* context) {
    Call call(sim_, "tdx_vcpu_init_mem_region");
    sim_.vcpuLock(0);
    sim_.writeLock(LockId::SlotsLock);
    int result = 0;
    if (vmGet(Kvm::VmWord::TdState) == kRunnable || range.empty() || kvm_.vmDead() || tdvpr(0).v == 0) {
        result = kvm_.vmDead() ? -kEIO : -kEINVAL;
    } else {
        result = kvm_.kvm_mmu_load(0);
    }
    for (Gfn gfn = range.start; gfn < range.end && result == 0; ++gfn.v) {
        sim_.settle(gfn.v);
        // kvm_gmem_populate(): a private slot, a page that has no content yet, and private by its attribute.
        const int index = kvm_.slotOf(gfn);
        if (index < 0 || !kvm_.slot(index).guestMemfd || !kvm_.kvm_mem_is_private(gfn)) {
            result = -kEINVAL;
            break;
        }
        sim_.writeLock(LockId::FilemapInvalidateLock);
        if (kvm_.machine().get(kvm_.gmemPlace(kvm_.slot(index), gfn)) != 0) {
            result = -kEEXIST;
        } else if (const auto source = kvm_.alloc_page(FrameKind::Cache, 0); !source) {
            result = -kENOMEM;
        } else {
            for (unsigned i = 0; i < 512; ++i)
                kvm_.machine().set(wordOf(*source, i), content(context, (gfn.v - range.start.v) * 4096 + i * 8));
            vmSet(Kvm::VmWord::PremapGfn, kvm_.config().kernelFixed ? 0 : gfn.v + 1);
            result = tdx_gmem_post_populate(gfn, *source, measure);
            sim_.step(Site::PageFree);
            vmSet(Kvm::VmWord::PremapGfn, 0);
            kvm_.frames().free(*source);
        }
        sim_.writeUnlock(LockId::FilemapInvalidateLock);
    }
    sim_.writeUnlock(LockId::SlotsLock);
    sim_.vcpuUnlock(0);
    return result;
}

int TdxBackend::tdx_td_finalize() {
    Call call(sim_, "tdx_td_finalize");
    sim_.writeLock(LockId::SlotsLock);
    int result = 0;
    if (vmGet(Kvm::VmWord::Hkid) == 0 || vmGet(Kvm::VmWord::TdState) == kRunnable || vmGet(Kvm::VmWord::NrPremapped) != 0) {
        result = -kEINVAL;
    } else if (kvm_.vmDead()) {
        result = -kEIO;
    } else {
        Regs regs{.rcx = tdrHpa()};
        const u64 status = module_.seamcall(Leaf::MrFinalize, regs);
        if (tdx::isBusy(status)) {
            result = -kEBUSY;
        } else if (status != tdx::kSuccess) {
            result = bug(Leaf::MrFinalize, status, kEIO);
        } else {
            sim_.step(Site::VmState);
            vmSet(Kvm::VmWord::TdState, kRunnable);
            vmSet(Kvm::VmWord::PreFaultAllowed, 1);
        }
    }
    sim_.writeUnlock(LockId::SlotsLock);
    return result;
}

void TdxBackend::destroyVm() {
    const Pfn tdr = this->tdr();
    {
        Call call(sim_, "tdx_mmu_release_hkid");
        const u8 self = sim_.actor();
        for (unsigned v = 0; v < kvm_.config().vcpus; ++v) {
            if (tdvpr(v).v == 0)
                continue;
            sim_.setActor(static_cast<u8>(v)); // VP.FLUSH runs on the CPU that the vCPU is associated with
            Regs regs{.rcx = hpa(tdvpr(v))};
            if (module_.seamcall(Leaf::VpFlush, regs) == tdx::kSuccess)
                kvm_.tlb(v).flush();
        }
        sim_.setActor(self);
        Regs done{.rcx = hpa(tdr)};
        if (module_.seamcall(Leaf::MngVpflushdone, done) != tdx::kSuccess)
            return;
        Regs wb{.rcx = 0};
        module_.seamcall(Leaf::PhymemCacheWb, wb);
        Regs free{.rcx = hpa(tdr)};
        if (const u64 status = module_.seamcall(Leaf::MngKeyFreeid, free); status != tdx::kSuccess) {
            bug(Leaf::MngKeyFreeid, status, kEIO);
            return; // the HKID is leaked, and with it all control pages
        }
        sim_.step(Site::VmState);
        vmSet(Kvm::VmWord::Hkid, 0);
    }
    kvm_.kvm_mmu_uninit_tdp_mmu();
    Call call(sim_, "tdx_vm_destroy");
    const auto reclaimAndFree = [&](Pfn page) {
        if (reclaim(page))
            kvm_.free_page(page);
    };
    Machine& machine = kvm_.machine();
    for (unsigned v = 0; v < kvm_.config().vcpus; ++v) {
        const Pfn page = tdvpr(v);
        if (page.v == 0)
            continue;
        const u64 pages = module_.peekTdvps(page, tdvps::NumPages);
        for (unsigned i = 1; i < pages; ++i)
            reclaimAndFree({module_.peekTdvps(page, tdvps::Pages0 + i)});
        reclaimAndFree(page);
        machine.set(kvm_.vcpuWord(v, Kvm::VcpuWord::Tdvpr), 0);
    }
    const u64 pages = module_.peekTdr(tdr, mirrorscope::tdr::NumTdcx);
    for (unsigned i = 0; i < pages; ++i)
        reclaimAndFree(module_.tdcs(tdr, i));
    reclaimAndFree(tdr);
    vmSet(Kvm::VmWord::Tdr, 0);
    vmSet(Kvm::VmWord::TdState, kUninitialized);
}

} // namespace mirrorscope
