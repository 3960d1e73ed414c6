// SPDX-License-Identifier: GPL-3.0-or-later
// The journal in strides: what a run of micro-steps came to, place by place, so that seeking costs the distance in places and not in
// changes. The journal keeps differences (old ^ new), so a stride is the same in both directions and strides add up by XOR. Where words
// are changed once and not again, strides of strides would save nothing, and are not kept; where a history is long, they are packed.
#pragma once

#include "base/group_pack.h"
#include "machine/places.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace mirrorscope {

class Leaps {
public:
    static constexpr unsigned kFan = 8; // strides of one level in one of the next
    static constexpr unsigned kLevels = 8;
    static constexpr unsigned kParts = 8; // of a stride of the lowest level
    static constexpr u8 kAnyPart = 0xff;
    // What is not packed, at most.
    static constexpr u64 kOpenBytes = 64 << 20;

    bool empty() const { return levels_.empty(); }
    void clear();
    // What changes add up to, ascending by place; with a bit for each part of the stride in which there are any.
    struct Sum {
        AscendingPlaces places;
        std::vector<u64> deltas;
        std::vector<u8> parts;
    };
    // Strides of `steps` micro-steps are added from the end to the begin, and those that these add up to. In those of the lowest level are
    // the places whose changes cancel out, too.
    void begin(u64 steps, u64 openBytes = kOpenBytes);
    void addBackwards(Sum sum);
    // All of the lowest level are in: makes the others.
    void finish();

    // Takes the longest stride that begins (forward) or ends (backward) at that micro-step and does not pass `target`: where it leads, with
    // f(place, delta) for each place that differs there. Without one it leads nowhere: to `step`.
    template <class F>
    u64 leap(u64 step, u64 target, bool forward, F&& f) const;
    // In which parts of the n-th stride of the lowest level that place may have changed: a bit for each.
    u8 mayChange(u64 n, u64 place) const;
    u64 bytes() const;

private:
    struct Stride {
        bool kept = false;
        // Either as it is,
        Sum sum;
        // or packed, with a filter of which places there are.
        std::string packed;
        std::vector<u64> filter;
        u64 count = 0;

        u64 bytes() const { return bytesOf(sum) + filter.capacity() * sizeof(u64) + packed.size(); }
    };
    // The stride and where it leads.
    std::pair<const Stride*, u64> longest(u64 step, u64 target, bool forward) const;
    static u64 bytesOf(const Sum& sum) { return sum.places.bytes() + sum.deltas.capacity() * sizeof(u64) + sum.parts.capacity(); }
    Stride keep(Sum sum);
    static Sum unpacked(const Stride& stride);

    u64 steps_ = 1;
    u64 openLeft_ = 0;
    std::vector<std::vector<Stride>> levels_;
    std::unique_ptr<GroupPacker> packer_;
};

template <class F>
u64 Leaps::leap(u64 step, u64 target, bool forward, F&& f) const {
    const auto [stride, there] = longest(step, target, forward);
    if (stride == nullptr)
        return step;
    const auto each = [&](const Sum& sum) {
        sum.places.forEach([&](std::size_t i, u64 place) {
            if (sum.deltas[i] != 0)
                f(place, sum.deltas[i]);
        });
    };
    if (stride->packed.empty())
        each(stride->sum);
    else
        each(unpacked(*stride));
    return there;
}

// Adds the deltas of equal places up.
class Compactor {
public:
    Compactor() : slots_(1 << 14, 0) {}
    void add(u64 place, u64 delta, u8 parts = 0);
    // What it came to, and empty again; `keepZero`: a place whose changes cancel out stays, and the parts are told.
    Leaps::Sum finish(bool keepZero);

private:
    struct Entry {
        u64 place, delta;
        u8 parts;
    };
    std::size_t slotOf(u64 place) const { return place * 0x9e3779b1u & (slots_.size() - 1); }
    void grow();
    std::vector<u32> slots_; // 1 + index of an entry; 0: free
    std::vector<Entry> entries_;
};

} // namespace mirrorscope
