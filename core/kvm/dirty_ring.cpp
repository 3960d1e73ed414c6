// SPDX-License-Identifier: GPL-3.0-or-later
// The dirty ring, and what KVM does with it (Linux v6.16 dirty_ring.c: kvm_dirty_ring_push(), kvm_dirty_ring_reset(),
// kvm_dirty_ring_check_request(); kvm_main.c: kvm_vm_ioctl_reset_dirty_pages()).
#include "kvm/dirty_ring.h"

#include "kvm/protocol.h"

#include <bit>

namespace mirrorscope {

void DirtyRing::push(Machine& machine, const Entry& entry) const {
    const u64 n = machine.get(index(kDirtyIndex));
    machine.set(at(n), encode(entry) | kDirty);
    machine.set(index(kDirtyIndex), n + 1);
}

std::optional<DirtyRing::Entry> DirtyRing::reset(Machine& machine) const {
    const u64 n = machine.get(index(kResetIndex));
    const u64 word = machine.get(at(n));
    if ((word & kReset) == 0)
        return std::nullopt;
    machine.set(at(n), 0);
    machine.set(index(kResetIndex), n + 1);
    return decode(word);
}

std::optional<DirtyRing::Entry> DirtyRing::collect(Machine& machine) const {
    const u64 n = machine.get(index(kUserIndex));
    const u64 word = machine.get(at(n));
    if ((word & (kDirty | kReset)) != kDirty)
        return std::nullopt;
    machine.set(at(n), (word & ~u64{kDirty}) | kReset);
    machine.set(index(kUserIndex), n + 1);
    return decode(word);
}

bool DirtyRing::holds(const Machine& machine, const Entry& entry) const {
    for (u64 i = machine.peek(index(kResetIndex)); i != machine.peek(index(kDirtyIndex)); ++i)
        if ((machine.peek(at(i)) & ~u64{kDirty | kReset}) == encode(entry))
            return true;
    return false;
}

void Kvm::kvm_dirty_ring_push(unsigned vcpu, const Memslot& s, Gfn gfn) {
    const DirtyRing& ring = rings_[vcpu];
    sim_.step(Site::DirtyRingPush);
    if (WARN_ON_ONCE(ring.isFull(*machine_), Assert::DirtyRingFull))
        return; // the kernel writes over the oldest entry
    ring.push(*machine_, {s.id, gfn.v - s.base.v});
    if (ring.isSoftFull(*machine_))
        machine_->setBits(vcpuWord(vcpu, VcpuWord::Requests), kReqDirtyRingSoftFull);
}

// The request stays until there is room: whoever enters the guest asks for it each time.
bool Kvm::kvm_dirty_ring_check_request(unsigned vcpu) {
    if (rings_.empty() || !kvm_check_request(vcpu, kReqDirtyRingSoftFull) || !rings_[vcpu].isSoftFull(*machine_))
        return false;
    machine_->setBits(vcpuWord(vcpu, VcpuWord::Requests), kReqDirtyRingSoftFull);
    return true;
}

bool Kvm::inDirtyRing(const Memslot& s, Gfn gfn) const {
    for (const DirtyRing& ring : rings_)
        if (ring.holds(*machine_, {s.id, gfn.v - s.base.v}))
            return true;
    return false;
}

u64 Kvm::collectDirtyRing(unsigned vcpu, std::optional<Gfn> asked, u64& bitmap) {
    u64 pages = 0;
    if (rings_.empty())
        return 0;
    for (;; ++pages) {
        sim_.step(Site::DirtyRingCollect);
        const auto entry = rings_[vcpu].collect(*machine_);
        if (!entry)
            return pages;
        const int index = slotById(entry->slot);
        if (asked && index >= 0 && slot(index).contains(*asked) && (asked->v - slot(index).base.v) / 64 == entry->offset / 64)
            bitmap |= 1ull << entry->offset % 64;
    }
}

void Kvm::kvm_reset_dirty_gfn(u32 id, u64 offset, u64 mask) {
    if (mask == 0)
        return;
    const int index = slotById(id);
    if (index < 0)
        return;
    const Memslot s = slot(index);
    if (offset + 63 - static_cast<unsigned>(std::countl_zero(mask)) >= s.pages)
        return;
    sim_.writeLock(LockId::MmuLock);
    kvm_arch_mmu_enable_log_dirty_pt_masked(s, {s.base.v + offset}, mask);
    sim_.writeUnlock(LockId::MmuLock);
    if (watch_ != nullptr)
        for (u64 rest = mask; rest != 0; rest &= rest - 1) {
            const u64 page = offset + static_cast<unsigned>(std::countr_zero(rest));
            watch_->logTaken(dirtyWord(s, {s.base.v + page}), 1ull << page % 64);
        }
}

// Pages of one slot that lie near each other are protected together.
u64 Kvm::kvm_dirty_ring_reset(unsigned vcpu) {
    Call call(sim_, "kvm_dirty_ring_reset");
    u64 count = 0, mask = 0;
    DirtyRing::Entry first;
    for (;; ++count) {
        sim_.step(Site::DirtyRingReset);
        const auto next = rings_[vcpu].reset(*machine_);
        if (!next)
            break;
        if (mask != 0 && next->slot == first.slot) {
            const u64 after = next->offset - first.offset, before = first.offset - next->offset;
            if (after < 64) {
                mask |= 1ull << after;
                continue;
            }
            if (before < 64 && mask << before >> before == mask) {
                first.offset = next->offset;
                mask = mask << before | 1;
                continue;
            }
        }
        kvm_reset_dirty_gfn(first.slot, first.offset, mask);
        first = *next;
        mask = 1;
    }
    kvm_reset_dirty_gfn(first.slot, first.offset, mask);
    return count;
}

Outcome Kvm::kvm_vm_ioctl_reset_dirty_pages() {
    Call call(sim_, "kvm_vm_ioctl_reset_dirty_pages");
    if (rings_.empty())
        return failedWith(kEINVAL);
    sim_.writeLock(LockId::SlotsLock);
    forEachLoggedSlot([&](const Memslot& s) { watch_->logRead(s, 0, s.pages); });
    u64 cleared = 0;
    for (unsigned v = 0; v < config_.vcpus; ++v)
        cleared += kvm_dirty_ring_reset(v);
    sim_.writeUnlock(LockId::SlotsLock);
    if (cleared != 0)
        protocol_->kvm_flush_remote_tlbs(*this);
    forEachLoggedSlot([&](const Memslot& s) { watch_->logWasRead(s, 0, s.pages); });
    return {Outcome::Kind::Ok, 0, cleared};
}

// For those who watch.
template <class F>
void Kvm::forEachLoggedSlot(F&& f) const {
    for (unsigned i = 0; watch_ != nullptr && i < slotCount(); ++i)
        if (const Memslot s = peekSlot(static_cast<int>(i)); s.used && s.dirtyLog)
            f(s);
}

} // namespace mirrorscope
