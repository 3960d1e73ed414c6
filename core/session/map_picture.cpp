// SPDX-License-Identifier: GPL-3.0-or-later
#include "session/map_picture.h"

#include "base/text.h"

#include <algorithm>
#include <cmath>

namespace mirrorscope {

namespace {
bool isRare(unsigned state) { return state != kStylePrivateLeaf && state != kStyleSharedLeaf && state != kStyleTable; }
} // namespace

std::optional<StyleIndex> MapColumn::at(int y) const {
    for (std::size_t k = kMapOrder.size(); k-- > 0;)
        if (y >= edges[k] && y < edges[k + 1])
            return kMapOrder[k];
    return std::nullopt;
}

std::vector<MapColumn> columnsOf(const MapStrip& strip, u64 pages, int height, u32 dimmed) {
    std::vector<MapColumn> columns(strip.buckets.size());
    // The pages of one bucket are not as many as those of another where they do not share out evenly.
    const auto firstOf = [&](u64 bucket) { return (bucket * pages + columns.size() - 1) / columns.size(); };
    for (std::size_t x = 0; x < columns.size(); ++x) {
        const double perBucket = static_cast<double>(std::max<u64>(1, firstOf(x + 1) - firstOf(x)));
        double used = 0;
        for (std::size_t k = 0; k < kMapOrder.size(); ++k) {
            columns[x].edges[k] = static_cast<int>(std::lround(used * height));
            const u32 count = (dimmed >> kMapOrder[k] & 1) != 0 ? 0 : strip.buckets[x].pages[kMapOrder[k]];
            if (count == 0)
                continue;
            const double smallest = (isRare(kMapOrder[k]) ? 5.0 : 4.0) / height;
            used = std::min(1.0, used + std::clamp(count / perBucket, std::min(1.0, smallest), 1.0));
        }
        columns[x].edges.back() = static_cast<int>(std::lround(used * height));
    }
    return columns;
}

std::vector<MapTick> mapTicks(double start, double span, double whole, double width, double apart) {
    double tick = 1;
    while (tick / span * width < apart && tick < whole)
        tick *= 2;
    std::vector<MapTick> ticks;
    for (double page = std::ceil(start / tick) * tick; page <= start + span; page += tick) {
        const u64 gpa = static_cast<u64>(page) << 12;
        const std::string size = sizeText(gpa);
        const bool round = gpa != 0 && size.size() <= 5 && size.back() != 'K';
        ticks.push_back({page, hex(gpa) + (round ? " = " + size : "")});
    }
    return ticks;
}

MapFlag flagOf(const MapBucket& bucket) {
    return bucket.violation ? MapFlag::Violation : bucket.zapped ? MapFlag::Zapped : bucket.changed ? MapFlag::Changed : MapFlag::None;
}

bool hasAnything(const MapStrip& strip) {
    return std::any_of(strip.buckets.begin(), strip.buckets.end(), [](const MapBucket& bucket) {
        for (unsigned state = 0; state < kMapStates; ++state)
            if (state != kStyleNone && bucket.pages[state] != 0)
                return true;
        return bucket.changed || bucket.zapped;
    });
}

std::vector<MapEntry> entriesBetween(const Session& session, Column column, u64 first, u64 last) {
    std::vector<MapEntry> entries;
    for (u64 gfn = first; gfn < last; gfn = entries.back().end()) {
        MapEntry entry{roundDown({gfn}, Level::k1G), Level::k1G, std::nullopt};
        if (const auto where = session.entryAt({gfn}, column))
            entry = {where->gfn, where->level, session.cell(column, where->gfn, where->level)};
        entries.push_back(std::move(entry));
    }
    return entries;
}

} // namespace mirrorscope
