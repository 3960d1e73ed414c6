// SPDX-License-Identifier: GPL-3.0-or-later
// What the inspector asks of one thing: a table page, an actor, a lock; and what two positions differ in.
#pragma once

#include "base/types.h"
#include "kvm/spte.h"
#include "machine/tlb.h"

#include <optional>
#include <string>
#include <vector>

namespace mirrorscope {

// struct kvm_mmu_page, as far as the TDP MMU has it.
struct TablePageView {
    bool exists = false;
    Pfn pfn;
    bool mirror = false, invalid = false, root = false;
    bool external = false; // a page of the secure EPT: what follows is that of its mirror page
    u64 role = 0;
    Level level = Level::None;    // of its entries
    Gfn gfn;                      // the first that it translates
    std::optional<u64> rootCount; // Session::rootCount()
    std::optional<Pfn> parent;
    Pfn twin; // external_spt, or the mirror page of a secure one; 0: none
    unsigned present = 0, frozen = 0;
};

// A translation that a vCPU has cached, beside what the tree says now.
struct TlbLine {
    ActorId vcpu = 0;
    TlbEntry entry;
    std::string address; // "private 0x4000"; without the alias where there is but one
    bool usable = false; // no flush is pending that the vCPU must do before it goes on in the guest
    std::string rights;  // "rw-"
    int column = 0;      // of the tree that the CPU walks for it
    std::string now;     // the state of the entry there: "leaf 531", "none"
    bool stale = false;  // usable, and the tree translates it otherwise, or not at all
};

// Where an actor stands: what it did last, what it does next, and the micro-steps around it as an outline of the operation.
struct ActorView {
    std::string name;
    bool busy = false;              // inside an operation of the script
    std::vector<std::string> stack; // of kernel and module functions, innermost last
    std::string waitsFor;           // a lock, if it waits for one
    struct Line {
        u64 n = 0;
        unsigned depth = 0; // of the call that it stands in
        std::string function, site, what;
        bool done = false;
        bool next = false;
    };
    std::vector<Line> outline;
    // Of a vCPU:
    bool isVcpu = false;
    std::vector<TlbLine> tlb;
};

struct LockPane {
    std::string name;
    struct Use {
        u64 begin = 0, end = 0;
        std::string actor;
        bool write = false, waits = false;
    };
    std::vector<Use> now;     // holders and waiters
    std::vector<Use> history; // those that began nearest to the position
};

// One entry that differs between two positions.
struct EntryDifference {
    int column = 0;
    Gfn gfn;
    Level level = Level::k4K;
    u64 before = 0, after = 0;
    std::string was, is;
};
struct StateDifference {
    std::vector<EntryDifference> entries; // in the order of column, GPA and level; at most kShownDifferences
    u64 entryCount = 0;
    u64 frames = 0, pamt = 0, tlb = 0, other = 0; // words of what else differs
};
inline constexpr std::size_t kShownDifferences = 4096;

// "pfn 1f40 → 0, W 1 → 0": the fields that differ.
std::string fieldDifference(const std::vector<BitField>& before, const std::vector<BitField>& after);

} // namespace mirrorscope
