// SPDX-License-Identifier: GPL-3.0-or-later
// Who counts what calls were made, over many runs: the review tables. It hears, and nothing that it does is seen by the machine. What it
// was told is not taken back when an execution is.
#pragma once

#include "base/types.h"
#include "kvm/ops.h"

namespace mirrorscope {

enum class PrivateOp : u8 { Link, Set, Free, Remove, Split };

class Census {
public:
    // A call of handle_changed_spte(old, new), or a change that was asked for and refused before the entry changed.
    struct Change {
        u64 oldSpte = 0, newSpte = 0;
        Gfn gfn;
        Level level = Level::None;
        bool mirror = false;  // of a table of a mirror root
        bool shared = false;  // mmu_lock is held for reading
        bool reached = false; // else refused
        u32 script = 0;       // the step that asked for it
    };
    virtual ~Census() = default;
    // When it is called, or was refused.
    virtual void changed(const Change&) {}
    // That change is over, and a BUG or a WARN fired inside of it.
    virtual void fired(const Change&) {}
    // The private table is told; `result` is what it answers.
    virtual void told(PrivateOp, Gfn, Level, int /*result*/) {}
};

// The private operations, each told to a census as well.
class CountedOps final : public ExternalOps {
public:
    CountedOps(ExternalOps& inner, Census& census) : inner_(inner), census_(census) {}
    int link_external_spt(Gfn gfn, Level level, Pfn spt) override {
        return count(PrivateOp::Link, gfn, level, inner_.link_external_spt(gfn, level, spt));
    }
    int set_external_spte(Gfn gfn, Level level, Pfn pfn) override {
        return count(PrivateOp::Set, gfn, level, inner_.set_external_spte(gfn, level, pfn));
    }
    int free_external_spt(Gfn gfn, Level level, Pfn spt) override {
        return count(PrivateOp::Free, gfn, level, inner_.free_external_spt(gfn, level, spt));
    }
    int remove_external_spte(Gfn gfn, Level level, Pfn pfn) override {
        return count(PrivateOp::Remove, gfn, level, inner_.remove_external_spte(gfn, level, pfn));
    }

    int split_external_spte(Gfn gfn, Level level, Pfn pfn, Pfn spt) override {
        return count(PrivateOp::Split, gfn, level, inner_.split_external_spte(gfn, level, pfn, spt));
    }
    int topup_external_cache(unsigned vcpu) override { return inner_.topup_external_cache(vcpu); }
    bool need_topup_external_per_vm_split_cache() override { return inner_.need_topup_external_per_vm_split_cache(); }
    int topup_external_per_vm_split_cache() override { return inner_.topup_external_per_vm_split_cache(); }

private:
    int count(PrivateOp op, Gfn gfn, Level level, int result) {
        census_.told(op, gfn, level, result);
        return result;
    }
    ExternalOps& inner_;
    Census& census_;
};

} // namespace mirrorscope
