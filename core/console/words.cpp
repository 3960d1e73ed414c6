// SPDX-License-Identifier: GPL-3.0-or-later
// What the console knows, as a table; what could come next; and what a breakpoint is at.
#include "console/line.h"

#include "scenario/runner.h"
#include "tdx/module/leaves.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace mirrorscope {

std::span<const ConsoleWord> consoleWords() {
    static constexpr ConsoleWord kWords[] = {
        {"break", "b", "WHERE [if FILTER] [nth N]",
         "stop at a line of the script, a site (spte.freeze), a leaf (BLOCK), a kernel function, a rule, a lock, an actor, or any filter"},
        {"tbreak", "tb", "WHERE [if FILTER]", "the same, once"},
        {"watch", "", "[TREE] GPA [LEVEL] | *ADDRESS [if FILTER] [nth N]", "stop when an entry of a tree, or a word of memory, changes"},
        {"delete", "d", "[NUMBER]", "remove a breakpoint, or all"},
        {"disable", "", "NUMBER", "keep it, but do not stop there"},
        {"enable", "", "NUMBER", "stop there again"},
        {"condition", "", "NUMBER [FILTER]", "stop there only where that fits; none: everywhere"},
        {"nth", "", "NUMBER [N]", "stop there only the N-th time in the run; none: every time"},
        {"continue", "c", "[TIMES]", "run to the next stop, or to the end"},
        {"reverse-continue", "rc", "[TIMES]", "run back to the stop before, or to the beginning"},
        {"step", "s", "[TIMES]", "one micro-step"},
        {"reverse-step", "rs", "[TIMES]", "one micro-step back"},
        {"next", "n", "[TIMES]", "over what the function that acted last calls"},
        {"reverse-next", "rn", "[TIMES]", "the same backwards"},
        {"finish", "fin", "", "until the function that acted last has returned"},
        {"reverse-finish", "rfin", "", "back to before it was called"},
        {"script-step", "ss", "[TIMES]", "run to the next step of the script"},
        {"reverse-script-step", "rss", "[TIMES]", "back to the step before"},
        {"until", "u", "WHERE", "run to there, past everything else"},
        {"goto", "g", "POSITION", "a position: a number, +N, -N, end, or the next micro-step at a site"},
        {"restart", "run", "", "before the first micro-step"},
        {"when", "", "", "where the run stands"},
        {"select", "", "[TREE] GPA [LEVEL]", "the entry that `entry` means from here on"},
        {"print", "p", "*entry | TREE GPA [LEVEL] | LOCK | spte VALUE | position", "what it is, field by field"},
        {"x", "", "/COUNTgx ADDRESS", "words of memory: a physical address; gx hexadecimal, gd decimal"},
        {"history", "", "", "who wrote the selected entry, and when"},
        {"writer", "w", "", "go to the micro-step that wrote the selected entry"},
        {"backtrace", "bt", "[ACTOR]", "the functions that the actor stands in"},
        {"list", "l", "[LINE]", "the script around the line that runs"},
        {"trees", "", "", "the trees side by side"},
        {"info", "i", "WHAT", "breakpoints, results, locks, vcpus, tlb, registers, seamcalls, roots, td, violations, entry"},
        {"echo", "", "TEXT", "print it"},
        {"help", "h", "[WORD]", "these words, or what one of them does"},
        {"quit", "q", "", "no more words"},
    };
    return kWords;
}

std::span<const ConsoleWord> consoleTopics() {
    static constexpr ConsoleWord kTopics[] = {
        {"breakpoints", "b", "", "their numbers, conditions, and whether they can stop this run"},
        {"results", "", "", "what the steps returned up to here"},
        {"locks", "", "", "who holds which lock, and who waits"},
        {"vcpus", "threads", "", "every actor: what it does and where it stands"},
        {"tlb", "", "[VCPU]", "the translations that a vCPU has cached"},
        {"registers", "r", "", "of the SEAMCALL that is under way, or was last"},
        {"seamcalls", "", "", "the last ones, with their status"},
        {"roots", "", "", "the roots of the trees and who holds them"},
        {"td", "", "", "the TD: life cycle, epoch, references"},
        {"violations", "", "", "rules that were violated up to here"},
        {"entry", "", "", "the selected entry"},
    };
    return kTopics;
}

namespace {
bool isWord(const ConsoleWord& word, std::string_view text) {
    return word.name == text || (!word.shortName.empty() && word.shortName == text);
}
} // namespace

