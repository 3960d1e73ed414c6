// SPDX-License-Identifier: GPL-3.0-or-later
// The words of the debugger: what they do to a run, what they print, and that a wrong one says what was meant and does nothing.
#include "console/console.h"
#include "support/run.h"
#include "support/seed.h"

#include <gtest/gtest.h>

#include <random>

namespace mirrorscope::test {

namespace {
class ConsoleTest : public testing::Test {
protected:
    explicit ConsoleTest(const char* lesson = "01-first-private-page.yaml")
        : session(loadScenario((kSource / "scenarios/lessons" / lesson).string())), console(session, points) {}
    std::string say(const std::string& line) {
        try {
            return console.execute(line);
        } catch (const ConsoleError& error) {
            return "error at " + std::to_string(error.column) + ": " + error.what();
        }
    }
    static bool has(const std::string& text, const std::string& what) { return text.find(what) != std::string::npos; }

    Session session;
    StopPoints points;
    Console console;
};
} // namespace

TEST_F(ConsoleTest, runs_to_a_site_and_back_and_says_where_it_stands) {
    EXPECT_EQ(say("b spte.freeze"), "Breakpoint 1 at spte.freeze\n");
    const std::string first = say("c");
    EXPECT_TRUE(has(first, "Breakpoint 1, spte.freeze")) << first;
    EXPECT_TRUE(has(first, "none → frozen")) << first;
    const u64 at = session.position();
    EXPECT_EQ(session.stepBrief(at - 1).second, Site::SpteFreeze);
    EXPECT_EQ(say("p position"), std::to_string(at) + "\n");
    say("c");
    EXPECT_GT(session.position(), at);
    say("rc");
    EXPECT_EQ(session.position(), at);
    say("delete");
    EXPECT_TRUE(has(say("rc"), "The beginning of the run."));
    EXPECT_TRUE(has(say("c"), "The script pauses here."));
    EXPECT_TRUE(has(say("c"), "The end of the run."));
    EXPECT_EQ(session.position(), session.end());
}

TEST_F(ConsoleTest, steps_forth_and_back_as_the_keys_do) {
    say("step 5");
    EXPECT_EQ(session.position(), 5u);
    say("rs 2");
    EXPECT_EQ(session.position(), 3u);
    const u64 over = session.overCall(3);
    say("next");
    EXPECT_EQ(session.position(), over);
    say("goto 20");
    const u64 out = session.outOfCall(20);
    say("fin");
    EXPECT_EQ(session.position(), out);
    say("goto +7");
    EXPECT_EQ(session.position(), out + 7);
    say("ss");
    EXPECT_EQ(session.position(), session.nextScriptPosition(out + 7));
    say("goto end");
    EXPECT_EQ(session.position(), session.end());
    say("restart");
    EXPECT_EQ(session.position(), 0u);
}

TEST_F(ConsoleTest, a_watchpoint_tells_the_old_value_and_the_new_one) {
    say("c");
    EXPECT_EQ(say("watch mirror 0x4000"), "Watchpoint 1 at mirror 0x4000 4K\n");
    const std::string text = say("c");
    EXPECT_TRUE(has(text, "Watchpoint 1, mirror 0x4000 4K")) << text;
    EXPECT_TRUE(has(text, "old 0x80000000000005a0")) << text;
    EXPECT_EQ(session.stateName(Column::Mirror, session.cell(Column::Mirror, {4}, Level::k4K)), "leaf");
    // The same word by its physical address.
    const u64 address = session.cell(Column::Mirror, {4}, Level::k4K).place.v * u64{8};
    say("delete");
    char word[32];
    std::snprintf(word, sizeof word, "watch *0x%llx", static_cast<unsigned long long>(address));
    say(word);
    const u64 leaf = session.position();
    say("rc");
    say("c");
    EXPECT_EQ(session.position(), leaf);
    std::snprintf(word, sizeof word, "x/2gx 0x%llx", static_cast<unsigned long long>(address));
    const std::string memory = say(word);
    EXPECT_TRUE(has(
        memory, "0x" +
                    [&] {
                        char raw[32];
                        std::snprintf(raw, sizeof raw, "%016llx",
                                      static_cast<unsigned long long>(session.cell(Column::Mirror, {4}, Level::k4K).raw));
                        return std::string(raw);
                    }()))
        << memory;
}

TEST_F(ConsoleTest, tells_of_locks_actors_registers_translations_and_entries) {
    say("b PAGE.AUG");
    say("c 2"); // a pause is a stop, too
    while (!has(say("info registers"), "TDH.MEM.PAGE.AUG") && session.position() < session.end())
        say("c");
    const std::string locks = say("info locks");
    EXPECT_TRUE(has(locks, "mmu_lock")) << locks;
    EXPECT_TRUE(has(locks, "vcpu0   reads")) << locks;
    EXPECT_TRUE(has(say("p mmu_lock"), "mmu_lock: vcpu0 reads"));
    const std::string results = say("info results");
    EXPECT_TRUE(has(results, "finalize-vm → ok")) << results;
    EXPECT_FALSE(has(results, "accept")) << "it has not returned yet: " << results;
    const std::string actors = say("info vcpus");
    EXPECT_TRUE(has(actors, "▶ vcpu0")) << actors;
    const std::string stack = say("bt");
    EXPECT_TRUE(has(stack, "#0 ")) << stack;
    EXPECT_TRUE(has(stack, "kvm_tdp_mmu_map")) << stack;
    const std::string call = say("info registers");
    EXPECT_TRUE(has(call, "RCX   0x0000000000004000  gpa, level")) << call;
    EXPECT_FALSE(has(call, "RAX")) << "it has not returned: " << call;
    say("delete");
    say("goto end");
    EXPECT_TRUE(has(say("info registers"), "RAX → 0x0000000000000000  TDX_SUCCESS"));
    EXPECT_TRUE(has(say("info tlb vcpu0"), "private 0x4000"));
    EXPECT_FALSE(has(say("info tlb"), "not flushed"));
    const std::string entry = say("p mirror 0x4000");
    EXPECT_TRUE(has(entry, "mirror 0x4000 4K = ")) << entry;
    EXPECT_TRUE(has(entry, "MMU-writable")) << entry;
    EXPECT_EQ(say("p *entry"), entry);
    EXPECT_EQ(say("info entry"), entry);
    EXPECT_TRUE(has(say("history"), "frozen → leaf"));
    say("writer");
    EXPECT_LT(session.position(), session.end());
    EXPECT_TRUE(has(say("info roots"), "mirror"));
    EXPECT_TRUE(has(say("info td"), "epoch"));
    EXPECT_TRUE(has(say("list"), "▶"));
    EXPECT_TRUE(has(say("trees"), "0x4000 4K"));
    EXPECT_EQ(say("info violations"), "No rule was violated up to here.\n");
}

TEST_F(ConsoleTest, breakpoints_are_listed_changed_and_removed_by_number) {
    const std::string& source = session.scenario().source;
    const auto lineOf = [&](const char* text) {
        return std::to_string(1 + std::count(source.begin(), source.begin() + static_cast<std::ptrdiff_t>(source.find(text)), '\n'));
    };
    const std::string accept = lineOf("- {accept: 0x4000");
    say("b " + accept + " if actor:vcpu0 nth 2");
    say("tbreak mmu_lock");
    say("b kvm_tdp_mmu_map");
    say("b status:BUSY or leaf:TRACK");
    const std::string list = say("info b");
    EXPECT_TRUE(has(list, "line " + accept + " if actor:vcpu0, the 2. time")) << list;
    EXPECT_TRUE(has(list, "mmu_lock, once")) << list;
    EXPECT_TRUE(has(list, "kvm_tdp_mmu_map()")) << list;
    EXPECT_TRUE(has(list, "status:BUSY or leaf:TRACK")) << list;
    EXPECT_EQ(say("disable 1"), "");
    EXPECT_TRUE(has(say("info b"), "1   breakpoint  off"));
    say("enable 1");
    say("condition 1");
    say("nth 1 0");
    EXPECT_TRUE(has(say("info b"), "on   line " + accept + "\n"));
    // Once is once.
    say("c");
    EXPECT_FALSE(has(say("info b"), "once"));
    EXPECT_TRUE(has(say("until spte.set"), "spte.set"));
    EXPECT_FALSE(has(say("info b"), "spte.set")) << "until is in no list";
    say("delete 3");
    EXPECT_FALSE(has(say("info b"), "kvm_tdp_mmu_map()"));
    EXPECT_TRUE(has(say("b " + lineOf("expect:\n")), "no step of this run begins there"));
}

// What an attack on it found.
TEST_F(ConsoleTest, corners_of_running_and_naming) {
    // A comment completes to nothing, wherever it begins.
    for (const char* begun : {"#", " #", "#x", "b # spte", ""})
        EXPECT_EQ(console.complete(begun).empty(), std::string(begun).find('#') != std::string::npos) << begun;
    // `until` passes pauses, and one that is given up leaves nothing behind.
    say("goto 0");
    EXPECT_FALSE(has(say("until actor:rcu"), "pauses"));
    say("goto 0");
    say("b spte.freeze");
    console.execute("until actor:nobody", std::chrono::steady_clock::now() - std::chrono::seconds(1));
    EXPECT_TRUE(console.pending());
    console.cancel();
    EXPECT_TRUE(has(say("c"), "Breakpoint 1, spte.freeze"));
    say("delete");
    // Once is once, on the way to the third stop, too.
    say("goto 0");
    say("tbreak actor:vcpu0");
    EXPECT_TRUE(has(say("c 3"), "The end of the run.")) << "one hit, one pause";
    EXPECT_TRUE(points.empty());
    // An entry that no table holds is not the first word of memory; an address that no table reaches is not another one.
    say("goto end");
    EXPECT_FALSE(say("select mirror 0x4000").starts_with("error"));
    say("goto 0");
    EXPECT_TRUE(has(say("watch entry"), "no table holds the selected entry at position 0"));
    EXPECT_TRUE(has(say("x/2gx entry"), "no table holds the selected entry at position 0"));
    say("goto end");
    for (const char* beyond : {"0x1000000004000", "0x4000000000004000", "0xffffffffffffffff"})
        EXPECT_TRUE(has(say(std::string("p mirror ") + beyond), "no table holds an entry")) << beyond;
    // A line with an error has done nothing.
    say("b spte.set");
    for (const std::string line : {"delete 2 2", "disable 2 2", "nth 2 3 9", "b not not", "b and", "condition 2 a and"})
        say(line);
    say("b spte.set");
    const std::string list = say("info b");
    EXPECT_EQ(std::count(list.begin(), list.end(), '\n'), 2) << list;
    EXPECT_FALSE(has(list, "off") || has(list, "time") || has(list, "if")) << list;
}

TEST_F(ConsoleTest, what_is_wrong_is_said_with_its_column_and_what_was_meant) {
    struct Row {
        const char* line;
        const char* error;
    };
    const u64 before = session.position();
    for (const Row& row : {
             Row{"brake spte.freeze", "error at 1: `brake` is no word of the console; `break`?"},
             Row{"b spte.freez",
                 "error at 3: `spte.freez` is no line, site, leaf, rule, lock, actor or function of this run; `spte.freeze`?"},
             Row{"b", "error at 2: where to stop is missing: a line, a site, a leaf, a function, a rule, a lock or a filter"},
             Row{"b spte.set if actr:vcpu0", "error at 15: unknown key `actr`; `actor:`?"},
             Row{"b spte.set if", "error at 14: behind `if` a filter is missing"},
             Row{"b spte.set nth often", "error at 16: `often` is no number"},
             Row{"delete 7", "error at 8: there is no breakpoint 7"},
             Row{"info lock", ""},
             Row{"info lokcs", "error at 6: `info lokcs` is none; `info locks`?"},
             Row{"step now", "error at 6: `now` is no number"},
             Row{"step 1 2", "error at 8: `2` is too much"},
             Row{"goto 999999", "error at 6: the run ends at position"},
             Row{"goto spte.freez", "error at 6: `spte.freez` is no position and no site; `spte.freeze`?"},
             Row{"p *entry", "error at 3: no entry is selected"},
             Row{"watch", "error at 6: an address is missing"},
             Row{"watch *0x3", "error at 7: `*0x3` is no word of memory"},
             Row{"x/4q 0x0", "error at 1: `q` is no format here"},
             Row{"x/4gx 0xffffffffffff", "error at 7: 0xffffffffffff is no word of memory"},
             Row{"bt vcpu7", "error at 4: there is no actor `vcpu7`"},
             Row{"when now", "error at 6: `now` is too much"},
         })
        EXPECT_TRUE(row.error[0] == '\0' ? !say(row.line).starts_with("error") : say(row.line).starts_with(row.error))
            << row.line << ": " << say(row.line);
    EXPECT_EQ(session.position(), before);
    EXPECT_TRUE(points.empty());
    EXPECT_EQ(say("# a comment"), "");
    EXPECT_EQ(say("   "), "");
}

TEST_F(ConsoleTest, every_word_is_explained_and_completes) {
    const std::string all = say("help");
    for (const ConsoleWord& word : consoleWords()) {
        EXPECT_TRUE(has(all, std::string(word.name))) << word.name;
        std::string one = say("help " + std::string(word.name));
        std::replace(one.begin(), one.end(), '\n', ' ');
        EXPECT_TRUE(one.starts_with(std::string(word.name) + " ")) << one;
        EXPECT_TRUE(has(one, std::string(word.help.substr(0, word.help.find(' '))))) << one;
        const auto fits = console.complete(word.name.substr(0, 2));
        EXPECT_NE(std::find(fits.begin(), fits.end(), word.name), fits.end()) << word.name;
    }
    for (const ConsoleWord& topic : consoleTopics()) {
        const auto fits = console.complete("info " + std::string(topic.name.substr(0, 1)));
        EXPECT_NE(std::find(fits.begin(), fits.end(), topic.name), fits.end()) << topic.name;
        EXPECT_FALSE(say("info " + std::string(topic.name)).starts_with("error")) << topic.name;
    }
    const auto contains = [&](const std::string& begun, const std::string& word) {
        const auto fits = console.complete(begun);
        return std::find(fits.begin(), fits.end(), word) != fits.end();
    };
    EXPECT_TRUE(contains("b spte.f", "spte.freeze"));
    EXPECT_TRUE(contains("b TDH.MEM.RANGE.B", "TDH.MEM.RANGE.BLOCK"));
    EXPECT_TRUE(contains("b kvm_tdp", "kvm_tdp_mmu_map"));
    EXPECT_TRUE(contains("b 30 ", "if"));
    EXPECT_TRUE(contains("b 30 if act", "actor:"));
    EXPECT_TRUE(contains("watch mi", "mirror"));
    EXPECT_TRUE(contains("p mmu", "mmu_lock"));
    EXPECT_TRUE(contains("bt vc", "vcpu0"));
}

// Whatever is typed: an answer or an error, the machine at a position of the run, never a crash.
TEST_F(ConsoleTest, takes_any_line) {
    const u64 seed = propertySeed();
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    std::vector<std::string> words{"0",
                                   "1",
                                   "-1",
                                   "0x4000",
                                   "99999999999999999999",
                                   "mirror",
                                   "private",
                                   "shared",
                                   "4K",
                                   "512G",
                                   "if",
                                   "nth",
                                   "or",
                                   "not",
                                   "*entry",
                                   "spte.freeze",
                                   "mmu_lock",
                                   "vcpu0",
                                   "end",
                                   "+3",
                                   "-3",
                                   "\xff\xfe",
                                   "x/99999999999gx",
                                   "entry",
                                   "*0x8",
                                   "spte"};
    for (const ConsoleWord& word : consoleWords())
        if (word.name != "quit")
            words.emplace_back(word.name);
    for (const ConsoleWord& topic : consoleTopics())
        words.emplace_back(topic.name);
    for (unsigned round = 0; round < 3000; ++round) {
        std::string line;
        for (u64 i = random() % 5; i-- > 0;)
            line += words[random() % words.size()] + " ";
        line += words[random() % words.size()];
        say(line);
        ASSERT_LE(session.position(), session.end()) << line;
        ASSERT_FALSE(console.over());
    }
    EXPECT_EQ(say("quit"), "");
    EXPECT_TRUE(console.over());
}

} // namespace mirrorscope::test
