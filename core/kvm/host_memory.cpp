// SPDX-License-Identifier: GPL-3.0-or-later
// The host's own mapping of guest memory: one record a page, populated at the first fault (Linux v6.16 kvm_main.c: __kvm_faultin_pfn(),
// hva_to_pfn()); and what is kept of guest memory for the rules.
#include "kvm/kvm.h"

#include <algorithm>

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

u64 Kvm::vmaBits(const Memslot& memslot, Gfn gfn) const {
    const u64 page = memslot.host + gfn.v - memslot.base.v;
    return machine_->get(vma_ + page / kPagesPerVmaWord) >> 4 * (page % kPagesPerVmaWord) & 15;
}

void Kvm::injectHostFault(int error, std::optional<Gfn> gfn, u64 times, u64 after) {
    hostFaults_.set(*machine_, static_cast<u64>(error) | (gfn ? gfn->v + 1 : 0) << 16, times, after);
}

std::optional<int> Kvm::injectedHostFault(Gfn gfn) {
    const u64 wanted = hostFaults_.peekAnswer(*machine_) >> 16;
    if (wanted != 0 && wanted != gfn.v + 1)
        return std::nullopt;
    const auto answer = hostFaults_.next(*machine_);
    return answer ? std::optional(static_cast<int>(*answer & 0xffff)) : std::nullopt;
}

// handle_mm_fault(): the host's own page fault, and the word that its mapping has then. An absent page is populated with a zeroed one of
// the backing's size. A write to a page that the host has write-protected makes it writable again (the copy on write of its sole owner).
int Kvm::hostFault(const Memslot& memslot, Gfn gfn, bool write, u64& word) {
    if (const auto injected = injectedHostFault(gfn))
        return -*injected;
    if (const VmaProt prot = vmaProt(memslot, gfn); prot == VmaProt::None || (write && prot == VmaProt::Read))
        return -kEFAULT;
    const Place place = hostPlace(memslot, gfn);
    // handle_userfault(): until user space has put a page there.
    if (machine_->get(place) == 0 && vmaWatched(memslot, gfn))
        sim_.wait(Site::HostFault, {.kind = Condition::Kind::Set, .place = place, .value = ~u64{0}});
    word = machine_->get(place);
    if (word == 0) {
        const auto [block, level] = hostBlock(memslot, gfn);
        const Place first = hostPlace(memslot, block.start);
        const u64 pages = block.end.v - block.start.v;
        const auto run = allocGuestPages(FrameKind::HostPage, first, level);
        if (!run)
            return -kENOMEM;
        for (u64 i = 0; i < pages; ++i)
            machine_->set(first + i, run->v + i);
        word = machine_->get(place);
    } else if ((word & kHostProtected) != 0 && write) {
        // One entry of the host's page table maps the whole block.
        const GfnRange block = hostBlock(memslot, gfn).first;
        for (Gfn at = block.start; at < block.end; ++at.v)
            machine_->set(hostPlace(memslot, at), machine_->get(hostPlace(memslot, at)) & ~kHostProtected);
        word &= ~kHostProtected;
    }
    return 0;
}

int Kvm::hostFaultin(const Memslot& memslot, KvmPageFault& fault) {
    Call call(sim_, "__kvm_faultin_pfn");
    if (memslot.readonly && fault.write)
        return RET_PF_EMULATE;
    sim_.step(Site::HostFault);
    u64 word = 0;
    // kvm_handle_error_pfn()
    if (const int r = hostFault(memslot, fault.gfn, fault.write, word); r == -kEHWPOISON) {
        // SIGBUS to the thread: the fault is left to be tried again, and KVM_RUN ends before that, for a signal waits.
        fault.run = {KvmExit::Intr};
        return -kEINTR;
    } else if (r != 0) {
        return -kEFAULT; // whatever the reason, and without a word in kvm_run
    }
    fault.pfn = {word & kHostPfn};
    frames_.get(fault.pfn);
    fault.mapWritable = !memslot.readonly && (word & kHostProtected) == 0 && vmaProt(memslot, fault.gfn) == VmaProt::ReadWrite;
    return 0;
}

