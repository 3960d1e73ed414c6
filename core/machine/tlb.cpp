// SPDX-License-Identifier: GPL-3.0-or-later
#include "machine/tlb.h"

#include <algorithm>
#include <bit>
#include <vector>

namespace mirrorscope {

namespace {
// Neighbouring pages get neighbouring slots, so that a sequential sweep stays in the host's cache.
u64 tagOf(Gfn gfn, Alias alias) { return (gfn.v << 1 | (alias == Alias::Shared)) + 1; }
} // namespace

// No CPU has room for a gigabyte of 4K pages; where it is full it begins anew.
Tlb::Tlb(unsigned vcpu, u64 pages, Regions& regions) : vcpu_(vcpu), capacity_(std::bit_ceil(std::min<u64>(pages, 1 << 18) * 2 + 64)) {
    slots_ = regions.take(capacity_ * 2, "tlb");
    uppers_ = regions.take(2 * kUpperSlots, "tlb");
    upperCount_ = regions.take(1, "tlb");
}

void Tlb::layOutIndexes(Regions& indexes) {
    count_ = indexes.take(1, "tlb-index");
    order_ = indexes.take(capacity_, "tlb-index");
    twice_ = indexes.take(1, "tlb-index");
}

TlbEntry Tlb::decode(u64 tag, u64 value) {
    TlbEntry entry;
    entry.gfn = {(tag - 1) >> 1};
    entry.alias = ((tag - 1) & 1) != 0 ? Alias::Shared : Alias::Private;
    entry.level = levelOf(value >> 4 & 7);
    entry.pfn = {value >> 12};
    entry.rwx = value & 7;
    entry.dirty = (value & 8) != 0;
    return entry;
}

std::optional<TlbEntry> Tlb::find(Gfn gfn, Alias alias, bool observed) const {
    const u64 tag = tagOf(gfn, alias);
    for (u64 i = tag & (capacity_ - 1);; i = (i + 1) & (capacity_ - 1)) {
        const u64 found = read(slots_ + i * 2, observed);
        if (found == 0)
            return std::nullopt;
        if (found == tag)
            return decode(tag, read(slots_ + i * 2 + 1, observed));
    }
}

void Tlb::insert(const TlbEntry& entry) {
    const u64 tag = tagOf(entry.gfn, entry.alias);
    const u64 value = entry.pfn.v << 12 | u64(number(entry.level)) << 4 | u64(entry.dirty) << 3 | entry.rwx;
    u64 i = tag & (capacity_ - 1);
    while (true) {
        const u64 found = machine_->peek(slots_ + i * 2);
        if (found == tag) {
            if (machine_->look(slots_ + i * 2 + 1) >> 12 != entry.pfn.v)
                noteCached(entry.pfn);
            break;
        }
        if (found == 0) {
            if (size() + 2 >= capacity_) {
                flushLeaves(); // full: a CPU may evict at any time
                return insert(entry);
            }
            const u64 count = size();
            machine_->set(order_ + count, i);
            machine_->set(count_, count + 1);
            noteCached(entry.pfn);
            break;
        }
        i = (i + 1) & (capacity_ - 1);
    }
    machine_->set(slots_ + i * 2, tag);
    machine_->set(slots_ + i * 2 + 1, value);
    frames_->setCached(entry.pfn, vcpu_, true);
}

// Aligned gfns leave the low bits to the level.
u64 Tlb::upperTag(Gfn gfn, Alias alias, Level level) { return tagOf({roundDown(gfn, level).v | number(level)}, alias); }

Place Tlb::upperSlot(Gfn gfn, Level level) const {
    const u64 i = gfn.v / pagesPer(level) % kUppers + (number(level) - 2) * kUppers;
    return uppers_ + 2 * i;
}

UpperEntry Tlb::decodeUpper(u64 tag, u64 value) {
    if (tag == 0)
        return {};
    UpperEntry entry;
    entry.level = levelOf((tag - 1) >> 1 & 511);
    entry.gfn = {(tag - 1) >> 1 & ~u64{511}};
    entry.alias = ((tag - 1) & 1) != 0 ? Alias::Shared : Alias::Private;
    entry.table = {value >> 12};
    entry.rwx = value & 7;
    return entry;
}

UpperEntry Tlb::upperAt(Place place) const {
    const Place slot{uppers_.v + ((place.v - uppers_.v) & ~1u)};
    return decodeUpper(machine_->peek(slot), machine_->peek(slot + 1));
}

std::optional<UpperEntry> Tlb::upper(Gfn gfn, Alias alias, Level level) const {
    const Place slot = upperSlot(gfn, level);
    const u64 tag = upperTag(gfn, alias, level);
    if (machine_->get(slot) != tag)
        return std::nullopt;
    return decodeUpper(tag, machine_->get(slot + 1));
}

void Tlb::insert(const UpperEntry& entry) {
    const Place slot = upperSlot(entry.gfn, entry.level);
    dropUpper(slot);
    machine_->set(slot, upperTag(entry.gfn, entry.alias, entry.level));
    machine_->set(slot + 1, entry.table.v << 12 | entry.rwx);
    machine_->add(upperCount_, 1);
    noteCached(entry.table);
    frames_->setCached(entry.table, vcpu_, true);
}

void Tlb::noteCached(Pfn pfn) {
    if (frames_->looksCached(pfn, vcpu_))
        machine_->set(twice_, 1);
}

// A stale entry may lead to a table that has moved: the frame's bit stays until the last of them is gone. Whoever changes a slot changes
// the count, so that no more than that has to be noted as read.
void Tlb::dropUpper(Place slot) {
    if (machine_->peek(slot) == 0)
        return;
    const u64 table = machine_->peek(slot + 1) >> 12;
    machine_->set(slot, 0);
    machine_->set(slot + 1, 0);
    machine_->add(upperCount_, u64(-1));
    bool stays = false;
    u64 others = machine_->look(twice_) != 0 ? machine_->look(upperCount_) : 0;
    for (unsigned i = 0; i < kUpperSlots && others != 0 && !stays; ++i) {
        const u64 value = machine_->look(uppers_ + (2 * i + 1));
        others -= value != 0;
        stays = value >> 12 == table;
    }
    if (!stays)
        frames_->setCached({table}, vcpu_, false);
}

void Tlb::forget(Gfn gfn, Alias alias) {
    if (peek(gfn, alias))
        dropIf([&](const TlbEntry& entry) { return entry.gfn == gfn && entry.alias == alias; });
    for (unsigned n = 2; n < 2 + kUpperLevels; ++n)
        if (const Place slot = upperSlot(gfn, levelOf(n)); machine_->peek(slot) == upperTag(gfn, alias, levelOf(n)))
            dropUpper(slot);
}

TlbEntry Tlb::at(u64 i) const {
    const u64 slot = machine_->peek(order_ + i);
    return decode(machine_->peek(slots_ + slot * 2), machine_->peek(slots_ + slot * 2 + 1));
}

template <class Goes>
void Tlb::dropIf(Goes&& goes) {
    std::vector<TlbEntry> others;
    for (u64 i = 0; i < size(); ++i)
        if (const TlbEntry entry = at(i); !goes(entry))
            others.push_back(entry);
    flushLeaves();
    for (const TlbEntry& entry : others)
        insert(entry);
}

void Tlb::drop(Pfn pfn) {
    if (frames_->isCached(pfn, vcpu_))
        dropIf([&](const TlbEntry& entry) { return entry.pfn == pfn; });
}

void Tlb::drop(const GfnRange& range) {
    dropIf([&](const TlbEntry& entry) { return entry.gfn >= range.start && entry.gfn < range.end; });
    for (unsigned i = 0; i < kUpperSlots; ++i)
        if (const UpperEntry entry = upperAt(uppers_ + 2 * i);
            entry.table.v != 0 && entry.gfn < range.end && entry.gfn.v + pagesPer(entry.level) > range.start.v)
            dropUpper(uppers_ + 2 * i);
}

void Tlb::flush() {
    flushLeaves();
    machine_->set(twice_, 0);
    if (machine_->peek(upperCount_) == 0)
        return;
    for (unsigned i = 0; i < kUpperSlots; ++i) {
        const Place slot = uppers_ + 2 * i;
        if (machine_->look(slot) == 0)
            continue;
        frames_->setCached({machine_->look(slot + 1) >> 12}, vcpu_, false);
        machine_->set(slot, 0);
        machine_->set(slot + 1, 0);
    }
    machine_->set(upperCount_, 0);
}

void Tlb::flushLeaves() {
    const u64 count = size();
    for (u64 i = 0; i < count; ++i) {
        const u64 slot = machine_->peek(order_ + i);
        const TlbEntry entry = decode(1, machine_->peek(slots_ + slot * 2 + 1));
        frames_->setCached(entry.pfn, vcpu_, false);
        machine_->set(slots_ + slot * 2, 0);
        machine_->set(slots_ + slot * 2 + 1, 0);
        machine_->set(order_ + i, 0);
    }
    machine_->set(count_, 0);
}

} // namespace mirrorscope
