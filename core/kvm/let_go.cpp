// SPDX-License-Identifier: GPL-3.0-or-later
// The way from a changed word back to the frames to which nothing may lead any more. What keeps a frame is said in reachable(),
// cachedByVcpu(), guestMemoryNames() and mirrorOfExternal(); whoever adds to them adds here.
#include "kvm/kvm.h"

#include <algorithm>

namespace mirrorscope {

namespace {
unsigned levelOfTable(const Kvm& kvm, Pfn table) { return number(role::level(kvm.machine().look(kvm.sp(table, Kvm::kRole)))); }

// All of them, by its entries as they are. (Counted down, since what is broken may go round.)
void tablesBelow(const Kvm& kvm, const Frames& all, Pfn table, unsigned level, std::vector<Pfn>& frames) {
    if (level <= number(Level::k4K))
        return;
    for (unsigned k = 0; k < 512; ++k) {
        const Place place = wordOf(table, k);
        const u64 entry = kvm.machine().look(place);
        const Pfn led = ept::pfnOf(entry);
        if (!spte::isPresent(entry) || led.v == 0 || !all.valid(led) || kvm.machine().look(kvm.sp(led, Kvm::kPtep)) != place.v + 1)
            continue;
        frames.push_back(led);
        tablesBelow(kvm, all, led, level - 1, frames);
    }
}
} // namespace

void Kvm::letGo(Place place, u64 delta, std::vector<Pfn>& frames) const {
    const u64 now = machine_->look(place), old = now ^ delta; // (no such word changes twice in a micro-step)
    const auto add = [&](u64 pfn) {
        if (pfn != 0 && frames_.valid({pfn}))
            frames.push_back({pfn});
    };
    const auto addBelow = [&](Pfn table, unsigned level) { tablesBelow(*this, frames_, table, level, frames); };
    const auto within = [&](Place first, u64 words) { return place >= first && place.v < first.v + words; };
    if (within(gmem_, gmemPages_) || within(host_, hostPages_)) {
        if ((delta & kHostPfn) != 0)
            add(old & kHostPfn);
    } else if (config_.has(Feature::InPlaceConversion) && within(gmemPinned_, gmemPages_)) {
        add(old);
    } else if (within(sp_, frames_.count() * kSpWords)) {
        const Pfn table{(place.v - sp_.v) / kSpWords};
        const auto word = static_cast<SpWord>((place.v - sp_.v) % kSpWords);
        if (word == kExternal)
            add(old);
        if (word == kRole || word == kPtep) {
            add(table.v);
            addBelow(table, std::max(levelOfTable(*this, table), word == kRole ? number(role::level(old)) : 0));
        }
    } else if (within(vcpu_, config_.vcpus * static_cast<u64>(VcpuWord::Count_))) {
        const u64 word = (place.v - vcpu_.v) % static_cast<u64>(VcpuWord::Count_);
        for (const auto cache : {VcpuWord::ShadowCache, VcpuWord::ExternalCache})
            if (const u64 index = word - static_cast<u64>(cache); index == 0) {
                for (u64 k = now + 1; k <= std::min(old, u64{kCacheCapacity}); ++k)
                    add(machine_->look(place + k));
            } else if (index <= kCacheCapacity) {
                add(old);
            }
    } else if (const auto frame = frames_.frameOfMeta(place)) {
        add(frame->v);
        if (Frames::kindOf(old) == FrameKind::Table) {
            add(machine_->look(sp(*frame, kExternal)));
            addBelow(*frame, levelOfTable(*this, *frame));
        }
    } else if (spte::isPresent(old)) { // an entry
        const Pfn led = ept::pfnOf(old);
        add(led.v);
        if (led.v != 0 && frames_.valid(led) && Frames::kindOf(machine_->look(frames_.meta(led))) == FrameKind::Table)
            addBelow(led, levelOfTable(*this, led));
    }
}

} // namespace mirrorscope
