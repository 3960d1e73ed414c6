// SPDX-License-Identifier: GPL-3.0-or-later
#include "session/gpa_map.h"

#include "scenario/runner.h"
#include "session/style.h"
#include "trace/recorded.h"

#include <algorithm>
#include <bit>

namespace mirrorscope {

GpaMap::GpaMap(Session& session) : session_(session), touched_(session.system().frames().count(), 0) { session_.flagFrames(&touched_); }

GpaMap::~GpaMap() { session_.flagFrames(nullptr); }

u64 GpaMap::size() const {
    u64 end = 512;
    for (const SlotConfig& slot : session_.scenario().machine.slots)
        end = std::max(end, slot.base.v + slot.pages);
    if (const RecordedKernel* recorded = session_.recorded())
        end = std::max(end, recorded->endGfn);
    const Kvm& kvm = session_.system().kvm();
    for (unsigned i = 0; i < kvm.slotCount(); ++i)
        if (const Memslot s = kvm.peekSlot(static_cast<int>(i)); s.used)
            end = std::max(end, s.base.v + s.pages);
    return std::bit_ceil(end);
}

unsigned GpaMap::stateOf(Column column, u64 raw, Level level) const {
    TreeCell cell;
    cell.exists = true;
    if (column == Column::Private)
        cell.sept = sept::stateOf(raw);
    else
        cell.spte = mirrorscope::stateOf(session_.system().kvm().masks(), raw, level);
    cell.ofGmem = column == Column::Shared && cell.spte == SpteState::Leaf && session_.mapsGmem(raw);
    return static_cast<unsigned>(styleIndexOf(column, cell));
}

const GpaMap::Summary& GpaMap::summary(Pfn table, Column column) const {
    Summary& s = summaries_[table.v];
    if (s.known && touched_[table.v] == 0)
        return s;
    s.entries.fill(0);
    for (unsigned i = 0; i < 512; ++i)
        ++s.entries[stateOf(column, session_.system().machine().peek(wordOf(table, i)), Level::k4K)];
    s.known = true;
    touched_[table.v] = 0;
    return s;
}

void GpaMap::add(Picture& picture, u64 gfn, u64 pages, unsigned state) const {
    const u64 from = std::max(gfn, picture.first), to = std::min(gfn + pages, picture.first + picture.pages);
    if (from >= to)
        return;
    const u64 count = picture.strip.buckets.size();
    u64 bucket = (from - picture.first) * count / picture.pages;
    const u64 last = (to - 1 - picture.first) * count / picture.pages;
    for (; bucket <= last; ++bucket) {
        // The pages whose index times count / pages is the bucket.
        const u64 begin = picture.first + (bucket * picture.pages + count - 1) / count;
        const u64 end = picture.first + ((bucket + 1) * picture.pages + count - 1) / count;
        const u64 overlap = std::min(to, std::max(end, begin + 1)) - std::min(std::max(from, begin), to);
        picture.strip.buckets[bucket].pages[state] += static_cast<u32>(std::max<u64>(overlap, 1));
    }
}

void GpaMap::visit(Picture& picture, Pfn table, Level level, u64 base) const {
    const System& system = session_.system();
    const u64 direct = system.config().directBits();
    const u64 span = pagesPer(level);
    const u64 count = picture.strip.buckets.size();
    const auto bucketOf = [&](u64 gfn) {
        return gfn <= picture.first ? 0 : std::min(count - 1, (gfn - picture.first) * count / picture.pages);
    };
    const u64 end = picture.first + picture.pages;
    unsigned i = picture.first > base ? static_cast<unsigned>(std::min<u64>(512, (picture.first - base) / span)) : 0;
    for (; i < 512; ++i) {
        const u64 gfn = base + i * span;
        if (gfn >= end || (gfn & direct) != 0 || !picture.strip.complete)
            return;
        const u64 gpn = gfn | (picture.column == Column::Shared ? direct : 0);
        const u64 raw = system.machine().peek(wordOf(table, tableIndex(gpn, level)));
        const unsigned state = stateOf(picture.column, raw, level);
        const bool isTable = level > Level::k4K && (state == kStyleTable || state == kStyleTableBlocked) &&
                             system.holdsTable(ept::pfnOf(raw), picture.column == Column::Private);
        if (!isTable) {
            add(picture, gfn, span, state);
            continue;
        }
        const Pfn child = ept::pfnOf(raw);
        // A blocked table hides what is below it: no walk gets there.
        if (state == kStyleTableBlocked) {
            add(picture, gfn, span, state);
            continue;
        }
        const bool inOne = level == Level::k2M && gfn >= picture.first && gfn + span <= end && bucketOf(gfn) == bucketOf(gfn + span - 1);
        if (!inOne) {
            visit(picture, child, below(level), gfn);
            continue;
        }
        const auto& entries = summary(child, picture.column).entries;
        auto& pages = picture.strip.buckets[bucketOf(gfn)].pages;
        for (unsigned s = 0; s < kMapStates; ++s)
            pages[s] += entries[s];
        constexpr unsigned kLookedAtTheClock = 256;
        if (++picture.counted % kLookedAtTheClock == 0 && std::chrono::steady_clock::now() > picture.until)
            picture.strip.complete = false;
    }
}

MapStrip GpaMap::strip(Column column, Gfn first, u64 pages, unsigned buckets, std::chrono::steady_clock::time_point until) const {
    MapStrip strip;
    strip.buckets.resize(std::max(1u, buckets));
    const Pfn root = session_.rootOf(column);
    if (root.v == 0 || pages == 0)
        return strip;
    Picture picture{column, first.v, pages, strip, until};
    visit(picture, root, levelOf(session_.system().config().levels), 0);
    const u64 count = strip.buckets.size();
    session_.forEachRecent(column, [&](Gfn gfn, Level level, const TreeCell& cell) {
        const u64 from = std::max(gfn.v, first.v), to = std::min(gfn.v + pagesPer(level), first.v + pages);
        if (from >= to)
            return;
        for (u64 b = (from - first.v) * count / pages; b <= (to - 1 - first.v) * count / pages; ++b) {
            strip.buckets[b].changed |= cell.changed;
            strip.buckets[b].zapped |= cell.zapped.has_value();
            strip.buckets[b].violation |= cell.violation;
        }
    });
    return strip;
}

MapStrip GpaMap::rmp(Gfn first, u64 pages, unsigned buckets) const {
    MapStrip strip;
    strip.buckets.resize(std::max(1u, buckets));
    const System& system = session_.system();
    if (!system.isSnp())
        return strip;
    const u64 count = strip.buckets.size();
    constexpr u64 kRead = 64;
    for (u64 b = 0; b < count; ++b) {
        const u64 from = first.v + b * pages / count, to = std::max(from + 1, first.v + (b + 1) * pages / count);
        const u64 stride = std::max<u64>(1, (to - from) / kRead);
        for (u64 gfn = from; gfn < to; gfn += stride)
            if (const auto frame = system.gmemFrame({gfn}))
                if (const RmpEntry entry = system.rmp().peek(*frame); entry.assigned)
                    strip.buckets[b].pages[entry.validated ? kStylePrivateLeaf : kStylePending] += static_cast<u32>(stride);
    }
    return strip;
}

std::vector<MapMemory> GpaMap::memory(Gfn first, u64 pages, unsigned buckets) const {
    std::vector<MapMemory> out(std::max(1u, buckets));
    const Kvm& kvm = session_.system().kvm();
    const bool attributes = session_.system().config().hasPrivateMem();
    const u64 count = out.size();
    std::vector<Memslot> slots;
    for (unsigned i = 0; i < kvm.slotCount(); ++i)
        if (const Memslot s = kvm.peekSlot(static_cast<int>(i)); s.used)
            slots.push_back(s);
    for (u64 b = 0; b < count; ++b) {
        const u64 from = first.v + b * pages / count, to = std::max(from + 1, first.v + (b + 1) * pages / count);
        u64 covered = 0;
        for (const Memslot& s : slots)
            if (s.base.v < to && s.base.v + s.pages > from)
                covered += std::min(to, s.base.v + s.pages) - std::max(from, s.base.v);
        MapMemory& m = out[b];
        m.slot = covered > 0;
        m.hole = covered < to - from;
        if (!attributes || !m.slot)
            continue;
        for (const Memslot& s : slots) {
            const u64 begin = std::max(from, s.base.v), end = std::min(to, s.base.v + s.pages);
            if (begin >= end)
                continue;
            const auto kinds = kvm.peekKinds({{begin}, {end}});
            m.isPrivate |= kinds.isPrivate;
            m.shared |= kinds.shared;
        }
    }
    return out;
}

} // namespace mirrorscope
