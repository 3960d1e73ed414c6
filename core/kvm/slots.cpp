// SPDX-License-Identifier: GPL-3.0-or-later
// Memslots: which there are, and KVM_SET_USER_MEMORY_REGION2 (Linux v6.16 virt/kvm/kvm_main.c: kvm_set_memory_region(),
// kvm_set_memslot(); arch/x86/kvm/x86.c: kvm_mmu_slot_apply_flags(); mmu.c: kvm_arch_flush_shadow_memslot()).
#include "kvm/protocol.h"

#include <algorithm>

namespace mirrorscope {

namespace {
// Names of their own: a member of Kvm would hide them.
enum SlotWord { kSlotUsed, kSlotBase, kSlotPages, kSlotOffset, kSlotGmem, kSlotHost, kSlotFlags };
constexpr unsigned kUserShift = 46; // in the word with the offset: how far into 1G of the host's addresses the slot begins, in pages
constexpr u64 kGmem = 1, kReadonly = 2, kDirty = 4, kInvalid = 8; // and Kvm::kSlotGmemGone
constexpr unsigned kBackingShift = 8, kGmemBackingShift = 12, kFileShift = 16, kMemoryShift = 32;
u64 flagsOf(const SlotConfig& slot) {
    return (slot.guestMemfd ? kGmem : 0) | (slot.readonly ? kReadonly : 0) | (slot.dirtyLog ? kDirty : 0) |
           u64{number(slot.backing)} << kBackingShift | u64{number(slot.gmemBacking)} << kGmemBackingShift |
           (slot.gmemFile ? u64{*slot.gmemFile} + 1 : 0) << kFileShift | (slot.memory ? u64{*slot.memory} + 1 : 0) << kMemoryShift;
}
} // namespace

void Kvm::attachSlots() {
    for (const auto& config : config_.slots) {
        const auto index = static_cast<int>(machine_->peek(vm(VmWord::SlotCount)));
        putSlot(index, config);
        if (config.dirtyLog && initiallyAllDirty())
            freshDirtyBitmap(peekSlot(index), true);
    }
    machine_->set(vm(VmWord::SlotsGeneration), addressSpaces() * config_.slots.size());
}

// Only a VM without private memory has SMM's.
u64 Kvm::addressSpaces() const { return config_.hasPrivateMem() ? 1 : 2; }

void Kvm::putSlot(int index, const SlotConfig& config) {
    const Place at = slots_ + u64(unsigned(index)) * kSlotWords;
    machine_->set(at + kSlotUsed, config.id + 1);
    machine_->set(at + kSlotBase, config.base.v);
    machine_->set(at + kSlotPages, config.pages);
    // User space maps a slot's memory so that huge pages fit (a named mapping has none).
    const u64 user = config.base.v & (pagesPer(Level::k1G) - 1);
    machine_->set(at + kSlotOffset, user << kUserShift | machine_->peek(vm(VmWord::PagesUsed)));
    machine_->set(at + kSlotGmem,
                  config.gmemFile ? gmemBase_[*config.gmemFile] + (config.gmemOffset >> 12) : machine_->peek(vm(VmWord::PagesUsed)));
    machine_->set(at + kSlotHost,
                  config.memory ? memoryBase_[*config.memory] + (config.memoryOffset >> 12) : machine_->peek(vm(VmWord::PagesUsed)));
    machine_->set(at + kSlotFlags, flagsOf(config));
    forgetInhibit({config.base, {config.base.v + config.pages}});
    machine_->set(vm(VmWord::PagesUsed), machine_->peek(vm(VmWord::PagesUsed)) + config.pages);
    if (config.dirtyLog)
        machine_->set(vm(VmWord::NrDirtyLogging), machine_->peek(vm(VmWord::NrDirtyLogging)) + 1);
    machine_->set(vm(VmWord::SlotCount), std::max<u64>(machine_->peek(vm(VmWord::SlotCount)), u64(unsigned(index)) + 1));
}

unsigned Kvm::slotCount() const { return static_cast<unsigned>(machine_->peek(vm(VmWord::SlotCount))); }

template <bool kObserved>
Memslot Kvm::readSlot(int index) const {
    const auto read = [&](Place place) { return kObserved ? machine_->get(place) : machine_->peek(place); };
    Memslot slot;
    const Place at = slots_ + u64(unsigned(index)) * kSlotWords;
    const u64 used = read(at + kSlotUsed);
    slot.used = used != 0;
    if (!slot.used)
        return slot;
    slot.id = static_cast<u32>(used - 1);
    slot.base = {read(at + kSlotBase)};
    slot.pages = read(at + kSlotPages);
    slot.index = index;
    slot.offset = read(at + kSlotOffset) & ((u64{1} << kUserShift) - 1);
    slot.user = read(at + kSlotOffset) >> kUserShift;
    slot.gmem = read(at + kSlotGmem);
    slot.host = read(at + kSlotHost);
    const u64 flags = read(at + kSlotFlags);
    slot.guestMemfd = (flags & kGmem) != 0;
    slot.readonly = (flags & kReadonly) != 0;
    slot.dirtyLog = (flags & kDirty) != 0;
    slot.invalid = (flags & kInvalid) != 0;
    slot.backing = levelOf(static_cast<unsigned>(flags >> kBackingShift & 7));
    slot.gmemBacking = levelOf(static_cast<unsigned>(flags >> kGmemBackingShift & 7));
    if (const u64 memory = flags >> kMemoryShift; memory != 0)
        slot.memory = static_cast<unsigned>(memory - 1);
    if (const u64 file = flags >> kFileShift & 0xffff; file != 0)
        slot.gmemFile = static_cast<unsigned>(file - 1);
    return slot;
}

Memslot Kvm::slot(int index) const { return readSlot<true>(index); }
Memslot Kvm::peekSlot(int index) const { return readSlot<false>(index); }

template <bool kObserved>
int Kvm::findSlot(Gfn gfn) const {
    const auto read = [&](Place place) { return kObserved ? machine_->get(place) : machine_->peek(place); };
    for (unsigned i = 0; i < slotCount(); ++i) {
        const Place at = slots_ + u64{i} * kSlotWords;
        if (read(at + kSlotUsed) == 0)
            continue;
        const u64 base = read(at + kSlotBase);
        if (gfn.v >= base && gfn.v < base + read(at + kSlotPages))
            return static_cast<int>(i);
    }
    return -1;
}

int Kvm::slotOf(Gfn gfn) const { return findSlot<true>(gfn); }
int Kvm::peekSlotOf(Gfn gfn) const { return findSlot<false>(gfn); }

// `page` counts in the array in which the slot begins at `first`.
std::optional<Gfn> Kvm::gfnOfPage(u64 Memslot::*first, u64 page) const {
    for (unsigned i = 0; i < slotCount(); ++i) {
        const Memslot s = peekSlot(static_cast<int>(i));
        if (s.used && page >= s.*first && page < s.*first + s.pages)
            return Gfn{s.base.v + page - s.*first};
    }
    return std::nullopt;
}

std::optional<Gfn> Kvm::gfnOfGuestMemory(Pfn pfn) const {
    return gfnOfPage(frames_.peekKind(pfn) == FrameKind::Gmem ? &Memslot::gmem : &Memslot::host, frames_.peekInfo(pfn));
}

std::optional<Gfn> Kvm::gfnOfPageWord(Place place) const {
    if (place >= gmem_ && place.v < gmem_.v + gmemPages_)
        return gfnOfPage(&Memslot::gmem, place.v - gmem_.v);
    if (place >= host_ && place.v < host_.v + hostPages_)
        return gfnOfPage(&Memslot::host, place.v - host_.v);
    return std::nullopt;
}

std::optional<Gfn> Kvm::gfnOfGmemState(Place place) const {
    if (!config_.has(Feature::InPlaceConversion))
        return std::nullopt;
    for (const Place words : {gmemAttribute_, gmemPinned_})
        if (place >= words && place.v < words.v + gmemPages_)
            return gfnOfPage(&Memslot::gmem, place.v - words.v);
    return std::nullopt;
}

std::optional<GfnRange> Kvm::leftBySlot(Place place, u64 delta) const {
    if (place < slots_ || place.v >= slots_.v + maxSlots_ * kSlotWords)
        return std::nullopt;
    const u64 word = (place.v - slots_.v) % kSlotWords;
    const Place at{place.v - word};
    const u64 base = machine_->peek(at + kSlotBase) ^ (word == kSlotBase ? delta : 0);
    const bool gone = word == kSlotUsed && machine_->peek(place) == 0;
    if (!gone && !(word == kSlotBase && machine_->peek(at + kSlotUsed) != 0))
        return std::nullopt;
    return GfnRange{{base}, {base + machine_->peek(at + kSlotPages)}};
}

int Kvm::slotById(u32 id) const {
    for (unsigned i = 0; i < slotCount(); ++i)
        if (machine_->get(slots_ + u64{i} * kSlotWords + kSlotUsed) == u64{id} + 1)
            return static_cast<int>(i);
    return -1;
}

// The new set is published, and nobody who may have seen the old one is left inside. It waits for the notifiers that are between their
// begin and their end.
template <class F>
void Kvm::kvm_swap_active_memslots(F&& publish) {
    Call call(sim_, "kvm_swap_active_memslots");
    const Place generation = vm(VmWord::SlotsGeneration);
    sim_.wait(Site::SlotSet, {.kind = Condition::Kind::Equals, .place = vm(VmWord::MnActiveInvalidate)});
    WARN_ON_ONCE((machine_->get(generation) & kSlotsUpdateInProgress) != 0, Assert::SlotsInUpdate);
    publish();
    // An MMIO entry made meanwhile, for somebody who saw the old set, has the old number and is never taken for a current one.
    machine_->set(generation, machine_->get(generation) | kSlotsUpdateInProgress);
    sim_.synchronizeSrcu();
    const u64 next = (machine_->get(generation) & ~kSlotsUpdateInProgress) + addressSpaces();
    kvm_arch_memslots_updated(next);
    sim_.step(Site::SlotGeneration);
    machine_->set(generation, next);
}

void Kvm::kvm_arch_memslots_updated(u64 generation) {
    // kvm_mmu_invalidate_mmio_sptes(): the number that entries have begins anew.
    if ((generation & 0x7ffff & ~(addressSpaces() - 1)) == 0)
        kvm_mmu_zap_all_fast();
    for (unsigned v = 0; v < config_.vcpus; ++v)
        kvm_vcpu_kick(v);
}

Place Kvm::slotFlags(int index) const { return slots_ + u64(unsigned(index)) * kSlotWords + kSlotFlags; }

void Kvm::setSlotFlag(int index, u64 flag, bool on) {
    const Place flags = slotFlags(index);
    machine_->set(flags, on ? machine_->get(flags) | flag : machine_->get(flags) & ~flag);
}

// Faults that meet the slot from here on try again; then what it mapped is zapped.
void Kvm::kvm_invalidate_memslot(int index) {
    Call call(sim_, "kvm_invalidate_memslot");
    kvm_swap_active_memslots([&] { setSlotFlag(index, kInvalid, true); });
    kvm_arch_flush_shadow_memslot(index);
}

void Kvm::kvm_arch_flush_shadow_memslot(int index) {
    Call call(sim_, "kvm_arch_flush_shadow_memslot");
    if (config_.vm == VmType::Default && config_.slotZapAll) // kvm_memslot_flush_zap_all()
        kvm_mmu_zap_all_fast();
    else
        kvm_mmu_zap_memslot(index);
}

// Only what the slot maps: KVM_X86_QUIRK_SLOT_ZAP_ALL (v6.12) is off, or does not apply, as for all but ordinary VMs.
void Kvm::kvm_mmu_zap_memslot(int index) {
    Call call(sim_, "kvm_mmu_zap_memslot");
    const Memslot s = slot(index);
    sim_.writeLock(LockId::MmuLock);
    flushAndUnlock(kvm_unmap_gfn_range(s.range(), KVM_FILTER_PRIVATE | KVM_FILTER_SHARED), true);
}

int Kvm::check_memory_region_flags(const SlotConfig& config) const {
    if (config.guestMemfd && (!config_.hasPrivateMem() || config.dirtyLog || config.readonly))
        return -kEINVAL;
    return config.readonly && traits_.protectedState ? -kEINVAL : 0; // kvm_arch_has_readonly_mem()
}

int Kvm::kvm_set_memory_region(const SlotConfig& config) {
    Call call(sim_, "kvm_set_memory_region");
    sim_.writeLock(LockId::SlotsLock);
    const int result = setMemoryRegion(config);
    sim_.writeUnlock(LockId::SlotsLock);
    return result;
}

int Kvm::setMemoryRegion(const SlotConfig& config) {
    if (const int r = check_memory_region_flags(config); r != 0)
        return r;
    if (config.guestMemfd && ((config.gmemOffset & 0xfff) != 0 || config.gmemOffset + (config.pages << 12) < config.gmemOffset))
        return -kEINVAL;
    if (config.pages > kMemMaxNrPages)
        return -kEINVAL;
    const int index = slotById(config.id);
    if (config.pages == 0)
        return index < 0 ? -kEINVAL : kvm_set_memslot(SlotChange::Delete, index, config);
    if (index < 0) {
        if (overlaps(config, -1))
            return -kEEXIST;
        unsigned free = 0;
        while (free < maxSlots_ && machine_->get(slots_ + u64{free} * kSlotWords + kSlotUsed) != 0)
            ++free;
        if (free == maxSlots_ || machine_->get(vm(VmWord::PagesUsed)) + config.pages > slotPages_)
            return -kEINVAL;
        if (config.guestMemfd && config.gmemFile)
            if (const int r = kvm_gmem_bind(*config.gmemFile, config.gmemOffset, config.pages); r != 0)
                return r;
        return kvm_set_memslot(SlotChange::Create, static_cast<int>(free), config);
    }
    const Memslot old = slot(index);
    const bool elsewhere =
        old.memory != config.memory || (old.memory && old.host != memoryBase_[*old.memory] + (config.memoryOffset >> 12));
    if (protocol_->is_immutable(*this, old, config) || elsewhere || old.pages != config.pages || old.readonly != config.readonly)
        return -kEINVAL;
    if (old.base != config.base)
        return overlaps(config, index) ? -kEEXIST : kvm_set_memslot(SlotChange::Move, index, config);
    const bool same = old.dirtyLog == config.dirtyLog && old.guestMemfd == config.guestMemfd;
    return same ? 0 : kvm_set_memslot(SlotChange::FlagsOnly, index, config);
}

// What was logged in an earlier time is in a bitmap of that time.
void Kvm::freshDirtyBitmap(const Memslot& s, bool allDirty) {
    for (u64 page = 0; kvm_use_dirty_bitmap() && page < s.pages; page += 64)
        machine_->set(dirtyWord(s, {s.base.v + page}), !allDirty ? 0 : s.pages - page >= 64 ? ~0ull : (1ull << (s.pages - page)) - 1);
}

// The slot's last page must be one that the host can address and that is no alias of another.
int Kvm::kvm_arch_prepare_memory_region(SlotChange change, const SlotConfig& config) const {
    if (change != SlotChange::Create && change != SlotChange::Move)
        return 0;
    const Gfn last{bare(config.base).v + config.pages - 1};
    return last.v >> (config_.maxPhysicalAddress - 12) != 0 || (last.v & config_.directBits()) != 0 ? -kEINVAL : 0;
}

int Kvm::kvm_set_memslot(SlotChange change, int index, const SlotConfig& config) {
    Call call(sim_, "kvm_set_memslot");
    const Place at = slots_ + u64(unsigned(index)) * kSlotWords;
    const Memslot old = change == SlotChange::Create ? Memslot{} : slot(index);
    if (change == SlotChange::Delete || change == SlotChange::Move)
        kvm_invalidate_memslot(index);
    if (const int r = kvm_arch_prepare_memory_region(change, config); r != 0) {
        if (change == SlotChange::Move) // kvm_activate_memslot(): the old one is back, what it mapped is gone
            kvm_swap_active_memslots([&] { setSlotFlag(index, kInvalid, false); });
        return r;
    }
    kvm_swap_active_memslots([&] {
        switch (change) {
        case SlotChange::Create: {
            const u64 logged = machine_->peek(vm(VmWord::NrDirtyLogging));
            putSlot(index, config);
            machine_->set(vm(VmWord::NrDirtyLogging), logged); // counted by the commit
            freshDirtyBitmap(slot(index), config.dirtyLog && initiallyAllDirty());
            if (config_.hasPrivateMem()) // kvm_mmu_init_memslot_memory_attributes()
                kvm_arch_post_set_memory_attributes({config.base, {config.base.v + config.pages}});
            break;
        }
        case SlotChange::Move:
            machine_->set(at + kSlotBase, config.base.v);
            setSlotFlag(index, kInvalid, false);
            if (config_.hasPrivateMem())
                kvm_arch_post_set_memory_attributes({config.base, {config.base.v + config.pages}});
            [[fallthrough]];
        case SlotChange::FlagsOnly:
            if (config.dirtyLog && !old.dirtyLog)
                freshDirtyBitmap(old, initiallyAllDirty());
            setSlotFlag(index, kDirty, config.dirtyLog);
            setSlotFlag(index, kGmem, config.guestMemfd);
            break;
        case SlotChange::Delete:
            // What the slot's pages held stays with the file and with user space's mapping until they go; what has left a TD is lost to it.
            if (config_.hasMirror())
                forgetWrites(old.range(), Alias::Private);
            machine_->set(at + kSlotUsed, 0);
            break;
        }
    });
    kvm_commit_memory_region(change, index, old);
    if (watch_ != nullptr && config.dirtyLog && !old.dirtyLog && change != SlotChange::Delete)
        watch_->logStarts(slot(index));
    return 0;
}

void Kvm::kvm_commit_memory_region(SlotChange change, int index, const Memslot& old) {
    const Memslot now = change == SlotChange::Delete ? Memslot{} : slot(index);
    const bool toggled = old.dirtyLog != now.dirtyLog;
    if (toggled) {
        sim_.step(Site::VmState);
        machine_->set(vm(VmWord::NrDirtyLogging), machine_->get(vm(VmWord::NrDirtyLogging)) + (now.dirtyLog ? 1 : u64(-1)));
    }
    Call call(sim_, "kvm_mmu_slot_apply_flags");
    if (toggled)
        kvm_mmu_update_cpu_dirty_logging(now.dirtyLog);
    if (change != SlotChange::FlagsOnly || now.readonly || !toggled)
        return;
    if (!now.dirtyLog) {
        kvm_mmu_recover_huge_pages(index);
        return;
    }
    if (initiallyAllDirty()) // all of it is dirty: what is cleared is protected then
        return;
    if (config_.eagerSplit)
        kvm_mmu_slot_try_split_huge_pages(now.range(), Level::k4K);
    if (cpuDirtyLog()) {
        sim_.readLock(LockId::MmuLock); // kvm_mmu_slot_leaf_clear_dirty()
        kvm_tdp_mmu_clear_dirty_slot(now.range());
        sim_.readUnlock(LockId::MmuLock);
    }
    sim_.readLock(LockId::MmuLock); // kvm_mmu_slot_remove_write_access()
    kvm_tdp_mmu_wrprot_slot(now.range(), cpuDirtyLog() ? Level::k2M : Level::k4K);
    sim_.readUnlock(LockId::MmuLock);
    protocol_->kvm_flush_remote_tlbs(*this); // whatever was found
}

bool Kvm::overlaps(const SlotConfig& config, int except) const {
    for (unsigned i = 0; i < slotCount(); ++i) {
        const Memslot s = slot(static_cast<int>(i));
        if (s.used && static_cast<int>(i) != except && config.base.v < s.base.v + s.pages && s.base.v < config.base.v + config.pages)
            return true;
    }
    return false;
}

int Kvm::deleteMemoryRegion(u32 id) {
    SlotConfig config;
    config.id = id;
    return kvm_set_memory_region(config);
}

// KVM_SET_USER_MEMORY_REGION2 of a slot as it is, but for this flag.
int Kvm::setDirtyLogging(u32 id, bool on) {
    Call call(sim_, "kvm_set_memory_region");
    sim_.writeLock(LockId::SlotsLock);
    const int index = slotById(id);
    int result = -kEINVAL;
    if (index >= 0) {
        const Memslot s = slot(index);
        SlotConfig config{s.id, s.base, s.pages, s.guestMemfd, s.readonly, on, s.backing};
        config.memory = s.memory;
        config.memoryOffset = s.memory ? (s.host - memoryBase_[*s.memory]) << 12 : 0;
        result = setMemoryRegion(config);
    }
    sim_.writeUnlock(LockId::SlotsLock);
    return result;
}

} // namespace mirrorscope
