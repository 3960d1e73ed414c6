// SPDX-License-Identifier: GPL-3.0-or-later
#include "rules/word_kinds.h"

#include <algorithm>
#include <iterator>
#include <stdexcept>
#include <string>
#include <string_view>

namespace mirrorscope {

namespace {
constexpr struct {
    std::string_view run;
    About about;
} kKinds[] = {
    {"memory", About::Memory},
    {"tlb", About::Tlb},
    {"held", About::Held},
    {"vm", About::Vm},
    {"assert", About::Assert},
    {"kvm-tdx", About::Tdx},
    {"actor", About::Actor},
    {"frame", About::Frame},
    {"rmp", About::Rmp},
    {"pamt", About::Pamt},
    {"pamt-bitmap", About::PamtPages},
    {"pamt-cache", About::PamtCache},
    {"pamt-split-cache", About::PamtCache},
    {"sp", About::Keeper},
    {"vcpu", About::Keeper},
    {"slot", About::Slot},
    {"gmem-attribute", About::GmemState},
    {"gmem-pinned", About::GmemPinned},
    {"gmem", About::Page},
    {"host-page", About::Page},
    {"attribute", About::Attributes},
    // What these say is judged where it is used.
    {"lock", About::None},
    {"rcu-depth", About::None},
    {"rcu-queue", About::None},
    {"srcu-depth", About::None},
    {"srcu-waiters", About::None},
    {"srcu-wait-for", About::None},
    {"store-buffer", About::None},
    {"vcpu-mutex", About::None},
    {"dirty", About::None},
    {"dirty-ring", About::None},
    {"dirty-gfn", About::None},
    {"log-note", About::None},
    {"pml", About::None},
    {"mixed", About::None},
    {"guest-inhibit", About::None},
    {"gmem-file", About::None},
    {"vma", About::None},
    {"last-write", About::None},
    {"result", About::None},
    {"kot", About::None},
    {"tdvpr", About::None},
    {"tlb-epoch", About::None},
    {"pamt-refcount", About::None},
    {"running-vcpu", About::None},
    {"inject-alloc", About::None},
    {"inject-host-fault", About::None},
    {"inject-seamcall", About::None},
    {"inject-rmpupdate", About::None},
};
} // namespace

WordKinds::WordKinds(const Regions& regions, u64 end) {
    for (const Regions::Run& run : regions.runs()) {
        if (run.begin >= end)
            break;
        const auto* const kind = std::find_if(std::begin(kKinds), std::end(kKinds), [&](const auto& k) { return k.run == run.name; });
        if (kind == std::end(kKinds))
            throw std::logic_error("no rule knows of the words \"" + std::string(run.name) + "\"");
        if (!words_.empty() && words_.back().about == kind->about)
            words_.back().end = run.end;
        else
            words_.push_back({run.end, kind->about});
    }
    words_.push_back({~u64{0}, About::None});
}

} // namespace mirrorscope
