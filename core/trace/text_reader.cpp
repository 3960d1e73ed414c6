// SPDX-License-Identifier: GPL-3.0-or-later
#include "trace/text_reader.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <utility>

namespace mirrorscope {

namespace {
constexpr std::size_t kLongestLine = 4096;
constexpr unsigned kMostJoined = 4;
constexpr std::size_t kMostNames = 256; // of events that are of no concern

bool isDigit(char c) { return c >= '0' && c <= '9'; }
bool isName(char c) { return (c >= 'a' && c <= 'z') || isDigit(c) || c == '_' || (c >= 'A' && c <= 'Z'); }

std::string_view trimmed(std::string_view text) {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t'))
        text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t' || text.back() == '\r'))
        text.remove_suffix(1);
    return text;
}

bool decimal(std::string_view text, u64& value) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc() && end == text.data() + text.size() && !text.empty();
}

// "72276.115679", in nanoseconds.
bool timeOf(std::string_view text, u64& ns) {
    const std::size_t dot = text.find('.');
    u64 seconds = 0, part = 0;
    if (dot == std::string_view::npos || dot > 10 || !decimal(text.substr(0, dot), seconds) || !decimal(text.substr(dot + 1), part))
        return false;
    const std::size_t digits = text.size() - dot - 1;
    if (digits > 9)
        return false;
    for (std::size_t i = digits; i < 9; ++i)
        part *= 10;
    ns = seconds * 1'000'000'000 + part;
    return true;
}
} // namespace

void TraceCounts::allCounted() {
    for (unsigned i = 0; i < kTraceKinds; ++i)
        if (const u64 n = std::exchange(ofKind[i], 0); n != 0)
            kinds[std::string(info(static_cast<TraceKind>(i)).name)] += n;
}

void TextReader::feed(std::string_view bytes) {
    while (!bytes.empty()) {
        const auto* end = static_cast<const char*>(std::memchr(bytes.data(), '\n', bytes.size()));
        const std::size_t length = end == nullptr ? bytes.size() : static_cast<std::size_t>(end - bytes.data());
        if (end != nullptr && rest_.empty() && !overlong_) {
            line(bytes.substr(0, std::min(length, kLongestLine)));
        } else {
            const std::size_t room = kLongestLine - std::min(kLongestLine, rest_.size());
            rest_.append(bytes.substr(0, std::min(length, room)));
            overlong_ |= length > room;
            if (end != nullptr) {
                line(rest_);
                rest_.clear();
                overlong_ = false;
            }
        }
        bytes.remove_prefix(std::min(length + 1, bytes.size()));
    }
}

void TextReader::flush() {
    if (held_.empty())
        return;
    held_.clear();
    ++counts_.skipped;
    ++counts_.cut;
}

void TextReader::finish() {
    if (!rest_.empty())
        line(rest_);
    rest_.clear();
    flush();
    counts_.allCounted();
}

void TextReader::give(const TraceEvent& event) {
    counts_.count(event.kind);
    sink_.event(event);
}