Outcome Kvm::hostAccess(u64 gpa, bool write, u64 value) {
    const auto signal = [](Signal s) { return Outcome{Outcome::Kind::Signal, static_cast<u64>(s), 0}; };
    const Gfn gfn{gpa >> 12};
    sim_.step(Site::HostAccess);
    const int index = slotOf(gfn);
    if (index < 0 || machine_->get(vm(VmWord::Destroyed)) != 0)
        return signal(kSIGSEGV);
    const Memslot memslot = slot(index);
    u64 page = 0;
    if (gmemHasAll(memslot)) {
        const auto mapped = gmemUserPage(memslot, gfn);
        if (!mapped)
            return signal(kSIGBUS);
        page = mapped->v;
    } else if (const int r = hostFault(memslot, gfn, write, page); r != 0) {
        return signal(r == -kEFAULT ? kSIGSEGV : kSIGBUS);
    }
    const u64 number = gpa >> 3 & 511;
    const Place word = wordOf({page & kHostPfn}, static_cast<unsigned>(number));
    if (!write)
        return {Outcome::Kind::Ok, 0, machine_->get(word)};
    machine_->set(word, value);
    noteWrite(writeRecord(memslot, gfn, Alias::Shared), number, value);
    return {};
}

Place Kvm::writeRecord(const Memslot& s, Gfn gfn, Alias alias) const {
    return lastWrite_ + 2 * (gfn.v - s.base.v + (alias == Alias::Private ? s.gmem : gmemPages_ + s.host));
}

void Kvm::noteWrite(Place record, u64 number, u64 value) {
    machine_->set(record, number + 1);
    machine_->set(record + 1, value);
}

std::optional<Place> Kvm::lastWrite(Gfn gfn, Alias alias) const {
    const int index = peekSlotOf(gfn);
    if (index < 0)
        return std::nullopt;
    // SNP's one tree lets a guest read the ciphertext of a page that is private, which nobody wrote.
    if (config_.vm == VmType::Snp && alias == Alias::Shared && peekPrivate(gfn))
        return std::nullopt;
    const Memslot s = peekSlot(index);
    const bool isPrivate = config_.vm == VmType::SwProtected ? peekPrivate(gfn) : config_.hasPrivateMem() && alias == Alias::Private;
    return writeRecord(s, gfn, isPrivate ? Alias::Private : Alias::Shared);
}

void Kvm::forgetWrites(const GfnRange& range, Alias alias) {
    forEachSlotPart(range, [&](const Memslot& s, const GfnRange& part) {
        for (Gfn gfn = part.start; gfn < part.end; ++gfn.v) {
            const Place record = writeRecord(s, gfn, alias);
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
        const u64 word = machine_->get(first + i), page = word & kHostPfn;
        if (page == 0)
            continue;
        machine_->set(first + i, 0);
        if ((word & kHostMapped) != 0)
            dropReference({page});
        const u64 record = first.v + i >= host_.v ? gmemPages_ + (first.v + i - host_.v) : first.v + i - gmem_.v;
        machine_->set(lastWrite_ + 2 * record, 0);
        machine_->set(lastWrite_ + 2 * record + 1, 0);
        if (config_.has(Feature::InPlaceConversion)) // it was the shared memory, too
            if (const auto gfn = gfnOfPageWord(first + i); gfn && site == Site::GmemRemove)
                forgetWrites({*gfn, {gfn->v + 1}}, Alias::Shared);
        dropReference({page});
    }
}

void Kvm::freeGuestMemory() {
    const auto drop = [&](Place place) {
        if ((machine_->peek(place) & kHostPfn) == 0)
            return;
        machine_->note(place.v); // how far it has come, since it passed by words that it did not read
        sim_.step(Site::PageFree);
        if (const u64 word = machine_->get(place); (word & kHostPfn) != 0) {
            machine_->set(place, 0);
            if ((word & kHostMapped) != 0)
                dropReference({word & kHostPfn});
            dropReference({word & kHostPfn});
        }
    };
    for (u64 i = 0; config_.has(Feature::InPlaceConversion) && i < gmemPages_; ++i) // the devices are gone, too
        unpinPage(i);
    for (unsigned file = 0; file < config_.gmemFiles.size(); ++file)
        machine_->set(gmemFiles_ + file, 0);
    for (u64 i = 0; i < std::max(gmemPages_, hostPages_); ++i) {
        if (i < gmemPages_)
            drop(gmem_ + i);
        if (i < hostPages_)
            drop(host_ + i);
    }
}

} // namespace mirrorscope
