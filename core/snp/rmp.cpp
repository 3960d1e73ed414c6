// SPDX-License-Identifier: GPL-3.0-or-later
#include "snp/rmp.h"

#include <array>

namespace mirrorscope {

namespace {
constexpr u64 kAssigned = 1, kHuge = 2, kValidated = 8;
constexpr unsigned kAsidShift = 4, kAsidBits = 10, kGfnShift = kAsidShift + kAsidBits;
} // namespace

std::string_view stateName(const RmpEntry& entry) { return !entry.assigned ? "host" : entry.validated ? "validated" : "assigned"; }

namespace {
struct StatusName {
    RmpStatus status;
    std::string_view name;
};
constexpr StatusName kStatuses[] = {{RmpStatus::FailInput, "FAIL_INPUT"},
                                    {RmpStatus::FailPermission, "FAIL_PERMISSION"},
                                    {RmpStatus::FailInUse, "FAIL_INUSE"},
                                    {RmpStatus::FailOverlap, "FAIL_OVERLAP"},
                                    {RmpStatus::FailSizeMismatch, "FAIL_SIZEMISMATCH"},
                                    {RmpStatus::FailNoUpdate, "FAIL_NOUPDATE"},
                                    {RmpStatus::Ok, "ok"}};
constexpr auto kStatusNames = [] {
    std::array<std::string_view, std::size(kStatuses) - 1> names{};
    for (std::size_t i = 0; i < names.size(); ++i)
        names[i] = kStatuses[i].name;
    return names;
}();
} // namespace

std::string_view name(RmpStatus status) {
    for (const StatusName& known : kStatuses)
        if (known.status == status)
            return known.name;
    return "?";
}

std::optional<RmpStatus> rmpStatusFromName(std::string_view name) {
    for (const StatusName& known : kStatuses)
        if (known.name == name)
            return known.status;
    return std::nullopt;
}

std::span<const std::string_view> rmpStatusNames() { return kStatusNames; }

Rmp::Rmp(Sim& sim, Frames& frames, Regions& regions) : sim_(sim), frames_(frames), inject_(regions, "inject-rmpupdate") {
    entries_ = regions.take(frames.count(), "rmp");
}

RmpEntry Rmp::decode(u64 word) {
    RmpEntry entry;
    entry.assigned = (word & kAssigned) != 0;
    entry.validated = (word & kValidated) != 0;
    entry.level = (word & kHuge) != 0 ? Level::k2M : Level::k4K;
    entry.asid = static_cast<unsigned>(word >> kAsidShift & ((1 << kAsidBits) - 1));
    entry.gfn = {word >> kGfnShift};
    return entry;
}

u64 Rmp::encode(const RmpEntry& entry) {
    if (!entry.assigned)
        return 0;
    return kAssigned | (entry.validated ? kValidated : 0) | (entry.level == Level::k2M ? kHuge : 0) | u64{entry.asid} << kAsidShift |
           entry.gfn.v << kGfnShift;
}

Level Rmp::levelOf(Pfn pfn) const {
    return blockOf(pfn).v < frames_.count() && get(blockOf(pfn)).level == Level::k2M ? Level::k2M : Level::k4K;
}

RmpStatus Rmp::rmpupdate(Pfn pfn, const RmpEntry& to) {
    Call call(sim_, "rmpupdate");
    sim_.step(Site::RmpSet);
    if (const auto injected = inject_.next(*machine_))
        return static_cast<RmpStatus>(*injected);
    const u64 pages = pagesPer(to.level);
    if ((pfn.v & (pages - 1)) != 0 || (to.assigned && (to.gfn.v & (pages - 1)) != 0) || pfn.v + pages > frames_.count())
        return RmpStatus::FailInput;
    if (to.level == Level::k4K && levelOf(pfn) == Level::k2M)
        return RmpStatus::FailOverlap;
    for (u64 i = 0; i < pages; ++i) {
        RmpEntry entry = to;
        entry.validated = false;
        entry.level = i == 0 ? to.level : Level::k4K;
        entry.gfn = {to.gfn.v + i};
        machine_->set(place({pfn.v + i}), encode(entry));
        changed_({pfn.v + i});
    }
    return RmpStatus::Ok;
}

RmpStatus Rmp::psmash(Pfn pfn) {
    Call call(sim_, "psmash");
    sim_.step(Site::RmpSet);
    RmpEntry first = get(pfn);
    if (first.level != Level::k2M)
        return RmpStatus::FailInput;
    first.level = Level::k4K;
    machine_->set(place(pfn), encode(first));
    for (u64 i = 0; i < pagesPer(Level::k2M); ++i)
        changed_({pfn.v + i});
    return RmpStatus::Ok;
}

void Rmp::setValidated(Pfn pfn, bool validated) {
    RmpEntry entry = get(pfn);
    for (u64 i = 0; i < pagesPer(entry.level); ++i) {
        RmpEntry part = get({pfn.v + i});
        part.validated = validated;
        machine_->set(place({pfn.v + i}), encode(part));
    }
}

} // namespace mirrorscope
