// SPDX-License-Identifier: GPL-3.0-or-later
#include "machine/leaps.h"

#include <algorithm>

namespace mirrorscope {

void Compactor::grow() {
    slots_.assign(slots_.size() * 4, 0);
    for (std::size_t i = 0; i < entries_.size(); ++i) {
        std::size_t slot = slotOf(entries_[i].first);
        while (slots_[slot] != 0)
            slot = (slot + 1) & (slots_.size() - 1);
        slots_[slot] = static_cast<u32>(i + 1);
    }
}

void Compactor::add(u64 place, u64 delta) {
    std::size_t slot = slotOf(place);
    for (; slots_[slot] != 0; slot = (slot + 1) & (slots_.size() - 1))
        if (auto& entry = entries_[slots_[slot] - 1]; entry.first == place) {
            entry.second ^= delta;
            return;
        }
    entries_.emplace_back(place, delta);
    slots_[slot] = static_cast<u32>(entries_.size());
    if (entries_.size() * 2 > slots_.size())
        grow();
}

void Compactor::finish(bool keepZero, AscendingPlaces& places, std::vector<u64>& deltas) {
    if (entries_.size() * 16 < slots_.size())
        for (const auto& entry : entries_) {
            // A run of slots without a gap belongs together: all of it is freed.
            std::size_t slot = slotOf(entry.first);
            while (slots_[slot] != 0) {
                slots_[slot] = 0;
                slot = (slot + 1) & (slots_.size() - 1);
            }
        }
    else
        std::fill(slots_.begin(), slots_.end(), 0);
    std::sort(entries_.begin(), entries_.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    places.reserve(entries_.size());
    deltas.reserve(entries_.size());
    for (const auto& [place, delta] : entries_)
        if (delta != 0 || keepZero) {
            places.push(place);
            deltas.push_back(delta);
        }
    entries_.clear();
}

void Leaps::clear() {
    levels_.clear();
    hashes_.clear();
    end_ = 0;
}

void Leaps::addBackwards(Stride stride, u64 hash) {
    if (levels_.empty())
        levels_.emplace_back();
    levels_[0].push_back(std::move(stride));
    hashes_.push_back(hash);
}

void Leaps::finish(u64 hashAtEnd) {
    if (levels_.empty())
        return;
    std::reverse(levels_[0].begin(), levels_[0].end());
    std::reverse(hashes_.begin(), hashes_.end());
    hashes_.push_back(hashAtEnd);
    end_ = levels_[0].back().end;
    Compactor sums;
    for (unsigned level = 1; level < kLevels && levels_.back().size() >= kFan; ++level) {
        const auto& finer = levels_.back();
        std::vector<Stride> coarser;
        // Whole groups only: what is left at the end is passed in strides of the level below.
        for (std::size_t i = 0; i + kFan <= finer.size(); i += kFan) {
            for (std::size_t k = i; k < i + kFan; ++k)
                for (std::size_t c = 0; c < finer[k].places.size(); ++c)
                    if (finer[k].deltas[c] != 0)
                        sums.add(finer[k].places[c], finer[k].deltas[c]);
            Stride stride{finer[i].begin, finer[i + kFan - 1].end, {}, {}};
            sums.finish(false, stride.places, stride.deltas);
            stride.places.shrink();
            stride.deltas.shrink_to_fit();
            coarser.push_back(std::move(stride));
        }
        levels_.push_back(std::move(coarser));
    }
}

const Leaps::Stride* Leaps::from(u64 change, u64 target, bool forward) const {
    if (change % kChanges != 0 && !(change == end_ && !forward))
        return nullptr;
    u64 span = kChanges;
    const Stride* best = nullptr;
    for (const auto& level : levels_) {
        std::size_t index = 0;
        if (forward) {
            if (change % span != 0)
                break;
            index = change / span;
            if (index >= level.size() || level[index].end > target)
                break;
        } else {
            // Only the last stride of the lowest level may be shorter than its span.
            if (change % span != 0 && !(span == kChanges && change == end_))
                break;
            const u64 begin = change % span != 0 ? change / span * span : change - span;
            if (change == 0 || begin < target)
                break;
            index = begin / span;
            if (index >= level.size() || level[index].end != change)
                break;
        }
        best = &level[index];
        span *= kFan;
    }
    return best;
}

bool Leaps::hashAt(u64 change, u64& hash) const {
    if (change != end_ && change % kChanges != 0)
        return false;
    const std::size_t index = change == end_ ? hashes_.size() - 1 : change / kChanges;
    if (index >= hashes_.size())
        return false;
    hash = hashes_[index];
    return true;
}

u64 Leaps::bytes() const {
    u64 bytes = 0;
    for (const auto& level : levels_)
        for (const Stride& stride : level)
            bytes += stride.places.bytes() + stride.deltas.capacity() * sizeof(u64);
    return bytes;
}

} // namespace mirrorscope
