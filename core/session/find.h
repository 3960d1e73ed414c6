// SPDX-License-Identifier: GPL-3.0-or-later
// Filter words over the micro-steps of a run: `leaf:BLOCK actor:vcpu1 gpa:0x4000 frozen`. All words must fit; a word without a key is
// looked for in the site, the functions of the call path and the states that an entry had and got.
#pragma once

#include "base/types.h"
#include "base/vocab.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace mirrorscope {

class EventFilter {
public:
    struct Word {
        enum class Key : u8 { Any, Actor, Site, Leaf, Status, Gpa, Function, Line, Rule, Lock, Result, Was, Is } key = Key::Any;
        std::string text; // lower case
        u64 number = 0;   // of gpa and line
    };
    // What cannot be understood is said in `error`, which is empty otherwise.
    static EventFilter parse(std::string_view text, std::string& error);
    bool empty() const { return words_.empty(); }
    const std::vector<Word>& words() const { return words_; }
    // Every key with what it looks at, for completion and help.
    static std::vector<std::pair<std::string_view, std::string_view>> keys();

private:
    std::vector<Word> words_;
};

struct FoundEvent {
    u64 n = 0;
    std::string text;
};

} // namespace mirrorscope
