// SPDX-License-Identifier: GPL-3.0-or-later
// Where a run stops: breakpoints at lines, at micro-steps that fit a filter, and watchpoints on a word of memory; each with a condition,
// in both directions.
#pragma once

#include "session/session.h"

namespace mirrorscope {

struct StopPoint {
    enum class Kind : u8 {
        Line,  // a step of this line begins; the run stops before its first micro-step
        Event, // a micro-step fits the filter; the run stops behind it
        Word   // a micro-step changes the word; the run stops behind it
    } kind = Kind::Event;
    unsigned id = 0;
    unsigned line = 0;
    Place place;
    EventFilter filter;
    EventFilter condition; // must fit, too: of a line, the first micro-step of the step
    u64 nth = 0;           // only the n-th time in the run; 0: every time
    bool enabled = true;
    bool once = false; // goes when it was hit
    std::string text;  // what it is called in a list
    std::string conditionText;
};

// They have numbers that are not used again.
class StopPoints {
public:
    unsigned add(StopPoint point);
    bool remove(unsigned id);
    void clear() { points_.clear(); }
    StopPoint* find(unsigned id);
    // What stood at that line stands at another one now.
    void moveToLine(unsigned id, unsigned line);
    const std::vector<StopPoint>& all() const { return points_; }
    bool empty() const { return points_.empty(); }
    // For a gutter, and for a mark at an entry.
    const StopPoint* atLine(unsigned line) const;
    const StopPoint* atPlace(Place place) const;

private:
    std::vector<StopPoint> points_;
    unsigned last_ = 0;
};

// The leaves by which one can be named.
std::span<const std::string_view> stopLeaves();

// Can it ever stop this run? A line whose steps take no micro-step, or that is no step's, cannot.
bool canStop(const Session& session, const StopPoint& point);

struct StopHit {
    u64 position = 0;
    unsigned id = 0;    // of the point; 0: another reason
    bool pause = false; // the script says so; else the run is at its end, or at its beginning
};

// A run from the session's position to the next stop, forwards or backwards, in slices.
class StopSearch {
public:
    // What of the script stops it, too: nothing, its pauses, or its questions as well. `from`: as if the session stood there.
    enum class Halts : u8 { None, Pauses, Story };
    StopSearch(Session& session, const StopPoints& points, bool back, Halts halts = Halts::Pauses, std::optional<u64> from = {});
    // Goes on until the time is up; true when it has come to an end. The session stands where it stood.
    bool more(std::chrono::steady_clock::time_point until);
    // The same without slices.
    StopHit toEnd();
    const StopHit& hit() const { return hit_; }

private:
    std::optional<StopHit> at(u64 position);
    Session& session_;
    std::vector<StopPoint> points_; // those that are on
    std::vector<u64> seen_;         // how often each was hit, as far as that counts
    std::span<const u64> halts_;    // of the script, ascending
    bool back_, counts_ = false, scans_ = false;
    u64 here_, from_, next_;
    std::vector<u64> fixed_; // positions of pauses and lines, ascending
    StopHit hit_;
};

} // namespace mirrorscope
