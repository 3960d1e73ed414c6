// SPDX-License-Identifier: GPL-3.0-or-later
#include "trace/memslots.h"

#include "trace/rebuild.h"

#include <fmt/format.h>

#include <algorithm>

namespace mirrorscope {

void TraceMemslots::region(const TraceEvent& e) {
    several_ |= kvm_ != 0 && e.a != kvm_;
    kvm_ = e.a;
    if (e.c == 0)
        slots_.erase(e.vcpu);
    else
        slots_[e.vcpu] = {e.gfn, e.c >> 12, e.b};
}

std::vector<GfnRange> TraceMemslots::behind(u64 start, u64 end) const {
    std::vector<GfnRange> ranges;
    for (const auto& [id, slot] : slots_) {
        const u64 from = std::max(start, slot.hva), to = std::min(end, slot.hva + (slot.pages << 12));
        if (from < to)
            ranges.push_back({{slot.gfn + ((from - slot.hva) >> 12)}, {slot.gfn + ((to - slot.hva + 0xfff) >> 12)}});
    }
    return ranges;
}

// What a notifier was told to unmap is gone when its task is at something else. What another CPU has mapped since has a later line.
void Rebuild::notifierEnds(const TraceEvent& e, const TraceEvent& unmap) {
    if (!slots_.known())
        return;
    for (const GfnRange& range : slots_.behind(unmap.a, unmap.b))
        for (const u32 id : tables_.roots())
            if (const TraceRoot& root = tables_.root(id); !root.mirror && !root.vague)
                leftInRange(e, unmap, root, range);
}

void Rebuild::leftInRange(const TraceEvent& e, const TraceEvent& unmap, const TraceRoot& root, const GfnRange& range) {
    for (u64 gfn = range.start.v; gfn < range.end.v;) {
        u64 next = gfn + 1;
        for (const Level level : {Level::k4K, Level::k2M, Level::k1G}) {
            TraceTable* table = tables_.find(root.id, level, root.placed(gfn));
            if (table == nullptr || table->vague || table->removed) {
                next = (gfn | (512 * pagesPer(level) - 1)) + 1; // nothing of that level is in what such a table covers
                continue;
            }
            const unsigned i = table->indexOf(root.placed(gfn));
            const bool stayed =
                table->knows(i) && spte::isLeaf(table->words[i], level) && table->lines[i] != 0 && table->lines[i] < unmap.line;
            if (stayed) {
                report(TraceRule::Notifier, e,
                       fmt::format(
                           "gfn {:x} level {} is mapped still: {}, since line {}; the notifier of line {} was to unmap {:x} up to {:x}",
                           table->gfnOf(i) & ~root.alias, number(level), valueText(table->words[i], number(level)), table->lines[i],
                           unmap.line, unmap.a, unmap.b),
                       {table->lines[i], unmap.line});
                table->forget(i); // it is told once
            }
            next = (gfn | (pagesPer(level) - 1)) + 1;
            break;
        }
        gfn = next;
    }
}

} // namespace mirrorscope
