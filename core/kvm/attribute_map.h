// SPDX-License-Identifier: GPL-3.0-or-later
// Where the memory attributes are kept (kvm->mem_attr_array, an xarray over all gfns; v6.16): a word of 64 pages each, for every GiB that
// the machine's slots or the script's steps name. No other page's attribute is ever changed.
#pragma once

#include "machine/config.h"

#include <algorithm>
#include <optional>
#include <vector>

namespace mirrorscope {

class AttributeMap {
public:
    AttributeMap(const MachineConfig& config, Regions& regions) {
        for (u64 gib = 0; gib < 4; ++gib)
            gibs_.push_back(gib);
        for (const SlotConfig& slot : config.slots)
            add({slot.base, {slot.base.v + slot.pages}});
        for (const GfnRange& range : config.laterRanges)
            add(range);
        std::sort(gibs_.begin(), gibs_.end());
        gibs_.erase(std::unique(gibs_.begin(), gibs_.end()), gibs_.end());
        words_ = regions.take(gibs_.size() * kWords, "attribute");
        mixed2M_ = regions.take(gibs_.size() * kMixedWords, "mixed");
        mixed1G_ = regions.take(gibs_.size(), "mixed");
        if (config.has(Feature::Private2M)) {
            inhibited2M_ = regions.take(gibs_.size() * kMixedWords, "guest-inhibit");
            inhibited1G_ = regions.take(gibs_.size(), "guest-inhibit");
        }
    }

    // The word with the page's bit, which is bit gfn % 64.
    std::optional<Place> word(Gfn gfn) const {
        const auto i = index(gfn);
        return i ? std::optional(words_ + (*i * kWords + gfn.v % kGib / 64)) : std::nullopt;
    }
    // The word that says whether the huge page around a gfn has both kinds of memory, and the bit in it.
    struct Bit {
        Place word;
        u64 mask;
    };
    std::optional<Bit> mixed(Gfn gfn, Level level) const { return hugeBit(gfn, level, mixed2M_, mixed1G_); }
    // Whether the guest has accepted a part of it by itself (KVM_LPAGE_GUEST_INHIBIT_FLAG, with private-2M only).
    std::optional<Bit> inhibited(Gfn gfn, Level level) const { return hugeBit(gfn, level, inhibited2M_, inhibited1G_); }
    // The first of the 64 pages of such a word; nothing for any other word of the machine.
    std::optional<Gfn> firstOf(Place word) const {
        if (word < words_ || word.v >= words_.v + gibs_.size() * kWords)
            return std::nullopt;
        const u64 n = word.v - words_.v;
        return Gfn{gibs_[n / kWords] * kGib + n % kWords * 64};
    }

private:
    static constexpr u64 kGib = pagesPer(Level::k1G), kWords = kGib / 64, kMixedWords = kGib / pagesPer(Level::k2M) / 64;
    void add(const GfnRange& range) {
        for (u64 gib = range.start.v / kGib; gib * kGib < range.end.v; ++gib)
            gibs_.push_back(gib);
    }
    std::optional<u64> index(Gfn gfn) const {
        const u64 gib = gfn.v / kGib;
        if (gib < gibs_.size() && gibs_[gib] == gib) // those from 0 on are all there
            return gib;
        const auto at = std::lower_bound(gibs_.begin(), gibs_.end(), gib);
        return at != gibs_.end() && *at == gib ? std::optional(static_cast<u64>(at - gibs_.begin())) : std::nullopt;
    }

    std::optional<Bit> hugeBit(Gfn gfn, Level level, Place of2M, Place of1G) const {
        const auto i = index(gfn);
        if (!i)
            return std::nullopt;
        const u64 n = gfn.v % kGib / pagesPer(Level::k2M);
        return level == Level::k2M ? Bit{of2M + (*i * kMixedWords + n / 64), 1ull << n % 64} : Bit{of1G + *i, 1};
    }

    std::vector<u64> gibs_; // rising
    Place words_, mixed2M_, mixed1G_, inhibited2M_, inhibited1G_;
};

} // namespace mirrorscope
