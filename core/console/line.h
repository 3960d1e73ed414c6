// SPDX-License-Identifier: GPL-3.0-or-later
// The words of one line of the console, and where each of them stands.
#pragma once

#include "console/console.h"

#include "base/text.h"

#include <algorithm>
#include <cctype>

namespace mirrorscope {

// The row of that name or short name, else the one that alone begins so, as gdb has it. Null: none, or several.
const ConsoleWord* wordIn(std::span<const ConsoleWord> table, std::string_view text);
// "; `break`?", or nothing where nothing is near; `before`: what stands in front of the word.
std::string meantIn(std::span<const ConsoleWord> table, std::string_view text, std::string_view before = "");

struct Console::Line {
    struct Word {
        std::string text;
        std::size_t column = 1;
    };
    std::vector<Word> words;
    std::size_t next = 0;
    std::size_t end = 1; // column behind the last one

    explicit Line(std::string_view line) {
        for (std::size_t at = 0; at < line.size();) {
            while (at < line.size() && std::isspace(static_cast<unsigned char>(line[at])) != 0)
                ++at;
            if (at == line.size() || line[at] == '#')
                break;
            const std::size_t begin = at;
            while (at < line.size() && std::isspace(static_cast<unsigned char>(line[at])) == 0)
                ++at;
            words.push_back({std::string(line.substr(begin, at - begin)), begin + 1});
            end = at + 1;
        }
    }
    bool more() const { return next < words.size(); }
    const std::string& peek() const { return words[next].text; }
    std::size_t column() const { return more() ? words[next].column : end; }
    // The next word; `what` is said where there is none.
    std::string take(std::string_view what) {
        if (!more())
            throw ConsoleError(end, std::string(what) + " is missing");
        return words[next++].text;
    }
    bool takeIf(std::string_view word) {
        if (!more() || peek() != word)
            return false;
        ++next;
        return true;
    }
    // The words up to one of `stops`, with a blank between.
    std::string rest(std::initializer_list<std::string_view> stops = {}) {
        std::string text;
        for (; more() && std::find(stops.begin(), stops.end(), std::string_view(peek())) == stops.end(); ++next)
            text += (text.empty() ? "" : " ") + peek();
        return text;
    }
    u64 number(std::string_view what, std::optional<u64> fallback = {}) {
        if (!more() && fallback)
            return *fallback;
        const std::size_t at = column();
        const std::string word = take(what);
        const auto value = parseNumber(word);
        if (!value)
            throw ConsoleError(at, "`" + word + "` is no number");
        return *value;
    }
    void done() const {
        if (more())
            throw ConsoleError(column(), "`" + peek() + "` is too much");
    }
};

} // namespace mirrorscope
