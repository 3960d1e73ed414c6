// SPDX-License-Identifier: GPL-3.0-or-later
// Memslots: which there are, and KVM_SET_USER_MEMORY_REGION2 (Linux v6.16 virt/kvm/kvm_main.c: kvm_set_memory_region(),
// kvm_set_memslot(); arch/x86/kvm/x86.c: kvm_mmu_slot_apply_flags(); mmu.c: kvm_arch_flush_shadow_memslot()).
#include "kvm/kvm.h"

#include <algorithm>

namespace mirrorscope {

namespace {
// Names of their own: a member of Kvm would hide them.
enum SlotWord { kSlotUsed, kSlotBase, kSlotPages, kSlotOffset, kSlotFlags };
constexpr u64 kGmem = 1, kReadonly = 2, kDirty = 4, kInvalid = 8;
constexpr unsigned kBackingShift = 8;
u64 flagsOf(const SlotConfig& slot) {
    return (slot.guestMemfd ? kGmem : 0) | (slot.readonly ? kReadonly : 0) | (slot.dirtyLog ? kDirty : 0) |
           u64{number(slot.backing)} << kBackingShift;
}
} // namespace

void Kvm::attachSlots() {
    for (const auto& config : config_.slots)
        putSlot(static_cast<int>(machine_->peek(vm(VmWord::SlotCount))), config);
    machine_->set(vm(VmWord::SlotsGeneration), 2 * config_.slots.size());
}

void Kvm::putSlot(int index, const SlotConfig& config) {
    const Place at = slots_ + u64(unsigned(index)) * kSlotWords;
    machine_->set(at + kSlotUsed, config.id + 1);
    machine_->set(at + kSlotBase, config.base.v);
    machine_->set(at + kSlotPages, config.pages);
    machine_->set(at + kSlotOffset, machine_->peek(vm(VmWord::PagesUsed)));
    machine_->set(at + kSlotFlags, flagsOf(config));
    machine_->set(vm(VmWord::PagesUsed), machine_->peek(vm(VmWord::PagesUsed)) + config.pages);
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
    slot.offset = read(at + kSlotOffset);
    const u64 flags = read(at + kSlotFlags);
    slot.guestMemfd = (flags & kGmem) != 0;
    slot.readonly = (flags & kReadonly) != 0;
    slot.dirtyLog = (flags & kDirty) != 0;
    slot.invalid = (flags & kInvalid) != 0;
    slot.backing = levelOf(static_cast<unsigned>(flags >> kBackingShift & 7));
    return slot;
}

Memslot Kvm::slot(int index) const { return readSlot<true>(index); }
Memslot Kvm::peekSlot(int index) const { return readSlot<false>(index); }

int Kvm::slotOf(Gfn gfn) const {
    for (unsigned i = 0; i < slotCount(); ++i) {
        const Place at = slots_ + u64{i} * kSlotWords;
        if (machine_->get(at + kSlotUsed) == 0)
            continue;
        const u64 base = machine_->get(at + kSlotBase);
        if (gfn.v >= base && gfn.v < base + machine_->get(at + kSlotPages))
            return static_cast<int>(i);
    }
    return -1;
}

std::optional<Gfn> Kvm::gfnOfGuestMemory(Pfn pfn) const {
    const u64 info = frames_.peekInfo(pfn);
    for (unsigned i = 0; i < slotCount(); ++i) {
        const Memslot s = peekSlot(static_cast<int>(i));
        if (s.used && info >= s.offset && info < s.offset + s.pages)
            return Gfn{s.base.v + info - s.offset};
    }
    return std::nullopt;
}

int Kvm::slotById(u32 id) const {
    for (unsigned i = 0; i < slotCount(); ++i)
        if (machine_->get(slots_ + u64{i} * kSlotWords + kSlotUsed) == u64{id} + 1)
            return static_cast<int>(i);
    return -1;
}

// kvm_swap_active_memslots(): the new set is published, and nobody who may have seen the old one is left inside.
void Kvm::swapActiveMemslots() {
    Call call(sim_, "kvm_swap_active_memslots");
    // An MMIO entry made meanwhile, for somebody who saw the old set, has the old number and is never taken for a current one.
    const Place generation = vm(VmWord::SlotsGeneration);
    machine_->set(generation, machine_->get(generation) | kSlotsUpdateInProgress);
    sim_.synchronizeSrcu();
    machine_->set(generation, (machine_->get(generation) & ~kSlotsUpdateInProgress) + 2);
}

void Kvm::setSlotFlag(int index, u64 flag, bool on) {
    const Place flags = slots_ + u64(unsigned(index)) * kSlotWords + kSlotFlags;
    machine_->set(flags, on ? machine_->get(flags) | flag : machine_->get(flags) & ~flag);
}

// kvm_invalidate_memslot(): faults that meet the slot from here on try again; then what it mapped is zapped.
void Kvm::kvm_invalidate_memslot(int index) {
    Call call(sim_, "kvm_invalidate_memslot");
    sim_.step(Site::SlotSet);
    setSlotFlag(index, kInvalid, true);
    swapActiveMemslots();
    Call flush(sim_, "kvm_arch_flush_shadow_memslot");
    if (config_.vm == VmType::Default)
        kvm_mmu_zap_all_fast();
    else
        kvm_mmu_zap_memslot(index);
}

// Everything but ordinary VMs: only what the slot maps (v6.12: KVM_X86_QUIRK_SLOT_ZAP_ALL does not apply).
void Kvm::kvm_mmu_zap_memslot(int index) {
    Call call(sim_, "kvm_mmu_zap_memslot");
    const Memslot s = slot(index);
    sim_.writeLock(LockId::MmuLock);
    if (kvm_unmap_gfn_range({s.base, {s.base.v + s.pages}}, KVM_FILTER_PRIVATE | KVM_FILTER_SHARED))
        kvm_flush_remote_tlbs();
    sim_.writeUnlock(LockId::MmuLock);
}

int Kvm::kvm_set_memory_region(const SlotConfig& config) {
    Call call(sim_, "kvm_set_memory_region");
    const bool refused = (config.guestMemfd && (!config_.hasPrivateMem() || config.dirtyLog || config.readonly)) ||
                         (config.readonly && (config_.vm == VmType::Tdx || config_.vm == VmType::Snp));
    if (refused)
        return -kEINVAL;
    sim_.writeLock(LockId::SlotsLock);
    const int result = [&] {
        const int index = slotById(config.id);
        if (index >= 0) {
            const Memslot old = slot(index);
            if (old.guestMemfd || config.guestMemfd || old.pages != config.pages || old.readonly != config.readonly)
                return -kEINVAL;
            if (old.base == config.base)
                return old.dirtyLog == config.dirtyLog ? 0 : setDirtyLogging(index, config.dirtyLog);
            if (overlaps(config, index))
                return -kEEXIST;
            kvm_invalidate_memslot(index); // a move
            sim_.step(Site::SlotSet);
            machine_->set(slots_ + u64(unsigned(index)) * kSlotWords + kSlotBase, config.base.v);
            setSlotFlag(index, kInvalid, false);
            swapActiveMemslots();
            return 0;
        }
        if (overlaps(config, -1))
            return -kEEXIST;
        unsigned free = 0;
        while (free < kMaxSlots && machine_->get(slots_ + u64{free} * kSlotWords + kSlotUsed) != 0)
            ++free;
        if (free == kMaxSlots || machine_->get(vm(VmWord::PagesUsed)) + config.pages > slotPages_)
            return -kEINVAL;
        sim_.step(Site::SlotSet);
        putSlot(static_cast<int>(free), config);
        if (config_.hasPrivateMem()) // kvm_mmu_init_memslot_memory_attributes()
            updateMixed({config.base, {config.base.v + config.pages}});
        swapActiveMemslots();
        return 0;
    }();
    sim_.writeUnlock(LockId::SlotsLock);
    return result;
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
    Call call(sim_, "kvm_set_memory_region");
    sim_.writeLock(LockId::SlotsLock);
    const int index = slotById(id);
    if (index >= 0) {
        kvm_invalidate_memslot(index);
        sim_.step(Site::SlotSet);
        // What the slot's pages held stays with the file and with user space's mapping until they go.
        machine_->set(slots_ + u64(unsigned(index)) * kSlotWords + kSlotUsed, 0);
        swapActiveMemslots();
    }
    sim_.writeUnlock(LockId::SlotsLock);
    return index >= 0 ? 0 : -kEINVAL;
}

int Kvm::setDirtyLogging(u32 id, bool on) {
    Call call(sim_, "kvm_set_memory_region");
    sim_.writeLock(LockId::SlotsLock);
    const int index = slotById(id);
    const int result = index < 0 || slot(index).guestMemfd ? -kEINVAL : setDirtyLogging(index, on);
    sim_.writeUnlock(LockId::SlotsLock);
    return result;
}

// Only the flag changes: the new set is active at once, then kvm_mmu_slot_apply_flags().
int Kvm::setDirtyLogging(int index, bool on) {
    if (slot(index).dirtyLog == on)
        return 0;
    sim_.step(Site::SlotSet);
    setSlotFlag(index, kDirty, on);
    swapActiveMemslots();
    Call call(sim_, "kvm_mmu_slot_apply_flags");
    const Memslot s = slot(index);
    if (!on) {
        if (!s.readonly)
            kvm_mmu_recover_huge_pages(index);
        return 0;
    }
    if (s.readonly)
        return 0;
    const GfnRange range{s.base, {s.base.v + s.pages}};
    if (config_.eagerSplit)
        if (const int r = kvm_mmu_slot_try_split_huge_pages(range, Level::k4K); r != 0)
            return r;
    sim_.readLock(LockId::MmuLock);
    if (cpuDirtyLog()) {
        kvm_tdp_mmu_clear_dirty_slot(range);
        kvm_tdp_mmu_wrprot_slot(range, Level::k2M);
    } else {
        kvm_tdp_mmu_wrprot_slot(range, Level::k4K);
    }
    sim_.readUnlock(LockId::MmuLock);
    kvm_flush_remote_tlbs(); // whatever was found
    return 0;
}

} // namespace mirrorscope
