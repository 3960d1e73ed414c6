// SPDX-License-Identifier: GPL-3.0-or-later
// A second, naive opinion of what a VM's memory holds: a flat map from page to value and frame, kept by simple rules of what user
// space and guest asked for. It shares no code with the core: it reads the machine's words and knows the bits of an entry by itself.
//
// Where actors interleave, several values are possible for a page; whichever is found first becomes the only one.
#pragma once

#include "system/system.h"

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace mirrorscope::test {

// One step of a random stream, and how it ended.
struct StreamOp {
    std::string verb = {};
    int actor = -1; // a vCPU; -1 and below the host's actors
    u64 gfn = 0;
    u64 pages = 1;
    bool shared = false; // `as`
    u64 value = 0;
    unsigned slot = 0;
    std::string arguments = {}; // as written in the scenario

    bool completed = false; // without errno, exit, exception or status
    u64 found = 0;
};

class NaiveMemory {
public:
    struct Slot {
        u64 base = 0, pages = 0;
        u64 block = 1;     // the host's page: whole blocks are dropped and moved
        bool file = false; // guest_memfd behind it
        bool there = true;
        u64 instance = 0; // a slot that was made again has other pages
    };
    NaiveMemory(const MachineConfig& config, std::vector<Slot> slots, bool privateAtFirst);

    void alone(const StreamOp& op);
    void together(const std::vector<StreamOp>& ops);
    // What every walk of the tables that the CPU uses finds now.
    void compare(const System& system);

    const std::vector<std::string>& complaints() const { return complaints_; }

private:
    struct Page {
        std::set<u64> values{0};
        std::optional<u64> frame;
    };
    using Key = std::tuple<bool, u64, u64>; // shared; instance; page of the slot
    const Slot* slotAt(u64 gfn) const;
    Page* page(bool shared, u64 gfn);
    bool isPrivate(u64 gfn) const;
    bool inPlace(const Slot* s) const { return s != nullptr && s->file && config_.has(Feature::InPlaceConversion); }
    std::vector<bool> kindsOf(const StreamOp& op, u64 gfn) const;
    bool mustComplete(const StreamOp& op) const;
    bool mustFail(const StreamOp& op) const;
    void effect(const StreamOp& op, bool certain);
    void lose(bool shared, u64 gfn, bool certain, bool content);
    void readBack(const StreamOp& op);
    void look(const System& system, bool shared, u64 gfn, u64 frame);
    void walk(const System& system, u64 root, bool secure, u64 gfn);
    void complain(const std::string& text) { complaints_.push_back(text); }

    const MachineConfig config_;
    std::vector<Slot> slots_;
    bool privateAtFirst_;
    std::map<u64, bool> attribute_; // private, where it was set
    std::set<u64> undecided_;       // attributes set by several at once
    std::set<u64> touched_;
    std::set<u64> mmio_; // touched while no slot was there: a TD keeps its MMIO entry although a slot comes (so does v6.16)
    std::map<Key, Page> pages_;
    std::map<u64, std::pair<bool, u64>> seen_; // frame -> kind and gfn, of this comparison
    u64 instances_;
    std::vector<std::string> complaints_;
};

} // namespace mirrorscope::test