bool TextReader::header(std::string_view text) {
    if (text.empty())
        return true;
    if (text[0] == '#') {
        // "# entries-in-buffer/entries-written: 91770/120000   #P:2": the oldest were overwritten.
        if (const std::size_t at = text.find("entries-written:"); at != std::string_view::npos) {
            std::string_view numbers = trimmed(text.substr(at + 16));
            numbers = numbers.substr(0, numbers.find(' '));
            const std::size_t slash = numbers.find('/');
            u64 kept = 0, written = 0;
            if (slash != std::string_view::npos && decimal(numbers.substr(0, slash), kept) && decimal(numbers.substr(slash + 1), written) &&
                written > kept) {
                counts_.lost += written - kept;
                u64 cpus = 1; // "#P:2"
                if (const std::size_t p = text.find("#P:"); p != std::string_view::npos)
                    std::from_chars(text.data() + p + 3, text.data() + text.size(), cpus);
                sink_.lost({.events = written - kept,
                            .line = static_cast<u32>(counts_.lines),
                            .cpusBegin = static_cast<u16>(std::clamp<u64>(cpus, 1, 0xffff))});
            }
        }
        return true;
    }
    if (text.starts_with("cpus=") || text.starts_with("version = ") || text == "--" ||
        (text.starts_with("CPU ") && text.ends_with("is empty")))
        return true;
    // "CPU:1 [LOST 5 EVENTS]", "CPU:1 [5 EVENTS DROPPED]"
    if (text.starts_with("CPU") && text.find("EVENTS") != std::string_view::npos) {
        u64 missing = 0, cpu = TraceLoss::kAny;
        if (text.size() > 4 && text[3] == ':')
            std::from_chars(text.data() + 4, text.data() + text.size(), cpu);
        const std::size_t bracket = text.find('[');
        for (std::size_t i = bracket == std::string_view::npos ? 0 : bracket; i < text.size(); ++i)
            if (isDigit(text[i])) {
                std::from_chars(text.data() + i, text.data() + text.size(), missing);
                break;
            }
        counts_.lost += missing;
        sink_.lost(
            {.events = missing, .line = static_cast<u32>(counts_.lines), .cpu = static_cast<u16>(std::min<u64>(cpu, TraceLoss::kAny))});
        return true;
    }
    return false;
}

void TextReader::line(std::string_view text) {
    ++counts_.lines;
    text = trimmed(text);
    // Quoted in a mail, however often.
    while (!text.empty() && text[0] == '>')
        text = trimmed(text.substr(1));
    if (!held_.empty() && text.empty())
        return; // quoted lines may be broken by empty ones
    if (header(text)) {
        flush();
        return;
    }
    TraceEvent event;
    event.line = static_cast<u32>(counts_.lines);
    const Found found = understand(text, event);
    if (found == Found::Nothing && !held_.empty()) {
        held_.append(1, ' ').append(text);
        event = {};
        event.line = heldLine_;
        if (understand(held_, event) == Found::Event) {
            held_.clear();
            give(event);
        } else if (++joined_ >= kMostJoined || held_.size() > kLongestLine) {
            flush();
        }
        return;
    }
    flush();
    switch (found) {
    case Found::Event: give(event); break;
    case Found::Cut:
        held_ = text;
        heldLine_ = event.line;
        joined_ = 0;
        break;
    case Found::Other:
        if (const auto known = counts_.kinds.find(std::string(other_)); known != counts_.kinds.end())
            ++known->second;
        else if (counts_.kinds.size() < kMostNames)
            counts_.kinds.emplace(other_, 1);
        else
            ++counts_.skipped;
        break;
    case Found::Nothing: ++counts_.skipped; break;
    }
}

// "NAME: ", with the name of a known event, or with any name behind the time.
TextReader::Found TextReader::understand(std::string_view text, TraceEvent& event) {
    std::size_t otherAt = std::string_view::npos;
    bool timed = false;
    for (std::size_t colon = text.find(':'); colon != std::string_view::npos; colon = text.find(':', colon + 1)) {
        std::size_t begin = colon;
        while (begin > 0 && isName(text[begin - 1]))
            --begin;
        const std::string_view name = text.substr(begin, colon - begin);
        if (name.empty())
            continue;
        if (isDigit(name[0])) {
            timed |= begin > 0 && text[begin - 1] == '.';
            continue;
        }
        // Part of another word, such as a file's name.
        if (begin > 0 && text[begin - 1] != ' ' && text[begin - 1] != ':' && text[begin - 1] != '\t')
            continue;
        const auto known = traceKindFromName(name);
        if (!known) {
            if (timed && otherAt == std::string_view::npos && colon + 1 < text.size() && text[colon + 1] == ' ') {
                otherAt = colon;
                other_ = name;
            }
            continue;
        }
        std::size_t before = begin;
        if (before > 0 && text[before - 1] == ':') // "kvmmmu:kvm_tdp_mmu_spte_changed"
            for (--before; before > 0 && isName(text[before - 1]);)
                --before;
        prefix(text.substr(0, before), event);
        if (const auto leaf = *known >= TraceKind::Seamcall ? traceLeafFromName(name) : std::nullopt)
            event.a = static_cast<u64>(*leaf);
        return parseFields(*known, text.substr(colon + 1), event, names_) ? Found::Event : Found::Cut;
    }
    return otherAt != std::string_view::npos ? Found::Other : Found::Nothing;
}

