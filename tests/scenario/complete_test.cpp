// SPDX-License-Identifier: GPL-3.0-or-later
// What an editor offers at a place, and what it says of a word. `|` is the cursor.
#include "scenario/complete.h"

#include "base/vocab.h"
#include "scenario/verbs.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace mirrorscope {

namespace {
struct Case {
    const char* text;
    std::vector<const char*> offered, notOffered;
};

std::vector<std::string> wordsAt(std::string text) {
    const std::size_t at = text.find('|');
    text.erase(at, 1);
    std::vector<std::string> words;
    for (const Completion& c : completionsAt(text, at))
        words.push_back(c.text);
    return words;
}
} // namespace

TEST(Complete, offers_what_the_parser_would_take_there) {
    const Case places[] = {
        {"|", {"machine", "script", "expect", "title"}, {"punch-hole", "vm"}},
        {"mirrorscope: 1\nmach|", {"machine"}, {"vm"}},
        {"machine:\n  |", {"vm", "vcpus", "slots", "break"}, {"script", "read"}},
        {"machine: {vm: tdx, |", {"vcpus", "dispatch"}, {"punch-hole"}},
        {"machine:\n  vm: |", {"tdx", "snp", "default"}, {"vcpus"}},
        {"machine: {vm: |", {"tdx", "sw-protected"}, {"vcpus"}},
        {"machine:\n  dispatch: f|", {"fault", "role"}, {}},
        {"machine:\n  ad-bits: |", {"true", "false"}, {}},
        {"machine: {break: [no-|", {"no-freeze", "skip-block"}, {"vm"}},
        {"machine:\n  slots:\n    - {id: 0, |", {"gpa", "size", "backing"}, {"vm", "read"}},
        {"script:\n  - |", {"punch-hole", "race", "vcpu0", "note"}, {"machine"}},
        {"script:\n  - pun|", {"punch-hole"}, {}},
        {"script:\n  - punch-hole: {|", {"gpa", "size"}, {"punch-hole", "leaf"}},
        {"script:\n  - punch-hole: {gpa: 0x4000, |", {"size"}, {"leaf"}},
        {"machine: {|}\nscript: []\n", {"vcpus", "dispatch"}, {"punch-hole", "script"}},
        {"machine: { | }\nscript: []\n", {"vcpus", "dispatch"}, {"punch-hole", "script"}},
        {"script:\n  - punch-hole: {|}\n  - zap-all\n", {"gpa", "size"}, {"punch-hole", "leaf"}},
        {"script:\n  - punch-hole: { | }\n  - zap-all\n", {"gpa", "size"}, {"punch-hole", "leaf"}},
        {"script:\n  - vcpu0: {|", {"read", "accept"}, {"gpa"}},
        {"script:\n  - vcpu0: {read: {gpa: 0, as: |", {"private", "shared"}, {"gpa"}},
        {"script:\n  - seamcall: {leaf: TDH.|", {"TDH.MEM.RANGE.BLOCK", "TDH.MEM.TRACK"}, {"gpa"}},
        {"script:\n  - kernel: {call: |", {"kvm_tdp_mmu_zap_leafs"}, {"gpa"}},
        {"script:\n  - inject: {seamcall: TDH.MEM.TRACK, status: |", {"TDX_OPERAND_BUSY"}, {}},
        {"script:\n  - race:\n      vcpu0:\n        - |", {"read", "accept"}, {"machine"}},
        {"script:\n  - race:\n      |", {"vcpu0", "host", "schedule"}, {"punch-hole"}},
        {"script:\n  - race:\n      vcpu0: [{accept: 0}]\n      schedule:\n        - {vcpu0: |",
         {"until", "done", "spte.freeze"},
         {"read"}},
        {"script:\n  - zap-all\nexpect:\n  - {|", {"tree", "count", "violations"}, {"read"}},
        {"expect:\n  - {tree: |", {"mirror", "secure"}, {"gpa"}},
        {"expect:\n  - {tree: mirror, gpa: 0, is: |", {"frozen", "leaf", "pending"}, {"tree"}},
        {"expect:\n  - {violation: |", {"coherent", "no-stale-tlb"}, {"tree"}},
        {"expect:\n  - {count: TDH.MEM|", {"TDH.MEM.PAGE.AUG"}, {}},
    };
    for (const Case& place : places) {
        const auto words = wordsAt(place.text);
        for (const char* word : place.offered)
            EXPECT_NE(std::find(words.begin(), words.end(), word), words.end()) << place.text << " should offer " << word;
        for (const char* word : place.notOffered)
            EXPECT_EQ(std::find(words.begin(), words.end(), word), words.end()) << place.text << " should not offer " << word;
    }
}

TEST(Complete, explains_every_word_of_the_vocabulary) {
    for (const auto name : siteNames())
        EXPECT_FALSE(helpOn(name).empty()) << name;
    for (const auto name : verbNames())
        EXPECT_FALSE(helpOn(name).empty()) << name;
    for (const auto name : ruleNames())
        EXPECT_FALSE(helpOn(name).empty()) << name;
    for (const auto name : breakNames())
        EXPECT_FALSE(helpOn(name).empty()) << name;
    for (const MachineKey& key : machineKeys())
        EXPECT_FALSE(helpOn(key.name).empty()) << key.name;
    EXPECT_TRUE(helpOn("elephant").empty());
    EXPECT_TRUE(helpOn("").empty());
}

TEST(Complete, a_word_ends_where_the_language_ends_it) {
    const std::string text = "  - {vcpu0: until spte.freeze}, punch-hole";
    EXPECT_EQ(wordAt(text, 6), "vcpu0");
    EXPECT_EQ(wordAt(text, 22), "spte.freeze");
    EXPECT_EQ(wordAt(text, text.size()), "punch-hole");
    EXPECT_EQ(wordAt(text, 3), "");
    EXPECT_EQ(wordAt("", 0), "");
}

TEST(Complete, whatever_the_bytes_it_answers) {
    const std::string nasty = "script: [{{{: ]]}}\n\t- \"unclosed\nmachine: {slots: [[[\n'x: {y\n# note: {\n  -- - -: :\n\xff\xfe{";
    for (std::size_t at = 0; at <= nasty.size(); ++at) {
        completionsAt(nasty, at);
        wordAt(nasty, at);
    }
    completionsAt(nasty, ~std::size_t{0});
}

} // namespace mirrorscope
