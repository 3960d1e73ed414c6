// SPDX-License-Identifier: GPL-3.0-or-later
#include "machine/leaps.h"

#include "base/hash.h"

#include <algorithm>
#include <array>

namespace mirrorscope {

void Compactor::grow() {
    slots_.assign(slots_.size() * 4, 0);
    for (std::size_t i = 0; i < entries_.size(); ++i) {
        std::size_t slot = slotOf(entries_[i].place);
        while (slots_[slot] != 0)
            slot = (slot + 1) & (slots_.size() - 1);
        slots_[slot] = static_cast<u32>(i + 1);
    }
}

void Compactor::add(u64 place, u64 delta, u8 parts) {
    std::size_t slot = slotOf(place);
    for (; slots_[slot] != 0; slot = (slot + 1) & (slots_.size() - 1))
        if (Entry& entry = entries_[slots_[slot] - 1]; entry.place == place) {
            entry.delta ^= delta;
            entry.parts |= parts;
            return;
        }
    entries_.push_back({place, delta, parts});
    slots_[slot] = static_cast<u32>(entries_.size());
    if (entries_.size() * 2 > slots_.size())
        grow();
}

Leaps::Sum Compactor::finish(bool keepZero) {
    if (entries_.size() * 16 < slots_.size())
        for (const Entry& entry : entries_) {
            // A run of slots without a gap belongs together: all of it is freed.
            std::size_t slot = slotOf(entry.place);
            while (slots_[slot] != 0) {
                slots_[slot] = 0;
                slot = (slot + 1) & (slots_.size() - 1);
            }
        }
    else
        std::fill(slots_.begin(), slots_.end(), 0);
    std::sort(entries_.begin(), entries_.end(), [](const Entry& a, const Entry& b) { return a.place < b.place; });
    Leaps::Sum sum;
    sum.places.reserve(entries_.size());
    sum.deltas.reserve(entries_.size());
    if (keepZero)
        sum.parts.reserve(entries_.size());
    for (const auto& [place, delta, parts] : entries_)
        if (delta != 0 || keepZero) {
            sum.places.push(place);
            sum.deltas.push_back(delta);
            if (keepZero)
                sum.parts.push_back(parts);
        }
    entries_.clear();
    return sum;
}

void Leaps::clear() { levels_.clear(); }

void Leaps::begin(u64 steps, u64 openBytes) {
    clear();
    steps_ = steps;
    openLeft_ = openBytes;
}

namespace {
// A filter has a word for some places, and of each place four bits in one of the words.
constexpr u64 kPlacesAWord = 6;
u64 filterBits(u64 hash) {
    return u64{1} << (hash & 63) | u64{1} << (hash >> 6 & 63) | u64{1} << (hash >> 12 & 63) | u64{1} << (hash >> 18 & 63);
}
u64 filterHash(u64 place) { return mix(0, place); }

// Four places that lie near each other are a group: how far from each other is what they have in common with others.
constexpr u32 kInGroup = 4;
constexpr u64 kFarthest = ~u32{0};
} // namespace

Leaps::Stride Leaps::keep(Sum sum) {
    Stride stride;
    stride.kept = true;
    stride.count = sum.places.size();
    sum.places.shrink();
    sum.deltas.shrink_to_fit();
    if (const u64 bytes = bytesOf(sum); bytes <= openLeft_) {
        openLeft_ -= bytes;
        stride.sum = std::move(sum);
        return stride;
    }
    if (packer_ == nullptr)
        packer_ = std::make_unique<GroupPacker>();
    stride.filter.assign(stride.count / kPlacesAWord + 1, 0);
    std::array<u64, kInGroup + 1> numbers{};
    GroupKey gaps{};
    u32 count = 0;
    u64 before = 0;
    const auto flush = [&] {
        gaps[kInGroup - 1] = count;
        packer_->add(gaps, numbers.data(), count + 1);
        gaps = {};
        count = 0;
    };
    sum.places.forEach([&](std::size_t i, u64 place) {
        const u64 hash = filterHash(place);
        stride.filter[(hash >> 32) % stride.filter.size()] |= filterBits(hash);
        const u64 gap = place - before;
        before = place;
        if (count == kInGroup || (count != 0 && gap > kFarthest))
            flush();
        if (count == 0)
            numbers[0] = gap;
        else
            gaps[count - 1] = static_cast<u32>(gap);
        numbers[++count] = sum.deltas[i];
    });
    if (count != 0)
        flush();
    stride.packed = packer_->finish();
    return stride;
}

Leaps::Sum Leaps::unpacked(const Stride& stride) {
    Sum sum;
    sum.places.reserve(stride.count);
    sum.deltas.reserve(stride.count);
    GroupUnpacker unpacker(stride.packed);
    std::array<u64, kInGroup + 1> numbers{};
    u64 place = 0;
    while (sum.places.size() < stride.count) {
        GroupKey gaps;
        const u32 count = unpacker.next(gaps);
        unpacker.numbers(numbers.data(), count);
        for (u32 k = 1; k < count; ++k) {
            place += k == 1 ? numbers[0] : gaps[k - 2];
            sum.places.push(place);
            sum.deltas.push_back(numbers[k]);
        }
    }
    return sum;
}

void Leaps::addBackwards(Sum sum) {
    if (levels_.empty())
        levels_.emplace_back();
    levels_[0].push_back(keep(std::move(sum)));
}

void Leaps::finish() {
    if (levels_.empty())
        return;
    std::reverse(levels_[0].begin(), levels_[0].end());
    Compactor sums;
    u64 span = steps_;
    for (unsigned level = 1; level < kLevels && levels_.back().size() >= kFan; ++level) {
        const std::size_t finer = levels_.size() - 1;
        std::vector<Stride> coarser(levels_[finer].size() / kFan);
        // Whole groups only: what is left at the end is passed in strides of the level below.
        bool any = false;
        for (std::size_t n = 0; n < coarser.size(); ++n) {
            const auto first = levels_[finer].begin() + static_cast<std::ptrdiff_t>(n * kFan);
            // What did not pay in most of its parts does not pay in the whole.
            if (std::count_if(first, first + kFan, [](const Stride& s) { return s.kept; }) * 2 < kFan)
                continue;
            u64 parts = 0;
            for (u64 at = n * kFan * span; at < (n + 1) * kFan * span;)
                at = leap(at, (n + 1) * kFan * span, true, [&](u64 place, u64 delta) {
                    ++parts;
                    sums.add(place, delta);
                });
            Sum sum = sums.finish(false);
            if (sum.places.size() * 2 > parts)
                continue;
            coarser[n] = keep(std::move(sum));
            any = true;
        }
        if (!any)
            break;
        levels_.push_back(std::move(coarser));
        span *= kFan;
    }
    packer_.reset();
}

std::pair<const Leaps::Stride*, u64> Leaps::longest(u64 step, u64 target, bool forward) const {
    std::pair<const Stride*, u64> best{nullptr, step};
    u64 span = steps_;
    for (const auto& level : levels_) {
        if (step % span != 0 || (forward ? step + span > target : step < target + span))
            break;
        const u64 index = (forward ? step : step - span) / span;
        if (index >= level.size())
            break;
        if (level[index].kept)
            best = {&level[index], forward ? step + span : step - span};
        span *= kFan;
    }
    return best;
}

u8 Leaps::mayChange(u64 n, u64 place) const {
    if (levels_.empty() || n >= levels_[0].size())
        return kAnyPart;
    const Stride& stride = levels_[0][n];
    if (stride.packed.empty()) {
        const std::size_t i = stride.sum.places.find(place);
        return i == stride.sum.places.size() ? 0 : stride.sum.parts[i];
    }
    const u64 hash = filterHash(place);
    const u64 bits = filterBits(hash);
    return (stride.filter[(hash >> 32) % stride.filter.size()] & bits) == bits ? kAnyPart : 0;
}

u64 Leaps::bytes() const {
    u64 bytes = 0;
    for (const auto& level : levels_)
        for (const Stride& stride : level)
            bytes += stride.bytes();
    return bytes;
}

} // namespace mirrorscope
