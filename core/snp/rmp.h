// SPDX-License-Identifier: GPL-3.0-or-later
// The reverse map table of SEV-SNP: one entry for each frame says who owns it, and where in which guest it belongs (AMD APM volume 2,
// 15.36.3). The instructions that change it are here; each is one micro-step.
//
// An entry is one word of ours (the real ones differ from one family to the next). A 2M entry is in the first frame of its block; the 511
// others repeat owner and gfn as if they were 4K.
#pragma once

#include "machine/frames.h"
#include "machine/injection.h"
#include "sim/sim.h"

#include <functional>
#include <span>
#include <string_view>

namespace mirrorscope {

struct RmpEntry {
    bool assigned = false; // owned by the guest `asid`; else by the host
    bool validated = false;
    Level level = Level::k4K;
    unsigned asid = 0;
    Gfn gfn;

    bool operator==(const RmpEntry&) const = default;
};
// host, assigned, validated
std::string_view stateName(const RmpEntry& entry);

// What the instructions answer.
enum class RmpStatus : u8 {
    Ok = 0,
    FailInput = 1,
    FailPermission = 2,
    FailInUse = 3,
    FailOverlap = 4,
    FailSizeMismatch = 6,
    FailNoUpdate = 255
}; // 255: Linux's PVALIDATE_FAIL_NOUPDATE
std::string_view name(RmpStatus status);
std::optional<RmpStatus> rmpStatusFromName(std::string_view name);
// All but success.
std::span<const std::string_view> rmpStatusNames();

class Rmp {
public:
    static constexpr unsigned kAsid = 1; // there is one guest

    Rmp(Sim& sim, Frames& frames, Regions& regions);
    void attach(Machine& machine) { machine_ = &machine; }

    Place place(Pfn pfn) const { return entries_ + pfn.v; }
    std::optional<Pfn> frameOf(Place place) const {
        if (place < entries_ || place.v >= entries_.v + frames_.count())
            return std::nullopt;
        return Pfn{place.v - entries_.v};
    }
    static RmpEntry decode(u64 word);
    RmpEntry get(Pfn pfn) const { return decode(machine_->get(place(pfn))); }
    RmpEntry peek(Pfn pfn) const { return decode(machine_->peek(place(pfn))); }
    // snp_lookup_rmpentry(): the size of the entry that covers the frame.
    Level levelOf(Pfn pfn) const;

    // What a change of an entry by the host drops on all CPUs: the hardware does not let a checked translation outlive its check.
    void onChange(std::function<void(Pfn)> callback) { changed_ = std::move(callback); }

    // `inject`: the next RMPUPDATEs are answered without being made.
    void inject(RmpStatus status, u64 times, u64 after) { inject_.set(*machine_, static_cast<u64>(status), times, after); }

    bool injectionWaits() const { return inject_.waits(*machine_); }

    // RMPUPDATE by the host: the entry is no longer validated. With level 2M, `pfn` and `gfn` are aligned to it.
    RmpStatus rmpupdate(Pfn pfn, const RmpEntry& to);
    // PSMASH by the host: a 2M entry becomes 512 entries of 4K, validated as before.
    RmpStatus psmash(Pfn pfn);
    // The change that PVALIDATE makes; within the caller's micro-step, which has checked that the entry is the guest's.
    void setValidated(Pfn pfn, bool validated);

private:
    static u64 encode(const RmpEntry& entry);
    Pfn blockOf(Pfn pfn) const { return {pfn.v & ~(pagesPer(Level::k2M) - 1)}; }

    Sim& sim_;
    Frames& frames_;
    Machine* machine_ = nullptr;
    Place entries_;
    Injection inject_;
    std::function<void(Pfn)> changed_;
};

} // namespace mirrorscope
