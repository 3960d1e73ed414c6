// SPDX-License-Identifier: GPL-3.0-or-later
// Filter words over the micro-steps of a run: `leaf:BLOCK actor:vcpu1 not status:SUCCESS or frozen`. All words must fit, up to an `or`;
// `not` (or a `-` before a word) turns one round. A word without a key is looked for in the site, the functions of the call path and
// the states that an entry had and got. Breakpoints, conditions and the list of events are written in the same words.
#pragma once

#include "base/types.h"
#include "base/vocab.h"

#include <bitset>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace mirrorscope {

class EventFilter {
public:
    struct Word {
        enum class Key : u8 { Any, Actor, Site, Leaf, Status, Gpa, Function, Line, Rule, Lock, Result, Was, Is, Tree, Cpu } key = Key::Any;
        std::string text; // lower case
        u64 number = 0;   // of gpa and line
        bool negated = false;
        std::bitset<kSites> sites; // of site, and of a word without a key: those that have the text in their names
        // Looking at who and where costs less than at the state.
        bool cheap() const { return key == Key::Site || key == Key::Actor || key == Key::Line || key == Key::Cpu; }
    };
    using Words = std::vector<Word>; // all of them fit
    // What cannot be understood is said in `error`, which is empty otherwise.
    static EventFilter parse(std::string_view text, std::string& error);
    bool empty() const { return alternatives_.empty(); }
    // One of them fits.
    const std::vector<Words>& alternatives() const { return alternatives_; }
    // Every key with what it looks at, for completion and help.
    static std::vector<std::pair<std::string_view, std::string_view>> keys();

private:
    std::vector<Words> alternatives_;
};

// A micro-step as a line of a list.
struct FoundEvent {
    u64 n = 0;
    std::string actor, site, function; // the innermost one
    std::string what;                  // "mirror 0x4000 4K: none → frozen", "TDH.MEM.PAGE.AUG → TDX_SUCCESS"
};

} // namespace mirrorscope
