// SPDX-License-Identifier: GPL-3.0-or-later
// The memslots of a recorded VM, as a probe of kvm_set_memory_region() told them (trace/recipe.h): which gfns a range of user space's
// addresses is. Slots that were made before the recording are not known.
#pragma once

#include "trace/event.h"

#include <map>
#include <vector>

namespace mirrorscope {

class TraceMemslots {
public:
    void region(const TraceEvent& e); // TraceKind::MemoryRegion
    bool known() const { return !slots_.empty() && !several_; }
    bool told() const { return kvm_ != 0 && !several_; } // by some line
    // More than one VM: whose range a notifier's is, no line tells.
    bool several() const { return several_; }
    // The gfns of user space's addresses `start` up to `end`, in bytes; of any address space. Call only where known().
    std::vector<GfnRange> behind(u64 start, u64 end) const;
    void lost() { slots_.clear(); }

private:
    struct Slot {
        u64 gfn, pages, hva;
    };
    std::map<u64, Slot> slots_; // by id
    u64 kvm_ = 0;
    bool several_ = false;
};

} // namespace mirrorscope
