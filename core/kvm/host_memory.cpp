// SPDX-License-Identifier: GPL-3.0-or-later
// The host's own mapping of guest memory: one record a page, populated at the first fault (Linux v6.16 kvm_main.c: __kvm_faultin_pfn(),
// hva_to_pfn()); and what is kept of guest memory for the rules.
#include "kvm/kvm.h"

namespace mirrorscope {

std::optional<Pfn> Kvm::allocGuestPages(FrameKind kind, Place first, Level level) {
    const u64 info = first.v - (kind == FrameKind::Gmem ? gmem_ : host_).v;
    if (level == Level::k4K)
        return frames_.allocate(kind, info, sim_.actor());
    const auto run = frames_.allocateRun(kind, 0, pagesPer(level));
    for (u64 i = 0; run && i < pagesPer(level); ++i)
        frames_.setKind({run->v + i}, kind, info + i);
    return run;
}

// An absent page is populated with a zeroed one of the backing's size. A write to a page that the host has write-protected makes it
// writable again (the copy on write of its sole owner).
int Kvm::hostFaultin(const Memslot& memslot, KvmPageFault& fault) {
    Call call(sim_, "__kvm_faultin_pfn");
    if (memslot.readonly && fault.write)
        return RET_PF_EMULATE;
    const Place place = hostPlace(memslot, fault.gfn);
    sim_.step(Site::HostFault);
    u64 found = machine_->get(place);
    if (found == 0) {
        const auto [block, level] = hostBlock(memslot, fault.gfn);
        const Place first = hostPlace(memslot, block.start);
        const u64 pages = block.end.v - block.start.v;
        const auto run = allocGuestPages(FrameKind::HostPage, first, level);
        if (!run) { // KVM_PFN_ERR_FAULT, whatever the reason: kvm_handle_error_pfn()
            kvm_mmu_prepare_memory_fault_exit(fault);
            return -kEFAULT;
        }
        for (u64 i = 0; i < pages; ++i)
            machine_->set(first + i, run->v + i);
        found = machine_->get(place);
    } else if ((found & kHostProtected) != 0 && fault.write) {
        // One entry of the host's page table maps the whole block.
        const GfnRange block = hostBlock(memslot, fault.gfn).first;
        for (Gfn gfn = block.start; gfn < block.end; ++gfn.v)
            machine_->set(hostPlace(memslot, gfn), machine_->get(hostPlace(memslot, gfn)) & ~kHostProtected);
        found &= ~kHostProtected;
    }
    fault.pfn = {found & kHostPfn};
    frames_.get(fault.pfn);
    fault.mapWritable = !memslot.readonly && (found & kHostProtected) == 0;
    return 0;
}

std::optional<Place> Kvm::lastWrite(Gfn gfn, Alias alias) const {
    const int index = peekSlotOf(gfn);
    if (index < 0)
        return std::nullopt;
    const Memslot s = peekSlot(index);
    const u64 page = s.offset + gfn.v - s.base.v;
    const bool isPrivate = config_.vm == VmType::SwProtected ? peekPrivate(gfn) : config_.hasPrivateMem() && alias == Alias::Private;
    return lastWrite_ + 2 * (isPrivate ? page : slotPages_ + page);
}

void Kvm::forgetWrites(const GfnRange& range, Alias alias) {
    const u64 kind = alias == Alias::Private ? 0 : slotPages_;
    forEachSlotPart(range, [&](const Memslot& s, const GfnRange& part) {
        for (Gfn gfn = part.start; gfn < part.end; ++gfn.v) {
            const Place record = lastWrite_ + 2 * (kind + s.offset + gfn.v - s.base.v);
            machine_->set(record, 0);
            machine_->set(record + 1, 0);
        }
    });
}

// The pages that these words of guest_memfd, or of the host's mapping, name are let go, each in a micro-step; of the host's huge pages
// `together` at once, as one entry of its page table goes. A folio that somebody has locked is waited for.
void Kvm::dropPages(Place first, u64 pages, Site site, u64 together) {
    for (u64 i = 0; i < pages; ++i) {
        if (machine_->peek(first + i) == 0)
            continue;
        if (i % together == 0)
            sim_.wait(site, {.kind = Condition::Kind::Clear, .place = first + i, .value = kFolioLocked});
        const u64 page = machine_->get(first + i) & kHostPfn;
        if (page == 0)
            continue;
        machine_->set(first + i, 0);
        const u64 record = first.v + i >= host_.v ? slotPages_ + (first.v + i - host_.v) : first.v + i - gmem_.v;
        machine_->set(lastWrite_ + 2 * record, 0);
        machine_->set(lastWrite_ + 2 * record + 1, 0);
        dropReference({page});
    }
}

void Kvm::freeGuestMemory() {
    for (u64 i = 0; i < slotPages_; ++i)
        for (const Place place : {gmem_ + i, host_ + i})
            if (const u64 page = machine_->peek(place) & kHostPfn; page != 0) {
                sim_.step(Site::PageFree);
                machine_->set(place, 0);
                dropReference({page});
            }
}

} // namespace mirrorscope
