// SPDX-License-Identifier: GPL-3.0-or-later
// guest_memfd as a file with a name, that slots are bound to (Linux v6.16 guest_memfd.c: kvm_gmem_create(), kvm_gmem_bind(),
// kvm_gmem_fallocate(), kvm_gmem_release()). The file of a slot without a name is its own, and user space does nothing else with it.
#include "kvm/protocol.h"

namespace mirrorscope {

bool Kvm::gmemIsOpen(unsigned file) const { return machine_->get(gmemFiles_ + file) != 0; }

// i_size, in pages: one more is kept, so that 0 is a file that is not open.
u64 Kvm::gmemFilePages(unsigned file) const { return machine_->get(gmemFiles_ + file) - 1; }

// Whoever closes the file takes it from the slot, whatever copy of the slot is looked at.
bool Kvm::kvm_gmem_get_file(const Memslot& memslot) const {
    return !memslot.gmemFile || (machine_->get(slotFlags(memslot.index)) & kSlotGmemGone) == 0;
}

int Kvm::kvm_gmem_create(unsigned file, u64 size, u64 flags) {
    Call call(sim_, "kvm_gmem_create");
    if (flags != 0 || size == 0 || size >> 63 != 0 || (size & 0xfff) != 0)
        return -kEINVAL;
    sim_.step(Site::VmState);
    machine_->set(gmemFiles_ + file, (size >> 12) + 1);
    return 0;
}

// Is there room for these pages from that offset on, where no slot is bound already? The slot itself is published by the caller.
int Kvm::kvm_gmem_bind(unsigned file, u64 offset, u64 pages) {
    Call call(sim_, "kvm_gmem_bind");
    if (!gmemIsOpen(file))
        return -kEBADF;
    if (config_.gmemFiles[file].foreign || offset > gmemFilePages(file) << 12 || pages > gmemFilePages(file) - (offset >> 12))
        return -kEINVAL;
    sim_.writeLock(LockId::FilemapInvalidateLock);
    const u64 first = gmemBase_[file] + (offset >> 12);
    bool bound = false;
    forEachGmemPart(GmemRange::inFile(first, first + pages), [&](const Memslot&, const GfnRange&) { bound = true; });
    sim_.writeUnlock(LockId::FilemapInvalidateLock);
    return bound ? -kEINVAL : 0;
}

int Kvm::kvm_gmem_fallocate(unsigned file, bool keepSize, bool punch, u64 offset, u64 size) {
    if (!gmemIsOpen(file))
        return -kEBADF;
    if (size == 0 || offset >> 63 != 0 || size >> 63 != 0) // vfs_fallocate()
        return -kEINVAL;
    if (punch && !keepSize)
        return -kEOPNOTSUPP;
    if ((offset + size) >> 63 != 0)
        return -kEFBIG;
    Call call(sim_, "kvm_gmem_fallocate");
    if (!keepSize)
        return -kEOPNOTSUPP;
    if (((offset | size) & 0xfff) != 0)
        return -kEINVAL;
    const u64 pages = gmemFilePages(file);
    const u64 first = offset >> 12, end = first + (size >> 12);
    if (!punch)
        return end > pages ? -kEINVAL : kvm_gmem_allocate(file, first, end);
    const u64 base = gmemBase_[file];
    return protocol_->kvm_gmem_punch_hole(*this, GmemRange::inFile(base + std::min(first, pages), base + std::min(end, pages)));
}

// A page is made and not prepared: that is for the first fault.
int Kvm::kvm_gmem_allocate(unsigned file, u64 first, u64 end) {
    Call call(sim_, "kvm_gmem_allocate");
    sim_.readLock(LockId::FilemapInvalidateLock);
    int result = 0;
    for (u64 i = first; i < end && result == 0; ++i) {
        const Place place = gmem_ + (gmemBase_[file] + i);
        sim_.settle(i);
        sim_.wait(Site::GmemGet, {.kind = Condition::Kind::Clear, .place = place, .value = kFolioLocked});
        if (machine_->get(place) != 0 || !gmemIsOpen(file)) // what is made after the last close() goes with the file
            continue;
        const auto page = allocGuestPages(FrameKind::Gmem, place, Level::k4K);
        if (page)
            machine_->set(place, page->v);
        else
            result = -kENOMEM;
    }
    sim_.readUnlock(LockId::FilemapInvalidateLock);
    return result;
}

// The last close() of the descriptor. Slots that are bound stay, without a file; the file's pages go with its inode.
int Kvm::kvm_gmem_release(unsigned file) {
    if (!gmemIsOpen(file))
        return -kEBADF;
    const u64 base = gmemBase_[file];
    const GmemRange whole = GmemRange::inFile(base, base + gmemFilePages(file));
    machine_->set(gmemFiles_ + file, 0); // whoever closes it next finds no descriptor
    Call call(sim_, "kvm_gmem_release");
    sim_.writeLock(LockId::SlotsLock);
    sim_.writeLock(LockId::FilemapInvalidateLock);
    sim_.step(Site::SlotSet);
    forEachGmemPart(whole, [&](const Memslot& s, const GfnRange&) {
        machine_->set(slotFlags(s.index), machine_->get(slotFlags(s.index)) | kSlotGmemGone);
    });
    kvm_gmem_invalidate_end(kvm_gmem_invalidate_begin(whole));
    sim_.writeUnlock(LockId::FilemapInvalidateLock);
    sim_.writeUnlock(LockId::SlotsLock);
    truncate_inode_pages_range(whole);
    return 0;
}

} // namespace mirrorscope
