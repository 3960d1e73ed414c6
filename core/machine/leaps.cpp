// SPDX-License-Identifier: GPL-3.0-or-later
#include "machine/leaps.h"

#include <algorithm>

namespace mirrorscope {

void compact(std::vector<std::pair<u32, u64>>& changes, bool keepZero, std::vector<u32>& places, std::vector<u64>& deltas) {
    std::sort(changes.begin(), changes.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    for (std::size_t i = 0; i < changes.size();) {
        const u32 place = changes[i].first;
        u64 sum = 0;
        for (; i < changes.size() && changes[i].first == place; ++i)
            sum ^= changes[i].second;
        if (sum == 0 && !keepZero)
            continue;
        places.push_back(place);
        deltas.push_back(sum);
    }
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
    for (unsigned level = 1; level < kLevels && levels_.back().size() >= kFan; ++level) {
        const auto& finer = levels_.back();
        std::vector<Stride> coarser;
        // Whole groups only: what is left at the end is passed in strides of the level below.
        for (std::size_t i = 0; i + kFan <= finer.size(); i += kFan) {
            std::vector<std::pair<u32, u64>> all;
            for (std::size_t k = i; k < i + kFan; ++k)
                for (std::size_t c = 0; c < finer[k].places.size(); ++c)
                    if (finer[k].deltas[c] != 0)
                        all.emplace_back(finer[k].places[c], finer[k].deltas[c]);
            Stride stride{finer[i].begin, finer[i + kFan - 1].end, {}, {}};
            compact(all, false, stride.places, stride.deltas);
            stride.places.shrink_to_fit();
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
            bytes += stride.places.capacity() * sizeof(u32) + stride.deltas.capacity() * sizeof(u64);
    return bytes;
}

} // namespace mirrorscope
