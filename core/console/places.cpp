// SPDX-License-Identifier: GPL-3.0-or-later
// Entries and words of memory: naming, watching, printing them.
#include "console/line.h"

#include "scenario/runner.h"
#include "session/style.h"

#include <fmt/format.h>

#include <algorithm>

namespace mirrorscope {

namespace {
constexpr u64 kWordBytes = 8;
} // namespace

// "[TREE] GPA [LEVEL]", in any order of tree and address, or "entry" for the selected one.
Session::Where Console::entry(Line& line) {
    const std::size_t at = line.column();
    if (line.takeIf("entry") || line.takeIf("*entry")) {
        if (!selected_)
            throw ConsoleError(at, "no entry is selected; `select mirror 0x4000` does that");
        return *selected_;
    }
    std::optional<Column> column;
    std::optional<u64> gpa;
    std::optional<Level> level;
    while (line.more()) {
        const std::string& word = line.peek();
        if (const auto c = columnFromName(word); c && !column) {
            if (!session_.hasColumn(*c))
                throw ConsoleError(line.column(), fmt::format("a VM of this kind has no {} tree", word));
            column = c;
        } else if (const auto l = levelFromName(word); l && gpa && !level) { // behind an address it is no other one
            level = l;
        } else if (const auto n = parseNumber(word); n && !gpa) {
            gpa = n;
        } else {
            break;
        }
        line.take("");
    }
    if (!gpa)
        throw ConsoleError(line.column(), line.more() ? fmt::format("`{}` is no address", line.peek()) : "an address is missing");
    const auto found = session_.entryAt({*gpa >> 12}, column, level);
    if (!found)
        throw ConsoleError(at, fmt::format("no table holds an entry for {}{} at position {}", hex(*gpa),
                                           level ? fmt::format(" at {}", levelName(*level)) : "", session_.position()));
    return *found;
}

std::string Console::watch(Line& line) {
    StopPoint point;
    point.kind = StopPoint::Kind::Word;
    if (line.more() && line.peek().starts_with('*') && line.peek() != "*entry") {
        const std::size_t at = line.column();
        const std::string word = line.take("");
        const auto address = parseNumber(word.substr(1));
        const u64 words = session_.frameCount() * 512;
        if (!address || *address % kWordBytes != 0 || *address / kWordBytes >= words)
            throw ConsoleError(at, fmt::format("`{}` is no word of memory: a multiple of 8 below {:#x}", word, words * kWordBytes));
        point.place = Place{*address / kWordBytes};
        point.text = fmt::format("*{:#x}", *address);
    } else {
        const Session::Where where = entry(line);
        const TreeCell cell = session_.cell(where.column, where.gfn, where.level);
        if (!cell.exists)
            throw ConsoleError(line.column(), fmt::format("no table holds the selected entry at position {}", session_.position()));
        point.place = cell.place;
        point.text = session_.nameOf(where);
        selected_ = where;
    }
    readConditions(line, point);
    const std::string text = point.text;
    return fmt::format("Watchpoint {} at {}\n", points_.add(std::move(point)), text);
}

std::string Console::fieldsText(Column column, u64 raw, Level level) const {
    std::string text;
    for (const BitField& f : session_.decode(column, raw, level))
        text += wrapped(fmt::format("{:<18} {:#x}{}", f.name, f.value, f.help.empty() ? "" : "  " + f.help),
                        fmt::format("  {:<6} ", f.high == f.low ? fmt::format("{}", f.high) : fmt::format("{}:{}", f.high, f.low)), 9);
    return text;
}

std::string Console::entryText(const Session::Where& where) const {
    const TreeCell cell = session_.cell(where.column, where.gfn, where.level);
    std::string text = fmt::format("{} = {}  {}\n", session_.nameOf(where), hex16(cell.raw), session_.stateName(where.column, cell));
    if (!cell.exists)
        return text;
    text += fieldsText(where.column, cell.raw, where.level);
    return text + wrapped(session_.explain(where.column, cell, where.level), "  ", 2);
}

std::string Console::print(Line& line) {
    if (line.takeIf("position") || line.takeIf("$position")) {
        line.done();
        return fmt::format("{}\n", session_.position());
    }
    if (line.takeIf("spte")) {
        const u64 raw = line.number("the value of an entry");
        const auto level = line.more() ? levelFromName(line.peek()) : std::optional(Level::k4K);
        if (!level)
            throw ConsoleError(line.column(), fmt::format("`{}` is no level", line.peek()));
        if (line.more())
            line.take("");
        line.done();
        const Column column = session_.hasColumn(Column::Mirror) ? Column::Mirror : Column::Shared;
        return fmt::format("{}  {}\n", hex16(raw), session_.stateNameOfRaw(column, raw, *level)) + fieldsText(column, raw, *level);
    }
    for (unsigned lock = 0; lock < kLocks; ++lock)
        if (line.more() && line.peek() == name(static_cast<LockId>(lock))) {
            line.take("");
            line.done();
            const LockPane pane = session_.lockPane(lock);
            std::string text;
            for (const LockPane::Use& use : pane.now)
                text += fmt::format("{}: {} {} since {}\n", pane.name, use.actor,
                                    use.waits   ? "waits"
                                    : use.write ? "writes"
                                                : "reads",
                                    use.begin + 1);
            return text.empty() ? pane.name + ": free\n" : text;
        }
    const Session::Where where = entry(line);
    line.done();
    selected_ = where;
    return entryText(where);
}

std::string Console::examine(Line& line, std::string_view format) {
    u64 count = 0;
    bool decimal = false;
    for (const char c : format) {
        if (c >= '0' && c <= '9')
            count = std::min<u64>(count * 10 + static_cast<u64>(c - '0'), 1 << 16);
        else if (c == 'd' || c == 'u')
            decimal = true;
        else if (c != 'g' && c != 'x')
            throw ConsoleError(1, fmt::format("`{}` is no format here: a count, g (8 bytes), x or d", c));
    }
    count = std::clamp<u64>(count, 1, 4096);
    const std::size_t at = line.column();
    std::optional<u64> address;
    if (line.more() && (line.peek() == "entry" || line.peek() == "&entry")) {
        line.take("");
        if (!selected_)
            throw ConsoleError(at, "no entry is selected");
        const TreeCell cell = session_.cell(selected_->column, selected_->gfn, selected_->level);
        if (!cell.exists)
            throw ConsoleError(at, fmt::format("no table holds the selected entry at position {}", session_.position()));
        address = cell.place.v * kWordBytes;
    } else {
        address = line.number("an address");
    }
    line.done();
    const u64 words = session_.frameCount() * 512;
    if (*address % kWordBytes != 0 || *address / kWordBytes >= words)
        throw ConsoleError(at, fmt::format("{:#x} is no word of memory: a multiple of 8 below {:#x}", *address, words * kWordBytes));
    std::string text;
    constexpr u64 kInLine = 2;
    for (u64 i = 0; i < count && *address / kWordBytes + i < words; ++i) {
        const u64 place = *address / kWordBytes + i;
        if (i % kInLine == 0)
            text += fmt::format("{}{:#x}:", i == 0 ? "" : "\n", place * kWordBytes);
        const u64 value = session_.system().machine().peek(Place{place});
        text += decimal ? fmt::format("  {:>20}", value) : "  " + hex16(value);
    }
    return text + "\n";
}

std::string Console::history() const {
    if (!selected_)
        return "No entry is selected.\n";
    const TreeCell cell = session_.cell(selected_->column, selected_->gfn, selected_->level);
    if (!cell.exists)
        return "No table holds the selected entry here.\n";
    std::string text;
    for (const HistoryEntry& entry : session_.history(cell.place))
        text += fmt::format("{}{:>8}  {}\n{:>12}{}\n", entry.n + 1 == session_.position() ? "▶ " : "  ", entry.n + 1,
                            session_.changeText(selected_->column, entry.old, entry.now, selected_->level), "", session_.describe(entry));
    return text.empty() ? "Nobody writes it.\n" : text;
}

} // namespace mirrorscope
