// SPDX-License-Identifier: GPL-3.0-or-later
// A vCPU's TLB: caches what the EPT walker found and keeps it until it is flushed.
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
    void flush();
    // Every translation to that frame goes, the others stay.
    void drop(Pfn pfn);
    // Every translation of that range goes, of whichever alias.
    void drop(const GfnRange& range);
    u64 size() const { return machine_->peek(count_); }
    // The i-th cached translation, in the order of filling.
    TlbEntry at(u64 i) const;
    bool owns(Place place) const { return place >= slots_ && place.v < slots_.v + capacity_ * 2; }
    // Decodes the two words of a slot; `tag` 0 means an empty one.
    static TlbEntry decode(u64 tag, u64 value);
    Place tagPlace(Place place) const { return {slots_.v + ((place.v - slots_.v) & ~1u)}; }

private:
    template <class Goes>
    void dropIf(Goes&& goes);
    std::optional<TlbEntry> find(Gfn gfn, Alias alias, bool observed) const;
    u64 read(Place place, bool observed) const { return observed ? machine_->get(place) : machine_->peek(place); }

    Machine* machine_ = nullptr;
    Frames* frames_ = nullptr;
    unsigned vcpu_;
    u64 capacity_; // slots, a power of two
    Place slots_;  // tag and value
    Place count_;
    Place order_; // the used slots in the order of filling
};

} // namespace mirrorscope
