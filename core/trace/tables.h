// SPDX-License-Identifier: GPL-3.0-or-later
// The tables of a recorded kernel as far as its trace tells: which there are, where they hang, what their entries are known to be.
#pragma once

#include "kvm/spte.h"
#include "trace/event.h"

#include <bitset>
#include <memory>
#include <unordered_map>

namespace mirrorscope {

// The frame that an entry names. Bits above 46 are no part of it: a C-bit of the host (47 or 51), or nothing that a machine has.
constexpr u64 framePart(u64 spte) { return (spte & ((1ull << 47) - 1)) >> 12; }

// A page of KVM's tables.
struct TraceTable {
    static constexpr u64 kNoPfn = ~u64{0};
    static constexpr u32 kNone = ~u32{0};
    u32 id = 0;
    u32 root = 0; // of TraceTables
    Level level = Level::k4K;
    u64 base = 0;         // the gfn of its first entry
    u64 pfn = kNoPfn;     // its frame, once a line told it
    u32 parent = kNone;   // the table in which its entry is
    u16 index = 0;        // and which one
    bool removed = false; // it is being taken apart
    bool vague = false;   // it may as well be of another root
    u32 line = 0;         // where it was linked
    std::array<u64, 512> words{};
    std::bitset<512> derived;     // a part of a huge page that was split: no line told it
    std::array<u32, 512> lines{}; // the line that told the word
    u32 told = 0;                 // changes of its entries
    int present = 0;              // of those that lines told, what is there now
    // Is the word what the entry held last?
    bool knows(unsigned i) const { return epoch_ == *now_ && known_[i]; }
    void know(unsigned i) {
        renew();
        known_.set(i);
    }
    void forget(unsigned i) { known_.reset(i); }
    void knowAll(bool all) {
        epoch_ = *now_;
        all ? known_.set() : known_.reset();
    }
    u64 gfnOf(unsigned i) const { return base + i * pagesPer(level); }
    unsigned indexOf(u64 gfn) const { return static_cast<unsigned>((gfn - base) / pagesPer(level)); }
    // The line that told what the entry holds, if one did.
    std::vector<u32> toldAt(unsigned i) const { return lines[i] != 0 ? std::vector<u32>{lines[i]} : std::vector<u32>{}; }
    bool contains(u64 gfn) const { return gfn >= base && gfn - base < 512 * pagesPer(level); }
    explicit TraceTable(const u32& now) : now_(&now), epoch_(now) {}

private:
    void renew() {
        if (epoch_ != *now_)
            knowAll(false);
    }
    const u32* now_; // how often events were lost, by now
    u32 epoch_;      // and when something was known of its entries last
    std::bitset<512> known_;
};

struct TraceRoot {
    u32 id = 0;
    u32 table = 0;
    unsigned levels = 4;
    std::optional<u8> asId;    // not known before the first change of an entry below it
    bool mirror = false;       // of a TD's private memory
    u64 alias = 0;             // of a TD's shared memory: the bit that its gfns have in the tables, and mostly not in the lines
    bool invalid = false;      // kvm_mmu_zap_all_fast()
    bool maybeInvalid = false; // there was one, perhaps of another VM
    bool vague = false;        // lines may be of it that were taken for another root's
    std::optional<u64> adKind; // of its leaves: which kind of A and D they have (SPTE_TDP_AD_MASK)
    bool retired = false;      // its VM is gone, or nothing of it is left
    bool inherited = false;    // it was there before the recording began
    u32 line = 0;
    // Where the gfn of a line is in its tables (kvm_gfn_direct_bits()).
    u64 placed(u64 gfn) const { return gfn | alias; }
};

class TraceTables {
public:
    TraceTables() = default;
    TraceTables(const TraceTables&) = delete; // its tables point back to it
    TraceTables& operator=(const TraceTables&) = delete;

    // What an entry that leads to a table of unknown frame holds: none that a machine has, and which table it is.
    static constexpr u64 kUnknownFrame = 0x7'ffe0'0000;
    // The frame of a table by the lines; a number of its own where they do not tell.
    static u64 frameOf(const TraceTable& table) {
        return table.pfn != TraceTable::kNoPfn ? table.pfn : kUnknownFrame + (table.id & 0xfffff);
    }

    // 512 GiB in small pages, of some 6 KB each; more at once is refused by std::length_error.
    static constexpr std::size_t kMostTables = (1 << 18) + (1 << 13);

    u32 addRoot(unsigned levels, u64 nonpresent);
    TraceRoot& root(u32 id) { return roots_[id]; }
    const TraceRoot& root(u32 id) const { return roots_[id]; }
    // Those that are not retired, the oldest first.
    const std::vector<u32>& roots() const { return liveRoots_; }
    void retire(u32 root);

    // A new table below an entry; it is in the index from then on.
    TraceTable& addTable(u32 root, Level level, u64 base, u64 nonpresent);
    TraceTable& table(u32 id) { return *tables_[id]; }
    const TraceTable& table(u32 id) const { return *tables_[id]; }
    // Where the gfn of a line is, if the line is of that table.
    u64 placedIn(const TraceTable& table, u64 gfn) const { return roots_[table.root].placed(gfn); }
    // Null where there is none, or it is gone.
    TraceTable* parentOf(const TraceTable& table) { return table.parent < tables_.size() ? tables_[table.parent].get() : nullptr; }
    // The table of that root whose entry of that level translates the gfn, as it is placed in it; null if there is none.
    TraceTable* find(u32 root, Level level, u64 gfn);
    TraceTable* findByPfn(u64 pfn);
    void setPfn(TraceTable& table, u64 pfn);
    // Another one is in its frame now.
    void forgetPfn(TraceTable& table);
    // It is taken apart: it is found no more, except by its id.
    void unlink(TraceTable& table);
    void drop(u32 id);
    // Whatever was done meanwhile: of no entry it is known any more what it holds.
    void forgetAll() { ++losses_; }
    // Of those that are linked.
    std::size_t count() const { return live_; }
    template <class F>
    void forEach(F&& f) const {
        for (const auto& t : tables_)
            if (t != nullptr)
                f(*t);
    }

private:
    static u64 key(u32 root, Level level, u64 gfn) {
        const unsigned shift = 9 * number(level); // what a table of that level covers
        return u64{root} << 34 | u64{number(level)} << 31 | (gfn >> shift & ((1ull << 31) - 1));
    }
    std::vector<TraceRoot> roots_; // by id
    std::vector<u32> liveRoots_;
    std::vector<std::unique_ptr<TraceTable>> tables_; // by id; an id is not used again
    std::unordered_map<u64, u32> byPlace_, byPfn_;
    u64 lastKey_ = ~u64{0}; // looked up last
    TraceTable* last_ = nullptr;
    std::size_t live_ = 0;
    u32 losses_ = 0;
};

} // namespace mirrorscope