const ConsoleWord* wordIn(std::span<const ConsoleWord> table, std::string_view text) {
    const ConsoleWord* begun = nullptr;
    std::size_t fits = 0;
    for (const ConsoleWord& word : table) {
        if (isWord(word, text))
            return &word;
        if (word.name.starts_with(text)) {
            begun = &word;
            ++fits;
        }
    }
    return fits == 1 ? begun : nullptr;
}

std::string meantIn(std::span<const ConsoleWord> table, std::string_view text, std::string_view before) {
    std::vector<std::string_view> names;
    for (const ConsoleWord& word : table)
        names.push_back(word.name);
    const auto meant = nearest(text, names);
    return meant ? fmt::format("; `{}{}`?", before, *meant) : std::string();
}

namespace {
std::string lower(std::string_view text) {
    std::string out(text);
    std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return out;
}

// The functions that the run stood in.
std::set<std::string> functionsOf(const Session& session) {
    std::set<std::string> names;
    const CallPaths& paths = session.system().sim().paths();
    std::set<u32> seen;
    for (u64 n = 0; n < session.end(); ++n)
        for (u32 path = session.system().machine().step(n).path; path != 0 && seen.insert(path).second; path = paths.parent(path))
            names.insert(paths.names(path).back());
    return names;
}
} // namespace

StopPoint Console::event(const std::string& filter, const std::string& text) {
    StopPoint point;
    std::string error;
    point.filter = EventFilter::parse(filter, error);
    point.text = text;
    return point;
}

StopPoint Console::readStop(Line& line) const {
    const std::size_t at = line.column();
    const std::string what = line.rest({"if", "nth"});
    if (what.empty())
        throw ConsoleError(at, "where to stop is missing: a line, a site, a leaf, a function, a rule, a lock or a filter");
    StopPoint point;
    const std::string word = lower(what);
    const auto number = parseNumber(what);
    const auto oneOf = [&](std::span<const std::string_view> names) { return std::find(names.begin(), names.end(), word) != names.end(); };
    if (number && word.find("0x") == std::string::npos) {
        const auto step = session_.stepLineOf(static_cast<unsigned>(std::min<u64>(*number, ~0u)));
        point.kind = StopPoint::Kind::Line;
        point.line = step.value_or(static_cast<unsigned>(std::min<u64>(*number, ~0u)));
        point.text = fmt::format("line {}", point.line);
    } else if (number) {
        point = event("gpa:" + what, "gpa:" + what);
    } else if (oneOf(siteNames())) {
        point = event("site:" + word, word);
    } else if (oneOf(ruleNames())) {
        point = event("rule:" + word, word);
    } else if (session_.actorFromName(word)) {
        point = event("actor:" + word, word);
    } else if (what.find(':') != std::string::npos || what.find(' ') != std::string::npos) {
        std::string error;
        point.filter = EventFilter::parse(what, error);
        if (!error.empty())
            throw ConsoleError(at, error);
        point.text = what;
    } else {
        std::vector<std::string_view> locks;
        for (unsigned lock = 0; lock < kLocks; ++lock)
            locks.push_back(name(static_cast<LockId>(lock)));
        const std::string bare = what.ends_with("()") ? what.substr(0, what.size() - 2) : what;
        const auto functions = functionsOf(session_);
        // A leaf by its end: BLOCK, PAGE.AUG; enough letters that it is one.
        std::optional<std::string> leaf;
        for (const LeafInfo& info : leafTable()) {
            const std::string full = lower(info.name);
            if (full == word || full.ends_with("." + word))
                leaf = std::string(info.name);
        }
        if (oneOf(locks)) {
            point = event("lock:" + word, word);
        } else if (leaf) {
            point = event("leaf:" + *leaf, *leaf);
        } else if (functions.contains(bare)) {
            point = event("fn:" + bare, bare + "()");
        } else {
            std::vector<std::string_view> known(siteNames().begin(), siteNames().end());
            known.insert(known.end(), ruleNames().begin(), ruleNames().end());
            known.insert(known.end(), leafNames().begin(), leafNames().end());
            known.insert(known.end(), locks.begin(), locks.end());
            known.insert(known.end(), functions.begin(), functions.end());
            const auto meant = nearest(what, known);
            throw ConsoleError(at, fmt::format("`{}` is no line, site, leaf, rule, lock, actor or function of this run{}", what,
                                               meant ? "; `" + *meant + "`?" : ""));
        }
    }
    readConditions(line, point);
    return point;
}

