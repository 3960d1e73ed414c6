// SPDX-License-Identifier: GPL-3.0-or-later
// What `info`, `bt` and `list` say of the present position.
#include "console/line.h"

#include "base/text.h"
#include "scenario/runner.h"
#include "tdx/module/leaves.h"

#include <fmt/format.h>

#include <algorithm>

namespace mirrorscope {

std::string Console::tell(Line& line) {
    const std::size_t at = line.column();
    const std::string word = line.take("what to tell (breakpoints, locks, vcpus, …)");
    const ConsoleWord* topic = wordIn(consoleTopics(), word);
    if (topic == nullptr)
        throw ConsoleError(at, fmt::format("`info {}` is none{}", word, meantIn(consoleTopics(), word, "info ")));
    const std::string_view name = topic->name;
    if (name == "tlb")
        return infoTlb(line);
    line.done();
    if (name == "breakpoints")
        return infoPoints();
    if (name == "locks")
        return infoLocks();
    if (name == "vcpus")
        return infoActors();
    if (name == "registers")
        return infoRegisters();
    if (name == "seamcalls")
        return infoCalls();
    if (name == "roots")
        return infoRoots();
    if (name == "td")
        return infoTd();
    if (name == "results")
        return infoResults();
    if (name == "violations")
        return infoViolations();
    return selected_ ? entryText(*selected_) : "No entry is selected.\n";
}

std::string Console::infoPoints() const {
    std::string text;
    for (const StopPoint& point : points_.all())
        text += fmt::format("{:<4}{:<12}{:<5}{}{}{}{}{}\n", point.id, point.kind == StopPoint::Kind::Word ? "watchpoint" : "breakpoint",
                            point.enabled ? "on" : "off", point.text, point.conditionText.empty() ? "" : " if " + point.conditionText,
                            point.nth != 0 ? fmt::format(", the {}. time", point.nth) : "", point.once ? ", once" : "",
                            canStop(session_, point) ? "" : ", no step of this run begins there");
    return text.empty() ? "No breakpoints.\n" : text;
}

// The last ones: a script may have a hundred thousand.
std::string Console::infoResults() const {
    constexpr std::size_t kMost = 200;
    std::span<const std::size_t> marks = session_.returnsIn(0, session_.position());
    std::string text;
    if (marks.size() > kMost) {
        text = fmt::format("{} before these\n", marks.size() - kMost);
        marks = marks.last(kMost);
    }
    for (const std::size_t mark : marks)
        if (const auto result = session_.resultOf(mark))
            text += fmt::format("{:<8}line {:<5}{:<8}{}\n", result->position, result->step->line, result->actor, result->text());
    return text.empty() ? "No step has returned yet.\n" : text;
}

std::string Console::infoLocks() const {
    std::string text;
    for (unsigned lock = 0; lock < kLocks; ++lock) {
        const LockPane pane = session_.lockPane(lock);
        for (const LockPane::Use& use : pane.now)
            text += fmt::format("{:<24}{:<8}{:<8}since {}\n", pane.name, use.actor,
                                use.waits   ? "waits"
                                : use.write ? "writes"
                                            : "reads",
                                use.begin + 1);
    }
    return text.empty() ? "No lock is held.\n" : text;
}

std::string Console::infoActors() const {
    std::string text;
    const u64 at = session_.position();
    const ActorId last = at > 0 ? session_.stepBrief(at - 1).first : 0;
    for (const ActorId actor : session_.actors()) {
        const ActorView view = session_.actorView(actor);
        const std::string what = !view.waitsFor.empty() ? "waits for " + view.waitsFor
                                 : view.busy            ? "in " + (view.stack.empty() ? "an operation" : view.stack.back() + "()")
                                                        : "idle";
        text += fmt::format("{} {:<8}{}\n", at > 0 && actor == last ? "▶" : " ", view.name, what);
    }
    return text.empty() ? "Nobody takes a micro-step.\n" : text;
}

std::string Console::infoTlb(Line& line) const {
    std::optional<ActorId> only;
    if (line.more()) {
        const std::size_t at = line.column();
        const std::string word = line.take("");
        only = session_.actorFromName(word);
        if (!only || *only >= session_.system().config().vcpus)
            throw ConsoleError(at, fmt::format("`{}` is no vCPU", word));
    }
    line.done();
    std::string text;
    for (unsigned v = 0; v < session_.system().config().vcpus; ++v) {
        if (only && *only != v)
            continue;
        for (const TlbLine& t : session_.cachedBy(static_cast<ActorId>(v)))
            text += fmt::format("{:<8}{:<24}{:<5}pfn {:<8x}{}  now {}{}{}\n", session_.actorName(t.vcpu), t.address,
                                levelName(t.entry.level), t.entry.pfn.v, t.rights, t.now, t.usable ? "" : ", flushed before the next entry",
                                t.stale ? "  not flushed yet" : "");
    }
    return text.empty() ? "Nothing is cached.\n" : text;
}

std::string Console::infoRegisters() const {
    const auto& calls = session_.lanes().seamcalls();
    const std::size_t after = Lanes::firstFrom(calls, session_.position());
    if (after == 0)
        return "No SEAMCALL yet.\n";
    const Span& span = calls[after - 1];
    const bool returned = span.closed && span.end <= session_.position();
    std::string text = fmt::format("{} by {}, micro-steps {} to {}{}\n", leafName(span), session_.actorName(span.actor), span.begin + 1,
                                   span.end, returned ? "" : ", under way");
    for (const CallRegister& r : session_.registersOf(span))
        if (!r.out || returned)
            text += fmt::format("  {:<4}{} {}  {}\n", r.reg, r.out ? "→" : " ", hex16(r.value), r.name);
    return text;
}

std::string Console::infoCalls() const {
    const auto& calls = session_.lanes().seamcalls();
    const std::size_t after = Lanes::firstFrom(calls, session_.position());
    constexpr std::size_t kShown = 20;
    std::string text;
    for (std::size_t i = after > kShown ? after - kShown : 0; i < after; ++i)
        text += fmt::format("{:>8}  {:<8}{:<24}{}\n", calls[i].begin + 1, session_.actorName(calls[i].actor), leafName(calls[i]),
                            calls[i].closed && calls[i].end <= session_.position() ? statusName(calls[i]) : "under way");
    return text.empty() ? "No SEAMCALL yet.\n" : text;
}

std::string Console::infoRoots() const {
    std::string text;
    constexpr std::array<std::string_view, 3> kTree{"direct", "mirror", "secure"};
    for (const RootView& root : session_.roots())
        text += fmt::format("{:<8}pfn {:<8x}{} levels{}{}{}\n", kTree[static_cast<unsigned>(root.tree)], root.pfn.v, root.levels,
                            root.references ? ", " + counted(*root.references, "reference") : "", root.invalid ? ", invalid" : "",
                            root.smm ? ", of SMM" : "");
    return text.empty() ? "No root yet.\n" : text;
}

std::string Console::infoTd() const {
    const TdView td = session_.td();
    if (!td.exists)
        return "There is no TD here.\n";
    std::string text = fmt::format("life cycle {}, {}, epoch {}, references {} and {}, {} pages\n", td.lifecycle, td.opState, td.epoch,
                                   td.refcount[0], td.refcount[1], td.pages);
    for (std::size_t v = 0; v < td.vcpus.size(); ++v)
        text +=
            fmt::format("vcpu{:<4}{}{}{}{}\n", v, td.vcpus[v].state, td.vcpus[v].exists ? fmt::format(", epoch {}", td.vcpus[v].epoch) : "",
                        td.vcpus[v].inside ? ", in the guest" : "", td.vcpus[v].flushPending ? ", flushes at its next entry" : "");
    return text;
}

std::string Console::infoViolations() const {
    std::string text;
    for (const Violation& v : session_.violations())
        if (v.n < session_.position())
            text += wrapped(fmt::format("{}: {}", info(v.rule).name, v.text), fmt::format("{:>8}  ", v.n + 1), 10);
    return text.empty() ? "No rule was violated up to here.\n" : text;
}

std::string Console::backtrace(Line& line) const {
    const u64 at = session_.position();
    std::optional<ActorId> actor = at > 0 ? std::optional(session_.stepBrief(at - 1).first) : std::nullopt;
    if (line.more()) {
        const std::size_t column = line.column();
        const std::string word = line.take("");
        actor = session_.actorFromName(word);
        if (!actor)
            throw ConsoleError(column, fmt::format("there is no actor `{}`", word));
    }
    line.done();
    if (!actor)
        return "No micro-step was taken yet.\n";
    std::vector<std::string> stack;
    if (at > 0 && session_.stepBrief(at - 1).first == *actor)
        stack = session_.step(at - 1).where;
    else
        stack = session_.actorView(*actor).stack;
    std::string text;
    for (std::size_t i = 0; i < stack.size(); ++i)
        text += fmt::format("#{:<3}{}()\n", i, stack[stack.size() - 1 - i]);
    return text.empty() ? session_.actorName(*actor) + " stands in no function.\n" : text;
}

std::string Console::list(Line& line) const {
    const Step* step = session_.scenario().step(session_.scriptAt(session_.position()));
    const u64 middle = line.number("the line", step != nullptr ? step->line : 1);
    line.done();
    constexpr u64 kAround = 5;
    std::string text;
    const std::string& source = session_.scenario().source;
    u64 number = 1;
    for (std::size_t begin = 0; begin < source.size(); ++number) {
        const std::size_t end = std::min(source.find('\n', begin), source.size());
        if (number + kAround >= middle && number <= middle + kAround)
            text += fmt::format("{}{:>4}  {}\n", step != nullptr && number == step->line ? "▶" : " ", number,
                                source.substr(begin, end - begin));
        begin = end + 1;
    }
    return text;
}

} // namespace mirrorscope
