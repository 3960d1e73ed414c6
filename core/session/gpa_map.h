// SPDX-License-Identifier: GPL-3.0-or-later
// The guest's address space in as many parts as a picture has columns, each with how many pages are in which state. It costs the
// parts that are asked for, not the entries that exist: what a last-level table holds is counted once and again when it changed.
#pragma once

#include "session/session.h"

#include <chrono>
#include <unordered_map>
#include <vector>

namespace mirrorscope {

// States as the map counts them: indexes into stateStyles(), so that the map has the colours of the trees.
inline constexpr unsigned kMapStates = 12;

struct MapBucket {
    std::array<u32, kMapStates> pages{}; // 4K pages of the range by state of their entry; of those without a table none are counted
    bool changed = false;                // an entry of it, by the micro-step before the position
    bool zapped = false;                 // within the last micro-steps
    bool violation = false;
};

struct MapStrip {
    std::vector<MapBucket> buckets;
    bool complete = true; // else time ran out: the rest is there when it is asked for again
};

// What a part of the address space belongs to.
struct MapMemory {
    bool slot = false, hole = false;        // some of it is in a memslot, some is in none
    bool isPrivate = false, shared = false; // some pages' attribute
};

class GpaMap {
public:
    explicit GpaMap(Session& session);
    ~GpaMap();
    GpaMap(const GpaMap&) = delete;
    GpaMap& operator=(const GpaMap&) = delete;

    // The gfns from 0 that the picture of the whole shows: up to the end of the last slot, a power of two.
    u64 size() const;
    MapStrip strip(Column column, Gfn first, u64 pages, unsigned buckets, std::chrono::steady_clock::time_point until) const;
    // The RMP's view of the same: validated pages count as private leaves, assigned ones as pending. Of wide parts every so many-th page.
    MapStrip rmp(Gfn first, u64 pages, unsigned buckets) const;
    std::vector<MapMemory> memory(Gfn first, u64 pages, unsigned buckets) const;

private:
    struct Summary {
        std::array<u16, kMapStates> entries{};
        bool known = false;
    };
    struct Picture {
        Column column;
        u64 first, pages;
        MapStrip& strip;
        std::chrono::steady_clock::time_point until;
        unsigned counted = 0;
    };
    const Summary& summary(Pfn table, Column column) const;
    void visit(Picture& picture, Pfn table, Level level, u64 base) const;
    void add(Picture& picture, u64 gfn, u64 pages, unsigned state) const;
    unsigned stateOf(Column column, u64 raw, Level level) const;

    Session& session_;
    mutable std::vector<u8> touched_; // frames that changed since they were counted
    mutable std::unordered_map<u64, Summary> summaries_;
};

} // namespace mirrorscope