// "comm-pid", or of perf "comm pid"; the name may have blanks and dashes of its own.
u32 TextReader::taskOf(std::string_view text, char between) {
    const std::size_t at = text.rfind(between);
    u64 pid = 0;
    if (at == std::string_view::npos || !decimal(text.substr(at + 1), pid) || pid > 0xffffffff)
        return text.empty() ? 0 : names_.task(text.substr(0, 32), 0);
    return names_.task(trimmed(text.substr(0, at)).substr(0, 32), static_cast<u32>(pid));
}

// Task, CPU, flags and time, as far as they are there.
void TextReader::prefix(std::string_view text, TraceEvent& event) {
    text = trimmed(text);
    if (text.empty())
        return;
    const auto lastToken = [&](std::string_view of) {
        const std::size_t blank = of.find_last_of(" \t");
        return blank == std::string_view::npos ? of : of.substr(blank + 1);
    };
    u64 number = 0;
    std::size_t bracket = text.rfind('[');
    while (bracket != std::string_view::npos) {
        const std::size_t close = text.find(']', bracket);
        if (close != std::string_view::npos && decimal(text.substr(bracket + 1, close - bracket - 1), number))
            break;
        bracket = bracket == 0 ? std::string_view::npos : text.rfind('[', bracket - 1);
    }
    std::string_view last = lastToken(text);
    if (!last.empty() && last.back() == ':')
        last.remove_suffix(1);
    const bool timeLast = timeOf(last, event.time);
    if (bracket != std::string_view::npos) {
        event.cpu = static_cast<u16>(std::min<u64>(number, 0xffff));
        std::string_view task = trimmed(text.substr(0, bracket));
        if (!task.empty() && task.back() == ')') // the thread group, `(  123)` or `(-----)`
            task = trimmed(task.substr(0, task.rfind('(')));
        if (task == lastTask_) {
            event.task = lastTaskIs_;
            return;
        }
        const std::size_t dash = task.rfind('-');
        const std::size_t blank = task.find_last_of(" \t");
        event.task = taskOf(task, dash == std::string_view::npos || (blank != std::string_view::npos && blank > dash) ? ' ' : '-');
        lastTask_ = task;
        lastTaskIs_ = event.task;
        return;
    }
    // "TIME CPU PID COMM", or "COMM PID TIME:"
    const std::string_view first = text.substr(0, text.find_first_of(" \t"));
    u64 cpu = 0, pid = 0;
    if (!timeLast && timeOf(first, event.time)) {
        std::string_view rest = trimmed(text.substr(first.size()));
        const auto next = [&] {
            const std::string_view token = rest.substr(0, rest.find_first_of(" \t"));
            rest = trimmed(rest.substr(token.size()));
            return token;
        };
        if (decimal(next(), cpu) && decimal(next(), pid) && pid <= 0xffffffff) {
            event.cpu = static_cast<u16>(std::min<u64>(cpu, 0xffff));
            event.task = names_.task(rest.substr(0, 32), static_cast<u32>(pid));
        }
    } else if (timeLast) {
        event.task = taskOf(trimmed(text.substr(0, text.size() - lastToken(text).size())), ' ');
    }
}

} // namespace mirrorscope
