// SPDX-License-Identifier: GPL-3.0-or-later
// A vCPU's TLB and its paging-structure caches: what the EPT walker found, kept until it is flushed (Intel SDM 29.4.2: guest-physical
// mappings).
#pragma once

#include "machine/ept.h"
#include "machine/frames.h"

#include <optional>

namespace mirrorscope {

struct TlbEntry {
    Gfn gfn;
    Alias alias = Alias::Private;
    Level level = Level::k4K;
    Pfn pfn;
    u64 rwx = 0;
    bool dirty = false; // the D bit of the entry is set, a write needs no walk
};

// An entry on the way of a walk, remembered: from where the next walk through it goes on.
struct UpperEntry {
    Gfn gfn; // the first of what the entry covers
    Alias alias = Alias::Private;
    Level level = Level::k2M; // of the entry, above 4K
    Pfn table;                // where it leads
    u64 rwx = 0;              // of all entries down to this one
};

class Tlb {
public:
    // Room for `pages` translations, at most 256 K.
    Tlb(unsigned vcpu, u64 pages, Regions& regions);
    void layOutIndexes(Regions& indexes);
    void attach(Machine& machine, Frames& frames) {
        machine_ = &machine;
        frames_ = &frames;
    }

    std::optional<TlbEntry> lookup(Gfn gfn, Alias alias) const { return find(gfn, alias, true); }
    std::optional<TlbEntry> peek(Gfn gfn, Alias alias) const { return find(gfn, alias, false); }
    void insert(const TlbEntry& entry);
    // Upper entries are kept, too: for each level the last few (kUppers), as a direct-mapped cache does.
    std::optional<UpperEntry> upper(Gfn gfn, Alias alias, Level level) const;
    void insert(const UpperEntry& entry);
    void flush();
    // Every translation to that frame goes, the others stay.
    void drop(Pfn pfn);
    // Everything of that range goes, of whichever alias.
    void drop(const GfnRange& range);
    // Everything that serves to translate that page goes, as an EPT violation there makes it (SDM 29.4.3.1).
    void forget(Gfn gfn, Alias alias);
    u64 size() const { return machine_->peek(count_); }
    bool empty() const { return size() == 0 && machine_->peek(upperCount_) == 0; }
    // Each upper entry, in a fixed order. They are not counted by size().
    template <class F>
    void forEachUpper(F&& f) const {
        if (machine_->peek(upperCount_) != 0)
            for (unsigned i = 0; i < kUpperSlots; ++i)
                if (const u64 tag = machine_->peek(uppers_ + 2 * i); tag != 0)
                    f(decodeUpper(tag, machine_->peek(uppers_ + (2 * i + 1))));
    }
    bool ownsUpper(Place place) const { return place >= uppers_ && place.v < uppers_.v + 2 * kUpperSlots; }
    // The entry in whose slot that word is; `table` 0 where there is none.
    UpperEntry upperAt(Place place) const;
    // The i-th cached translation, in the order of filling.
    TlbEntry at(u64 i) const;
    bool owns(Place place) const { return place >= slots_ && place.v < slots_.v + capacity_ * 2; }
    // Decodes the two words of a slot; `tag` 0 means an empty one.
    static TlbEntry decode(u64 tag, u64 value);
    Place tagPlace(Place place) const { return {slots_.v + ((place.v - slots_.v) & ~u64{1})}; }

private:
    static constexpr unsigned kUppers = 16, kUpperLevels = 4, kUpperSlots = kUppers * kUpperLevels;
    static UpperEntry decodeUpper(u64 tag, u64 value);
    static u64 upperTag(Gfn gfn, Alias alias, Level level);
    Place upperSlot(Gfn gfn, Level level) const;
    void dropUpper(Place slot);
    // An entry for that frame is about to come: it may be the second.
    void noteCached(Pfn pfn);
    void flushLeaves();
    template <class Goes>
    void dropIf(Goes&& goes);
    std::optional<TlbEntry> find(Gfn gfn, Alias alias, bool observed) const;
    u64 read(Place place, bool observed) const { return observed ? machine_->get(place) : machine_->peek(place); }

    Machine* machine_ = nullptr;
    Frames* frames_ = nullptr;
    unsigned vcpu_;
    u64 capacity_; // slots, a power of two
    Place slots_;  // tag and value
    Place uppers_; // tag and value
    Place upperCount_;
    Place count_;
    Place order_; // the used slots in the order of filling
    Place twice_; // since the last flush a frame may have had two entries at a time: 1 (of no state, it only spares a search)
};

} // namespace mirrorscope
