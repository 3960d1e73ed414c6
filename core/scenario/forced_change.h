// SPDX-License-Identifier: GPL-3.0-or-later
// A change of one entry that no caller may ever make, made through the function that changes entries: which of its assertions fire?
// (Linux v6.16 tdp_mmu.c: tdp_mmu_set_spte_atomic(), tdp_mmu_set_spte(), handle_changed_spte().)
#pragma once

#include "kvm/kvm.h"
#include "scenario/scenario.h"

#include <optional>

namespace mirrorscope {

EntryKind entryKindOf(u64 spte, Level level);

struct ForcedChange {
    unsigned vcpu = 0; // whose roots and caches
    Gfn gfn;
    bool mirror = false; // else the direct root
    Level level = Level::k4K;
    std::optional<EntryKind> from; // what the entry is made to hold before, if it does not
    EntryKind to = EntryKind::None;
    bool otherFrame = false; // a leaf maps another page than the gfn's
    bool atomic = false;     // mmu_lock held for reading, else for writing
};

// Of a step `kernel: {call: tdp_mmu_set_spte…}`.
ForcedChange forcedChangeOf(const Kvm& kvm, const Step& step, Gfn gfn, bool atomic);
// ENOENT when no walk reaches that level; EBUSY, EIO and their like as tdp_mmu_set_spte_atomic() says.
Outcome forceChange(Kvm& kvm, const ForcedChange& change);

} // namespace mirrorscope
