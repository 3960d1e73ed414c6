// SPDX-License-Identifier: GPL-3.0-or-later
#include "base/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

namespace mirrorscope {

namespace {
constexpr std::array<std::string_view, 6> kLevelNames{"-", "4K", "2M", "1G", "512G", "256T"};

unsigned editDistance(std::string_view a, std::string_view b) {
    std::vector<unsigned> row(b.size() + 1);
    for (unsigned j = 0; j <= b.size(); ++j)
        row[j] = j;
    for (unsigned i = 1; i <= a.size(); ++i) {
        unsigned diagonal = row[0];
        row[0] = i;
        for (unsigned j = 1; j <= b.size(); ++j) {
            const unsigned above = row[j];
            row[j] = std::min({row[j] + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
            diagonal = above;
        }
    }
    return row[b.size()];
}
} // namespace

std::string singleQuoted(std::string_view text) {
    std::string out = "'";
    for (const char c : text)
        out += c == '\'' ? std::string("'\\''") : std::string(1, c);
    return out + "'";
}

std::string hex(u64 value) { return fmt::format("{:#x}", value); }
std::string hex16(u64 value) { return fmt::format("0x{:016x}", value); }

std::string_view levelName(Level level) { return kLevelNames[number(level)]; }

std::optional<Level> levelFromName(std::string_view name) {
    for (unsigned n = 1; n < kLevelNames.size(); ++n)
        if (kLevelNames[n] == name)
            return levelOf(n);
    return std::nullopt;
}

std::string sizeText(u64 bytes) {
    constexpr std::string_view suffixes = "TGMK";
    for (unsigned i = 0; i < suffixes.size(); ++i) {
        const unsigned shift = 40 - 10 * i;
        if (bytes != 0 && (bytes & ((1ull << shift) - 1)) == 0)
            return fmt::format("{}{}", bytes >> shift, suffixes[i]);
    }
    return std::to_string(bytes);
}

std::optional<u64> parseNumber(std::string_view text) {
    int base = 10;
    if (text.size() > 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
        base = 16;
        text.remove_prefix(2);
    }
    u64 value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
    if (error != std::errc{} || end == text.data())
        return std::nullopt;
    const std::string_view suffix(end, static_cast<std::size_t>(text.data() + text.size() - end));
    if (suffix.empty())
        return value;
    if (suffix.size() != 1)
        return std::nullopt;
    const auto power = std::string_view("KMGT").find(suffix[0]);
    if (power == std::string_view::npos)
        return std::nullopt;
    const unsigned shift = 10 * (static_cast<unsigned>(power) + 1);
    if (value >> (64 - shift) != 0)
        return std::nullopt;
    return value << shift;
}

std::string gpaHex(Gfn gfn) { return fmt::format("{:#x}{}", gpaOf(gfn), isSmm(gfn) ? " in SMM" : ""); }

std::string aliasedGpa(Gfn gfn, Alias alias) {
    return fmt::format("{} {:#x}", alias == Alias::Private ? "private" : "shared", gfn.v << 12);
}

std::size_t characters(std::string_view text) {
    return static_cast<std::size_t>(
        std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

std::vector<std::string> linesWithin(std::string_view text, std::size_t width) {
    std::vector<std::string> lines(1);
    std::size_t length = 0;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find(' '), text.size());
        std::string_view word = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        if (length != 0 && length + 1 + characters(word) > width) {
            lines.emplace_back();
            length = 0;
        }
        while (characters(word) > width) { // only names are as long, which are of one byte a character
            lines.back() += word.substr(0, width);
            word.remove_prefix(width);
            lines.emplace_back();
        }
        if (word.empty())
            continue;
        lines.back() += (length == 0 ? "" : " ") + std::string(word);
        length += (length == 0 ? 0 : 1) + characters(word);
    }
    if (lines.back().empty() && lines.size() > 1)
        lines.pop_back();
    return lines;
}

std::string counted(u64 n, std::string_view one, std::string_view many) {
    return fmt::format("{} {}{}", n, n == 1 || many.empty() ? one : many, n != 1 && many.empty() ? "s" : "");
}

std::string wrapped(std::string_view text, std::string_view first, std::size_t indent) {
    constexpr std::size_t kWidth = 78;
    constexpr std::size_t kFirst = 48;
    std::string out(first);
    std::size_t width = characters(first.substr(first.rfind('\n') + 1));
    if (width > kFirst) {
        while (out.ends_with(' '))
            out.pop_back();
        out += "\n" + std::string(indent, ' ');
        width = indent;
    }
    bool empty = true; // nothing stands in this line yet
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = std::min(text.find(' ', at), text.size());
        const std::string_view word = text.substr(at, end - at);
        if (!empty && width + 1 + characters(word) > kWidth) {
            out.erase(out.find_last_not_of(' ') + 1);
            out += "\n" + std::string(indent, ' ');
            width = indent;
            empty = true;
        }
        if (!empty) {
            out += ' ';
            ++width;
        }
        out += word;
        width += characters(word);
        empty = false;
        at = end + 1;
    }
    return out + "\n";
}

std::optional<std::string> nearest(std::string_view word, std::span<const std::string_view> candidates) {
    std::string_view best;
    unsigned bestDistance = ~0u;
    for (const auto candidate : candidates) {
        unsigned distance = editDistance(word, candidate);
        if (!word.empty() && candidate.starts_with(word))
            distance = std::min(distance, 1u);
        if (distance < bestDistance) {
            bestDistance = distance;
            best = candidate;
        }
    }
    if (best.empty() || bestDistance > std::max<std::size_t>(2, word.size() / 2))
        return std::nullopt;
    return std::string(best);
}

std::string xmlText(std::string_view text) {
    std::string out;
    for (const char c : text)
        switch (c) {
        case '<': out += "&lt;"; break;
        case '>': out += "&gt;"; break;
        case '&': out += "&amp;"; break;
        case '"': out += "&quot;"; break;
        default: out += c;
        }
    return out;
}

} // namespace mirrorscope
