// SPDX-License-Identifier: GPL-3.0-or-later
// The TD's initial image, and the end of its building (v6.16 tdx.c: tdx_vcpu_init_mem_region(), tdx_td_finalize(); guest_memfd.c:
// kvm_gmem_populate()).
#include "kvm/for_each.h"
#include "kvm/protocol.h"
#include "tdx/backend/protocol.h"

namespace mirrorscope {

// The page was mapped in the mirror and counted; now it is added.
int TdxBackend::populate_one(Gfn gfn, Pfn source) {
    if (const int mapped = kvm_.kvm_tdp_map_page(0, gfn.v << 12, true); mapped != 0)
        return mapped;
    const int index = kvm_.slotOf(gfn);
    const Pfn page = kvm_.gmemPage(kvm_.slot(index), gfn);
    // CONFIG_KVM_PROVE_MMU: slots_lock and the file's invalidate lock keep everybody off who could zap it.
    Regs add{.rcx = gpaLevel(gfn, Level::k4K), .rdx = tdrHpa(), .r8 = hpa(page), .r9 = hpa(source)};
    if (const u64 status = seamcall(Leaf::MemPageAdd, add); status != tdx::kSuccess)
        return tdx::isBusy(status) ? -kEBUSY : -kEIO;
    if (!kvm_.KVM_BUG_ON(get(Word::NrPremapped) == 0, Assert::PageAddNoPremap))
        kvm_.machine().add(word(Word::NrPremapped), u64(-1));
    return 0;
}

int TdxBackend::tdx_gmem_post_populate(Gfn gfn, Pfn source, bool measure) {
    Call call(sim_, "tdx_gmem_post_populate");
    if (const int r = protocol_->populate_one(*this, gfn, source); r != 0)
        return r;
    set(Word::PremapGfn, 0);
    for (u64 chunk = 0; measure && chunk < 4096; chunk += 256) {
        Regs extend{.rcx = (gfn.v << 12) + chunk, .rdx = tdrHpa()};
        if (const u64 status = seamcall(Leaf::MrExtend, extend); status != tdx::kSuccess)
            return protocol_->extend_failed(*this, status);
    }
    return 0;
}

// One page, whose source stands in a page of user space, or in itself (in-place conversion).
int TdxBackend::populate(Gfn gfn, bool measure, PageContent content, const void* context, u64 offset) {
    u64 done = 0;
    std::optional<Pfn> source;
    const auto getSource = [&] {
        source = kvm_.alloc_page(FrameKind::Cache, 0);
        for (unsigned i = 0; source && i < 512; ++i)
            kvm_.machine().set(wordOf(*source, i), content(context, offset + i * 8));
        return source ? 0 : -kENOMEM;
    };
    const auto putSource = [&] {
        sim_.step(Site::PageFree);
        set(Word::PremapGfn, 0);
        kvm_.frames().free(*source);
    };
    const bool inPlace = content == nullptr;
    if (protocol_->source_first && !inPlace)
        if (const int r = getSource(); r != 0)
            return r;
    const int result = kvm_.kvm_gmem_populate(gfn, 1, done, [&](const Memslot& slot, Gfn) {
        if (inPlace)
            source = kvm_.gmemPage(slot, gfn);
        else if (!protocol_->source_first)
            if (const int r = getSource(); r != 0)
                return r;
        set(Word::PremapGfn, gfn.v + 1);
        const int r = tdx_gmem_post_populate(gfn, *source, measure);
        if (!protocol_->source_first)
            putSource();
        return r;
    });
    if (protocol_->source_first && !inPlace)
        putSource();
    return result;
}

Outcome TdxBackend::tdx_vcpu_init_mem_region(const GfnRange& range, bool measure, PageContent content, const void* context) {
    Call call(sim_, "tdx_vcpu_init_mem_region");
    GfnRange left = range;
    protocol_->lock_state(*this, 0);
    const auto refused = [&] { return !is_hkid_assigned() || get(Word::State) == kRunnable; };
    int result = refused() || tdvpr(0).v == 0 ? -kEINVAL : 0;
    if (result == 0) {
        protocol_->lock_slots(*this);
        result = get(Word::State) == kRunnable || range.empty() ? -kEINVAL : 0;
        if (result == 0 && protocol_->reloads_before)
            kvm_.protocol().kvm_mmu_reload(kvm_, 0);
        while (left.start < left.end && result == 0) {
            sim_.settle(left.start.v);
            result = populate(left.start, measure, content, context, (left.start.v - range.start.v) * 4096);
            if (result == 0)
                ++left.start.v;
        }
        protocol_->unlock_slots(*this);
    }
    protocol_->unlock_state(*this, 0);
    // What is left of the region is written back.
    Outcome outcome = result == 0 ? Outcome{} : failedWith(-result);
    outcome.details.put(Field::Gpa, left.start.v << 12);
    outcome.details.put(Field::Pages, left.end.v - left.start.v);
    return outcome;
}

int TdxBackend::tdx_td_finalize() {
    Call call(sim_, "tdx_td_finalize");
    protocol_->lock_state(*this, std::nullopt);
    protocol_->lock_slots(*this);
    int result = 0;
    if (!is_hkid_assigned() || get(Word::State) == kRunnable || get(Word::NrPremapped) != 0) {
        result = -kEINVAL;
    } else {
        Regs regs{.rcx = tdrHpa()};
        const u64 status = seamcall(Leaf::MrFinalize, regs);
        if (tdx::isBusy(status)) {
            result = -kEBUSY;
        } else if (status != tdx::kSuccess) {
            result = bug(Leaf::MrFinalize, status, kEIO);
        } else {
            // The state first: tdx_sept_set_private_spte() reads them the other way round.
            sim_.step(Site::VmState);
            set(Word::State, kRunnable);
            sim_.step(Site::VmState);
            kvm_.machine().set(kvm_.vm(Kvm::VmWord::PreFaultAllowed), 1);
        }
    }
    protocol_->unlock_slots(*this);
    protocol_->unlock_state(*this, std::nullopt);
    return result;
}

} // namespace mirrorscope
