// SPDX-License-Identifier: GPL-3.0-or-later
#include "explore/ways.h"

#include <algorithm>

namespace mirrorscope {

Ways::Way Ways::add(Way from, std::span<const u16> moves) {
    ways_.push_back({from, static_cast<u32>(moves.size()), moves_.size(), length(end(from))});
    for (const u16 move : moves)
        moves_.push_back(static_cast<u8>(move));
    return next() - 1;
}

Ways::Way Ways::branch(Place place) {
    Part part = ways_[place.way];
    part.count = place.moves;
    ways_.push_back(part);
    return next() - 1;
}

std::vector<Ways::Place> Ways::take(const std::unordered_set<u64>& decisions) {
    std::vector<Place> places;
    std::erase_if(uses_, [&](const Use& use) {
        const bool taken = decisions.contains(use.decision);
        if (taken)
            places.push_back(use.place);
        return taken;
    });
    return places;
}

std::vector<u16> Ways::moves(Place place) const {
    std::vector<u16> moves(length(place));
    auto out = moves.rbegin();
    for (Part part = ways_[place.way]; out != moves.rend(); part = ways_[part.from], place.moves = part.count)
        for (u32 i = place.moves; i > 0; --i)
            *out++ = moves_[part.begin + i - 1];
    return moves;
}

} // namespace mirrorscope
