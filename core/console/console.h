// SPDX-License-Identifier: GPL-3.0-or-later
// A debugger's words on a recorded run, as gdb and rr have them: `b spte.freeze`, `c`, `rc`, `watch mirror 0x4000`, `info locks`,
// `x/8gx 0x52b000`, `p *entry`. The window's console and `run --commands` are the same.
//
//   StopPoints points;
//   Console console(session, points);
//   std::string out = console.execute("b spte.freeze");
//   out += console.execute("c");                           // runs to the end of the search
//
// In a window a run goes on in slices: execute(…, until) and, as long as pending(), more(until).
#pragma once

#include "session/stops.h"

#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace mirrorscope {

// A word that is none, or one that something is missing from: what was meant. Nothing was done.
struct ConsoleError : std::runtime_error {
    ConsoleError(std::size_t at, const std::string& what) : std::runtime_error(what), column(at) {}
    std::size_t column; // of the line, from 1
};

// One word of the console, for help, completion and the manual.
struct ConsoleWord {
    std::string_view name;
    std::string_view shortName; // empty: none
    std::string_view arguments;
    std::string_view help;
};
std::span<const ConsoleWord> consoleWords();
// What `info` and `p` know.
std::span<const ConsoleWord> consoleTopics();

class Console {
public:
    using Time = std::chrono::steady_clock::time_point;
    // What it stops at is shared with who else shows and sets it.
    Console(Session& session, StopPoints& points);
    ~Console();

    // Carries out one line; comments (#) and blanks do nothing. What it prints ends with a newline, or is empty. Throws ConsoleError.
    std::string execute(std::string_view line, Time until = Time::max());
    // A run to the next stop that is not there yet; what it prints once it is.
    bool pending() const { return search_ != nullptr; }
    std::string more(Time until);
    void cancel() {
        search_.reset();
        onlyHere_.reset();
    }
    // Nothing more is to be done (`quit`).
    bool over() const { return over_; }
    // Stands where `position` is after it; a window moves itself there.
    const std::optional<Session::Where>& selected() const { return selected_; }
    void select(const std::optional<Session::Where>& where) { selected_ = where; }

    // What could stand at the end of that beginning of a line.
    std::vector<std::string> complete(std::string_view begun) const;

    // A run ends at the script's questions, too, as it does in front of a reader.
    void stopAtQuestions(bool on) { stopsAtQuestions_ = on; }
    // The last run ended at one.
    bool asked() const { return asked_; }

private:
    struct Line; // the words of one, with their columns
    std::string run(bool back, Time until, u64 times);
    std::string stopped(const StopHit& hit);
    std::string here() const; // one line: where the run stands
    StopPoint readStop(Line& line) const;
    static void readConditions(Line& line, StopPoint& point);
    std::string breakAt(Line& line, bool once);
    std::string watch(Line& line);
    std::string until(Line& line, Time time);
    std::string goTo(Line& line);
    std::string moved(u64 position);
    std::string changePoint(Line& line, std::string_view word);
    std::string tell(Line& line);
    std::string infoPoints() const;
    std::string infoLocks() const;
    std::string infoResults() const;
    std::string infoActors() const;
    std::string infoTlb(Line& line) const;
    std::string infoRegisters() const;
    std::string infoCalls() const;
    std::string infoRoots() const;
    std::string infoTd() const;
    std::string infoViolations() const;
    std::string backtrace(Line& line) const;
    std::string list(Line& line) const;
    std::string print(Line& line);
    std::string examine(Line& line, std::string_view format);
    std::string history() const;
    std::string fieldsText(Column column, u64 raw, Level level) const;
    std::string entryText(const Session::Where& where) const;
    Session::Where entry(Line& line);
    std::string help(Line& line) const;
    static StopPoint event(const std::string& filter, const std::string& text);
    StopPoint& point(Line& line);

    Session& session_;
    StopPoints& points_;
    StopSearch::Halts halts() const;
    bool stopsAtQuestions_ = false, asked_ = false;
    std::unique_ptr<StopSearch> search_;
    std::unique_ptr<StopPoints> onlyHere_; // of `until`: not in the list
    bool back_ = false, over_ = false;
    u64 times_ = 0;
    std::optional<Session::Where> selected_;
    std::string lastLine_;
};

} // namespace mirrorscope
