// SPDX-License-Identifier: GPL-3.0-or-later
// One line carried out: running, stopping, breakpoints.
#include "console/console.h"

#include "console/line.h"
#include "export/export.h"
#include "scenario/runner.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

namespace mirrorscope {

Console::Console(Session& session, StopPoints& points) : session_(session), points_(points) {}
Console::~Console() = default;

std::string Console::here() const {
    const u64 at = session_.position();
    if (at == 0)
        return fmt::format("0  before the first of {} micro-steps\n", session_.end());
    const StepView step = session_.step(at - 1);
    const Step* script = session_.scenario().step(step.script);
    return fmt::format("{}  {}{}  {}\n", at, info(step.site).name, script != nullptr ? fmt::format("  line {}", script->line) : "",
                       session_.sentence(at));
}

std::string Console::moved(u64 position) {
    session_.seek(std::min(position, session_.end()));
    return here();
}

std::string Console::stopped(const StopHit& hit) {
    session_.seek(hit.position);
    std::string text;
    if (const StopPoint* point = points_.find(hit.id); point != nullptr && !onlyHere_) {
        text = fmt::format("{} {}, {}\n", point->kind == StopPoint::Kind::Word ? "Watchpoint" : "Breakpoint", point->id, point->text);
        if (point->kind == StopPoint::Kind::Word && hit.position > 0)
            session_.system().machine().forEachChange(hit.position - 1, [&](Place place, u64 delta) {
                const u64 now = session_.system().machine().peek(place);
                if (place == point->place)
                    text += fmt::format("  old {}\n  new {}\n", hex16(now ^ delta), hex16(now));
            });
        if (point->once)
            points_.remove(point->id);
    } else if (hit.pause) {
        const auto& pauses = session_.pauses();
        asked_ = !std::binary_search(pauses.begin(), pauses.end(), hit.position);
        text = asked_ ? "The script asks what will happen.\n" : "The script pauses here.\n";
    } else if (hit.id == 0) {
        text = hit.position == 0 ? "The beginning of the run.\n" : "The end of the run.\n";
    }
    onlyHere_.reset();
    return text + here();
}

StopSearch::Halts Console::halts() const {
    return onlyHere_ ? StopSearch::Halts::None : stopsAtQuestions_ ? StopSearch::Halts::Story : StopSearch::Halts::Pauses;
}

std::string Console::run(bool back, Time until, u64 times) {
    asked_ = false;
    back_ = back;
    times_ = std::max<u64>(times, 1);
    search_ = std::make_unique<StopSearch>(session_, onlyHere_ ? *onlyHere_ : points_, back, halts());
    return more(until);
}

std::string Console::more(Time until) {
    while (search_) {
        if (!search_->more(until))
            return {};
        const StopHit hit = search_->hit();
        search_.reset();
        if (--times_ == 0 || (hit.id == 0 && !hit.pause))
            return stopped(hit);
        // On the way nobody stands anywhere: the session stays where the run began.
        if (const StopPoint* point = points_.find(hit.id); point != nullptr && point->once)
            points_.remove(point->id);
        search_ = std::make_unique<StopSearch>(session_, points_, back_, halts(), hit.position);
    }
    return {};
}

StopPoint& Console::point(Line& line) {
    const std::size_t at = line.column();
    const u64 id = line.number("the number of a breakpoint");
    StopPoint* found = id <= ~0u ? points_.find(static_cast<unsigned>(id)) : nullptr;
    if (found == nullptr)
        throw ConsoleError(at, fmt::format("there is no breakpoint {}", id));
    return *found;
}

std::string Console::changePoint(Line& line, std::string_view word) {
    if (word == "delete" && !line.more()) {
        points_.clear();
        return {};
    }
    // All of the line is read before anything is done.
    StopPoint& changed = point(line);
    if (word == "nth") {
        const u64 nth = line.number("the count", 0);
        line.done();
        changed.nth = nth;
    } else if (word == "condition") {
        const std::size_t at = line.column();
        const std::string text = line.rest();
        std::string error;
        EventFilter filter = EventFilter::parse(text, error);
        if (!error.empty())
            throw ConsoleError(at, error);
        changed.condition = std::move(filter);
        changed.conditionText = text;
    } else {
        line.done();
        if (word == "delete")
            points_.remove(changed.id);
        else
            changed.enabled = word == "enable";
    }
    return {};
}

// A breakpoint that is in no list, and none of the others.
std::string Console::until(Line& line, Time time) {
    StopPoint here = readStop(line);
    onlyHere_ = std::make_unique<StopPoints>();
    onlyHere_->add(std::move(here));
    return run(false, time, 1);
}

std::string Console::goTo(Line& line) {
    const std::size_t at = line.column();
    const std::string word = line.take("the position");
    line.done();
    if (word == "end")
        return moved(session_.end());
    const bool forth = word.starts_with('+'), back = word.starts_with('-');
    if (const auto number = parseNumber(forth || back ? word.substr(1) : word)) {
        const u64 here = session_.position();
        const u64 to = forth ? here + *number : back ? here - std::min(here, *number) : *number;
        if (!forth && to > session_.end())
            throw ConsoleError(at, fmt::format("the run ends at position {}", session_.end()));
        return moved(to);
    }
    const auto site = siteFromName(word);
    if (!site) {
        const auto meant = nearest(word, siteNames());
        throw ConsoleError(at, fmt::format("`{}` is no position and no site{}", word, meant ? "; `" + *meant + "`?" : ""));
    }
    const auto found = session_.nextSite(*site, session_.position());
    return found ? moved(*found) : fmt::format("{} is not reached any more.\n", word);
}

std::string Console::execute(std::string_view text, Time time) {
    Line line(text);
    if (line.words.empty())
        return {};
    const std::size_t at = line.column();
    std::string word = line.take("");
    std::string format;
    if (word.starts_with("x/")) {
        format = word.substr(2);
        word = "x";
    }
    const ConsoleWord* known = wordIn(consoleWords(), word);
    if (known == nullptr)
        throw ConsoleError(at, fmt::format("`{}` is no word of the console{}", word, meantIn(consoleWords(), word)));
    const std::string_view name = known->name;
    const auto often = [&](const std::function<u64(u64)>& one) {
        const u64 times = line.number("how often", 1);
        line.done();
        u64 position = session_.position();
        for (u64 i = 0; i < times; ++i) {
            const u64 next = one(position);
            if (next == position)
                break;
            position = next;
        }
        return moved(position);
    };
    if (name == "break" || name == "tbreak")
        return breakAt(line, name == "tbreak");
    if (name == "watch")
        return watch(line);
    if (name == "delete" || name == "disable" || name == "enable" || name == "condition" || name == "nth")
        return changePoint(line, name);
    if (name == "continue" || name == "reverse-continue") {
        const u64 times = line.number("how often", 1);
        line.done();
        return run(name == "reverse-continue", time, times);
    }
    if (name == "step")
        return often([&](u64 p) { return std::min(p + 1, session_.end()); });
    if (name == "reverse-step")
        return often([&](u64 p) { return p == 0 ? 0 : p - 1; });
    if (name == "next")
        return often([&](u64 p) { return session_.overCall(p); });
    if (name == "reverse-next")
        return often([&](u64 p) { return session_.overCallBack(p); });
    if (name == "script-step")
        return often([&](u64 p) { return session_.nextScriptPosition(p); });
    if (name == "reverse-script-step")
        return often([&](u64 p) { return session_.previousScriptPosition(p); });
    if (name == "until")
        return until(line, time);
    if (name == "goto")
        return goTo(line);
    if (name == "select") {
        selected_ = entry(line);
        line.done();
        return entryText(*selected_);
    }
    if (name == "print")
        return print(line);
    if (name == "x")
        return examine(line, format);
    if (name == "backtrace")
        return backtrace(line);
    if (name == "list")
        return list(line);
    if (name == "info")
        return tell(line);
    if (name == "echo")
        return line.rest() + "\n";
    if (name == "help")
        return help(line);
    line.done(); // the others stand alone
    if (name == "finish")
        return moved(session_.outOfCall(session_.position()));
    if (name == "reverse-finish")
        return moved(session_.outOfCallBack(session_.position()));
    if (name == "restart")
        return moved(0);
    if (name == "when")
        return here();
    if (name == "history")
        return history();
    if (name == "trees")
        return treesText(session_);
    if (name == "quit") {
        over_ = true;
        return {};
    }
    // writer
    if (!selected_)
        return "No entry is selected.\n";
    const TreeCell cell = session_.cell(selected_->column, selected_->gfn, selected_->level);
    std::optional<u64> last;
    if (cell.exists)
        for (const HistoryEntry& entry : session_.history(cell.place))
            if (entry.n < session_.position())
                last = entry.n;
    return last ? moved(*last + 1) : "Nobody has written it yet.\n";
}

} // namespace mirrorscope