// "[if FILTER] [nth N]", in any order.
void Console::readConditions(Line& line, StopPoint& point) {
    while (line.more()) {
        if (line.takeIf("nth")) {
            point.nth = line.number("the count");
            continue;
        }
        if (!line.takeIf("if"))
            line.done();
        const std::size_t at = line.column();
        std::string error;
        point.conditionText = line.rest({"nth"});
        point.condition = EventFilter::parse(point.conditionText, error);
        if (!error.empty() || point.condition.empty())
            throw ConsoleError(at, error.empty() ? "behind `if` a filter is missing" : error);
    }
}

std::string Console::breakAt(Line& line, bool once) {
    StopPoint point = readStop(line);
    point.once = once;
    const std::string text = point.text;
    const bool can = canStop(session_, point);
    const unsigned id = points_.add(std::move(point));
    return fmt::format("Breakpoint {} at {}{}\n", id, text, can ? "" : " (no step of this run begins there)");
}

std::string Console::help(Line& line) const {
    if (!line.more()) {
        std::string text;
        for (const ConsoleWord& word : consoleWords())
            text += wrapped(
                word.help,
                fmt::format("{:<26}", fmt::format("{}{}", word.name, word.shortName.empty() ? "" : fmt::format(", {}", word.shortName))),
                26);
        return text;
    }
    const std::size_t at = line.column();
    const std::string asked = line.rest();
    for (const auto& table : {consoleWords(), consoleTopics()})
        for (const ConsoleWord& word : table)
            if (isWord(word, asked) ||
                (asked.starts_with("info ") && table.data() == consoleTopics().data() && isWord(word, asked.substr(5))))
                return wrapped(fmt::format("{} {}: {}", word.name, word.arguments, word.help), "", 2);
    throw ConsoleError(at, "`" + asked + "` is no word of the console");
}

std::vector<std::string> Console::complete(std::string_view begun) const {
    const Line line(begun);
    // Behind a # nothing is a word.
    const std::size_t hash = begun.find('#');
    if (hash != std::string_view::npos && (hash == 0 || std::isspace(static_cast<unsigned char>(begun[hash - 1])) != 0))
        return {};
    const bool between = begun.empty() || std::isspace(static_cast<unsigned char>(begun.back())) != 0;
    const std::size_t which = line.words.size() - (between ? 0 : 1);
    const std::string prefix = between ? "" : line.words.back().text;
    std::vector<std::string> fits;
    const auto add = [&](std::string_view word) {
        if (word.starts_with(prefix) && std::find(fits.begin(), fits.end(), word) == fits.end())
            fits.emplace_back(word);
    };
    const auto addAll = [&](const auto& words) {
        for (const auto& word : words)
            add(word);
    };
    if (which == 0) {
        for (const ConsoleWord& word : consoleWords())
            add(word.name);
        return fits;
    }
    std::string_view verb;
    for (const ConsoleWord& word : consoleWords())
        if (isWord(word, line.words[0].text))
            verb = word.name;
    if (which == 1 && verb == "info")
        for (const ConsoleWord& topic : consoleTopics())
            add(topic.name);
    if (which == 1 && verb == "help")
        for (const ConsoleWord& word : consoleWords())
            add(word.name);
    const bool filter = which > 1 && (verb == "break" || verb == "tbreak" || verb == "condition" || verb == "watch");
    if (verb == "break" || verb == "tbreak" || verb == "until" || verb == "goto" || filter) {
        if (which == 1) {
            addAll(siteNames());
            if (verb != "goto") {
                addAll(leafNames());
                addAll(ruleNames());
                for (unsigned lock = 0; lock < kLocks; ++lock)
                    add(name(static_cast<LockId>(lock)));
                addAll(functionsOf(session_));
            }
        }
        if (verb != "goto")
            for (const auto& [key, help] : EventFilter::keys())
                add(std::string(key) + ":");
        if (filter) {
            add("if");
            add("nth");
        }
    }
    if (verb == "watch" || verb == "select" || verb == "print")
        for (const Column column : {Column::Mirror, Column::Private, Column::Shared})
            if (session_.hasColumn(column))
                add(treeName(column));
    if (verb == "print") {
        add("*entry");
        add("position");
        add("spte");
        for (unsigned lock = 0; lock < kLocks; ++lock)
            add(name(static_cast<LockId>(lock)));
    }
    if (verb == "backtrace" || (verb == "info" && which == 2))
        for (const ActorId actor : session_.actors())
            add(session_.actorName(actor));
    return fits;
}

} // namespace mirrorscope
