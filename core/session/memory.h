// SPDX-License-Identifier: GPL-3.0-or-later
// What stands beside the trees: which roots there are, who holds which lock, what a range of guest memory belongs to, and what the RMP
// says of its frame.
#pragma once

#include "base/types.h"
#include "snp/rmp.h"

#include <optional>
#include <string>
#include <vector>

namespace mirrorscope {

struct RootView {
    enum class Tree : u8 { Direct, Mirror, Secure } tree = Tree::Direct;
    Pfn pfn;
    unsigned levels = 4;
    bool invalid = false;          // being zapped; only who held it before may still use it
    std::optional<u64> references; // Session::rootCount(); 0 of the secure EPT's
    bool smm = false;              // of SMM's address space
};

struct LockView {
    std::string name;
    bool writing = false;
    std::vector<std::string> holders; // actors
};

// The memslot and the attribute of a range, as far as it is of one kind.
struct MemoryView {
    enum class Kind : u8 { None, Private, Shared, Mixed } kind = Kind::None; // None: the VM has no private memory
    std::optional<u32> slot;                                                 // nothing for MMIO
    bool partly = false;                                                     // the slot covers only a part of it
    std::string flags;                                                       // of the slot: "guest_memfd, 2M pages, dirty log"
};

// The frame of guest_memfd behind a page, as the RMP knows it.
struct RmpView {
    Pfn pfn;
    RmpEntry entry;
    bool changed = false; // by the micro-step before the position
};

} // namespace mirrorscope
