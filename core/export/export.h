// SPDX-License-Identifier: GPL-3.0-or-later
// What leaves the program as text: all of it is read from a session's journal and state, nothing is recorded for it.
#pragma once

#include "session/session.h"

#include <functional>
#include <optional>
#include <string>
#include <utility>

namespace mirrorscope {

struct TraceEvent;
class TraceNames;

// The event stream of INTERFACES, one JSON object a line. Moves the session through all positions and back.
void writeJsonl(Session& session, const std::function<void(const std::string&)>& line);
// The whole state at the session's position.
std::string stateJson(const Session& session);
// The three trees at the session's position, in 78 columns.
std::string treesText(const Session& session);
std::string treesSvg(const Session& session);
// One that moves: a frame for each position from one to another, again and again. Moves the session and puts it back.
std::string treesSvgMoving(Session& session, u64 from, u64 to);
// The micro-steps between two positions, one column an actor, in 78 columns. Moves the session and puts it back.
std::string columnsText(Session& session, u64 from, u64 to);
// From the first position of the first race to the last one of the last; the whole run where there is no race.
std::pair<u64, u64> racesOf(const Session& session);
// The trees at one position, what each micro-step up to another did, and the trees there. Moves the session and puts it back.
std::string stepsText(Session& session, u64 from, u64 to);
// For Graphviz; twins that differ or are in flight are joined.
std::string treesDot(const Session& session);
// The entries of `stateJson`, one a line: tree,root,gfn,level,raw,is,pfn.
std::string stateCsv(const Session& session);
// One self-contained page that steps with the keys and opens at a position; of these positions alone, if they are given. Moves the session
// and puts it back.
std::string pageHtml(Session& session, u64 open, std::optional<std::pair<u64, u64>> range = {});
// The run in the JSON form of the Chrome trace, piece by piece.
void writePerfetto(const Session& session, const std::function<void(const std::string&)>& write);
// The run as the kernel would have traced it, in lines of ftrace. Moves the session and puts it back.
// The same of a run event by event, each with the time of its micro-step n: (n + 1) * kTraceStep nanoseconds.
inline constexpr u64 kTraceStep = 1000;
void traceOf(Session& session, bool seamcalls, const std::function<void(const TraceEvent&, const TraceNames&)>& tell);
void writeTrace(Session& session, const std::function<void(const std::string&)>& write, bool seamcalls = false);
// JUnit XML over the results of several runs.
struct JunitCase {
    std::string name;
    double seconds = 0;
    std::string failure; // empty: passed
};
std::string junitXml(const std::vector<JunitCase>& cases);
// SARIF 2.1.0, for what annotates a change: what is wrong, each with its place in a scenario.
struct SarifResult {
    std::string rule; // a rule's name, "expect", "input", or "explore" where a bound left it open
    std::string text;
    std::string file;
    unsigned line = 0; // from 1; 0: of the whole file
    bool isError = true;
};
std::string sarif(const std::vector<SarifResult>& results);
// What `run --format text` says about one run.
std::string runText(const Session& session, bool verbose);

std::string jsonString(std::string_view text);
// The member `smm`, behind others: only where it is so.
inline std::string smmJson(bool inSmm) { return inSmm ? ",\"smm\":true" : ""; }
// By OutFile. Throws std::runtime_error.
void writeFile(const std::string& file, const std::string& content);

} // namespace mirrorscope
