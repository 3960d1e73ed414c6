// SPDX-License-Identifier: GPL-3.0-or-later
#include "session/session.h"

#include "base/text.h"
#include "scenario/runner.h"
#include "trace/recorded.h"

#include <fmt/format.h>

#include <algorithm>

namespace mirrorscope {

std::string_view treeName(Column column) {
    constexpr std::array<std::string_view, kColumns> kNames{"shared", "mirror", "private"};
    return kNames[static_cast<unsigned>(column)];
}

std::optional<Column> columnFromName(std::string_view name) {
    if (name == "direct")
        return Column::Shared;
    if (name == "secure")
        return Column::Private;
    for (const Column column : {Column::Shared, Column::Mirror, Column::Private})
        if (name == treeName(column))
            return column;
    return std::nullopt;
}

std::string Session::nameOf(const Where& where) const {
    return fmt::format("{} {} {}", hasColumn(Column::Mirror) ? treeName(where.column) : "direct", gpaHex(inSmm(where.gfn, where.smm)),
                       levelName(where.level));
}

std::optional<Session::Where> Session::entryAt(Gfn gfn, std::optional<Column> column, std::optional<Level> level) const {
    // What no table can reach is not some other address; SMM's own space is asked for otherwise.
    if (gfn.v >> 9 * system().config().levels != 0)
        return std::nullopt;
    std::optional<Where> best;
    for (const Column c : {Column::Mirror, Column::Private, Column::Shared}) {
        if ((column && *column != c) || !hasColumn(c))
            continue;
        for (unsigned l = level ? number(*level) : 1; l <= (level ? number(*level) : system().config().levels); ++l) {
            const Level at = levelOf(l);
            if (!cell(c, roundDown(gfn, at), at).exists)
                continue;
            if (!best || at < best->level)
                best = Where{c, roundDown(gfn, at), at};
            break;
        }
    }
    return best;
}

Session::Session(Scenario scenario, const RunOptions& options, bool toWander) : scenario_(std::move(scenario)) {
    runner_ = std::make_unique<Runner>(scenario_, options);
    runner_->runAll();
    endsDead_ = vmIsDead();
    indexScript();
    indexViolations();
    if (toWander) {
        lanes();
        runner_->system().machine().packLeaps();
    }
    seek(0);
}

Session::Session(Session&&) noexcept = default;
Session::~Session() = default;

Session::Verdict Session::verdict() const {
    return {runner_->ok(), runner_->failed(), runner_->expectations().size(), runner_->stopped(),
            runner_->bounded() || (recorded_ && recorded_->bounded)};
}

const std::vector<Session::Failure>& Session::failures() const {
    if (!failures_) {
        failures_.emplace();
        for (const ExpectationResult& e : runner_->expectations())
            if (!e.holds)
                failures_->push_back({e.n, e.line, fmt::format("expected {}; found {}", e.text, e.found)});
    }
    return *failures_;
}

bool Session::expects(Rule rule) const { return runner_->namesViolation(rule); }
const System& Session::system() const { return runner_->system(); }
bool Session::isNpt() const { return system().kvm().masks().format.npt; }
bool Session::hasRmp() const { return system().isSnp(); }
bool Session::isTdx() const { return system().isTdx(); }
bool Session::tellsPrivate() const { return system().config().recorded && system().config().recorded->secureRoot.v != 0; }
bool Session::hasColumn(Column column) const { return column == Column::Shared || system().config().hasMirror(); }
u64 Session::position() const { return system().machine().position(); }
u64 Session::end() const { return system().machine().steps(); }
std::string Session::actorName(ActorId actor) const { return system().sim().actorName(actor); }
std::vector<CallRegister> Session::registersOf(const Span& span) const { return mirrorscope::registersOf(system(), span); }
Machine& Session::machineToRead() { return runner_->system().machine(); }
void Session::flagFrames(std::vector<u8>* flags) { machineToRead().flagFrames(flags); }
const std::vector<Violation>& Session::violations() const { return runner_->checker().violations(); }

const Lanes& Session::lanes() const {
    if (!lanes_) {
        lanes_ = std::make_unique<Lanes>();
        lanes_->build(system(), actors_);
    }
    return *lanes_;
}

void Session::indexScript() {
    const Machine& machine = system().machine();
    std::pair<u64, u64>* extent = nullptr;
    for (u64 n = 0; n < machine.steps(); ++n) {
        const StepRecord& record = machine.step(n);
        if (std::find(actors_.begin(), actors_.end(), record.actor) == actors_.end())
            actors_.push_back(record.actor);
        const bool goesOn = !scriptRuns_.empty() && scriptRuns_.back().second == record.script;
        if (!goesOn)
            scriptRuns_.emplace_back(n, record.script);
        if (record.script == 0)
            continue;
        if (!goesOn)
            extent = &extents_.try_emplace(record.script, n, n + 1).first->second;
        extent->second = n + 1;
    }
    std::sort(actors_.begin(), actors_.end());
    for (const Step& step : scenario_.script) {
        std::optional<u64> start;
        u64 stop = 0;
        const auto take = [&](u32 index) {
            if (const auto found = extents_.find(index); found != extents_.end()) {
                start = std::min(start.value_or(~0ull), found->second.first);
                stop = std::max(stop, found->second.second);
            }
        };
        take(step.index);
        for (const auto& [actor, list] : step.actors)
            for (const Step& inner : list)
                take(inner.index);
        if (start)
            topStarts_.push_back(*start);
        if (step.verb == Verb::Race)
            races_.push_back({races_.size(), start.value_or(0), stop});
    }
    for (const auto& [script, where] : extents_)
        if (const Step* step = scenario_.step(script); step != nullptr)
            lineStarts_[step->line].push_back(where.first);
    const auto& marks = system().sim().marks();
    for (std::size_t i = 0; i < marks.size(); ++i) {
        const Mark& mark = marks[i];
        if (mark.kind == MarkKind::StepEnd && static_cast<Verb>(mark.code) != Verb::Race)
            returns_.push_back(i);
        if (mark.kind != MarkKind::Pause && mark.kind != MarkKind::Note && mark.kind != MarkKind::Ask && mark.kind != MarkKind::Answer)
            continue;
        const Step* step = scenario_.step(mark.script);
        if (step == nullptr)
            continue;
        if (mark.kind == MarkKind::Answer) {
            indexAnswer(mark, *step);
            continue;
        }
        // A question before anything is done stands at the beginning.
        const u64 at = mark.kind == MarkKind::Ask && mark.n == 0 ? 0 : positionAfter(mark);
        lineStarts_[step->line].push_back(at);
        // What is noted before anything is done holds from the beginning.
        if (mark.kind == MarkKind::Note)
            notes_.push_back({mark.n == 0 ? 0 : mark.n + 1, mark.script});
        if (mark.kind == MarkKind::Ask) {
            Question& question = questions_.emplace_back();
            question.asked = at;
            question.step = step;
        }
        if (mark.kind == MarkKind::Pause && (pauses_.empty() || pauses_.back() != at))
            pauses_.push_back(at);
        if (mark.kind != MarkKind::Note && (halts_.empty() || halts_.back() != at))
            halts_.push_back(at);
    }
    for (auto& [line, starts] : lineStarts_)
        std::sort(starts.begin(), starts.end());
    // A pause is a step, too, and one of its kind: whoever steps comes by it.
    topStarts_.insert(topStarts_.end(), halts_.begin(), halts_.end());
    std::sort(topStarts_.begin(), topStarts_.end());
    topStarts_.erase(std::unique(topStarts_.begin(), topStarts_.end()), topStarts_.end());
}

std::optional<Session::RaceRun> Session::raceAt(u64 position) const {
    for (const RaceRun& run : races_)
        if (run.begin <= position && position <= run.end && run.begin < run.end)
            return run;
    return std::nullopt;
}

std::vector<std::vector<std::pair<std::string, u64>>> Session::ordersUpTo(u64 position) const {
    std::vector<std::vector<std::pair<std::string, u64>>> orders;
    for (const RaceRun& run : races_) {
        auto& order = orders.emplace_back();
        for (u64 n = run.begin; n < std::min(run.end, position); ++n) {
            const std::string who = actorName(stepBrief(n).first);
            if (order.empty() || order.back().first != who)
                order.emplace_back(who, 0);
            ++order.back().second;
        }
    }
    return orders;
}

void Session::seek(u64 position) {
    runner_->system().machine().seek(position);
    collectRecent();
}

void Session::collectRecent() {
    recent_.clear();
    recentByFrame_.clear();
    violating_.clear();
    const Machine& machine = system().machine();
    const u64 here = position();
    const u64 from = here > kZappedVisible ? here - kZappedVisible : 0;
    const u64 memoryWords = system().frames().count() * 512;
    std::unordered_map<u64, u64> deltas;
    for (u64 n = here; n > from; --n) {
        machine.forEachChange(n - 1, [&](Place place, u64 delta) {
            if (place.v >= memoryWords)
                return;
            u64& total = deltas[place.v];
            total ^= delta;
            const u64 old = machine.peek(place) ^ total;
            auto [it, isNew] = recent_.try_emplace(place.v, Recent{old, n - 1});
            if (!isNew)
                it->second.old = old; // the age is that of the last change, the old value that before the first
        });
    }
    for (const auto& [place, recent] : recent_)
        recentByFrame_[place >> 9].push_back(place);
    for (std::size_t i = 0; i < violations().size(); ++i)
        if (violations()[i].n < here && violationEnds_[i] >= here)
            for (const Place place : violations()[i].places)
                violating_.insert(place.v);
}

// A violation lasts until one of the words that it is about changes again.
void Session::indexViolations() {
    violationEnds_.assign(violations().size(), ~u64{0});
    if (violations().empty())
        return;
    std::unordered_map<u64, std::vector<std::size_t>> of; // place -> violations that last
    std::size_t next = 0;
    const Machine& machine = system().machine();
    for (u64 n = violations().front().n; n < machine.steps(); ++n) {
        if (!of.empty())
            machine.forEachChange(n, [&](Place place, u64) {
                const auto found = of.find(place.v);
                if (found == of.end())
                    return;
                for (const std::size_t i : found->second)
                    violationEnds_[i] = std::min(violationEnds_[i], n);
                of.erase(found);
            });
        for (; next < violations().size() && violations()[next].n <= n; ++next)
            for (const Place place : violations()[next].places)
                of[place.v].push_back(next);
    }
}

std::vector<const Violation*> Session::violationsAt(Place place) const {
    std::vector<const Violation*> list;
    for (std::size_t i = 0; i < violations().size(); ++i) {
        const Violation& v = violations()[i];
        if (v.n < position() && violationEnds_[i] >= position() && std::find(v.places.begin(), v.places.end(), place) != v.places.end())
            list.push_back(&v);
    }
    return list;
}

std::optional<Session::Where> Session::entryOf(const Violation& violation) const {
    for (const Place place : violation.places)
        if (const auto where = locate(place))
            return where;
    return std::nullopt;
}

StepView Session::step(u64 n) const {
    const StepRecord& record = system().machine().step(n);
    return {n, record.actor, record.site, record.script, system().sim().paths().names(record.path)};
}

std::pair<ActorId, Site> Session::stepBrief(u64 n) const {
    const StepRecord& record = system().machine().step(n);
    return {record.actor, record.site};
}

u32 Session::scriptOf(u64 n) const {
    const auto after = std::upper_bound(scriptRuns_.begin(), scriptRuns_.end(), n, [](u64 at, const auto& run) { return at < run.first; });
    return std::prev(after)->second;
}

u32 Session::scriptAt(u64 at) const {
    const Machine& machine = system().machine();
    const u32 last = at > 0 ? machine.step(at - 1).script : 0;
    const u32 next = at < machine.steps() ? machine.step(at).script : 0;
    // A step that is over is not the one that runs, if another one begins here.
    const auto over = extents_.find(last);
    return last == 0 || (next != 0 && over != extents_.end() && over->second.second <= at) ? next : last;
}

std::optional<std::pair<u64, u64>> Session::extent(u32 script) const {
    const auto it = extents_.find(script);
    return it == extents_.end() ? std::nullopt : std::optional(it->second);
}

u64 Session::nextScriptPosition(u64 from) const {
    const auto it = std::upper_bound(topStarts_.begin(), topStarts_.end(), from);
    return it == topStarts_.end() ? end() : *it;
}

u64 Session::previousScriptPosition(u64 from) const {
    const auto it = std::lower_bound(topStarts_.begin(), topStarts_.end(), from);
    return it == topStarts_.begin() ? 0 : *std::prev(it);
}

std::optional<u64> Session::nextSite(Site site, u64 from) const {
    const Machine& machine = system().machine();
    for (u64 n = from; n < machine.steps(); ++n)
        if (machine.step(n).site == site)
            return n + 1;
    return std::nullopt;
}

std::optional<u64> Session::previousSite(Site site, u64 from) const {
    const Machine& machine = system().machine();
    for (u64 n = std::min(from, machine.steps()); n > 1; --n)
        if (machine.step(n - 2).site == site)
            return n - 1;
    return std::nullopt;
}

std::optional<u64> Session::nextViolation(u64 from) const {
    std::optional<u64> found;
    const auto take = [&](u64 position) {
        if (position > from && (!found || position < *found))
            found = position;
    };
    for (const Violation& v : violations())
        take(v.n + 1);
    for (const Failure& failure : failures())
        take(failure.position);
    return found;
}

std::optional<u64> Session::previousViolation(u64 from) const {
    std::optional<u64> found;
    const auto take = [&](u64 position) {
        if (position < from && (!found || position > *found))
            found = position;
    };
    for (const Violation& v : violations())
        take(v.n + 1);
    for (const Failure& failure : failures())
        take(failure.position);
    return found;
}

u64 Session::overCall(u64 from) const {
    const Machine& machine = system().machine();
    if (from >= end())
        return end();
    const CallPaths& paths = system().sim().paths();
    const StepRecord& next = machine.step(from);
    const StepRecord& here = from == 0 ? next : machine.step(from - 1);
    // Inside the function that acted last: everything deeper is one step. At its end, and where somebody else goes on: one micro-step.
    if (from == 0 || here.actor != next.actor || paths.depth(next.path) <= paths.depth(here.path))
        return from + 1;
    for (u64 n = from; n < end(); ++n)
        if (machine.step(n).actor == here.actor && paths.depth(machine.step(n).path) <= paths.depth(here.path))
            return n;
    return end();
}

u64 Session::outOfCall(u64 from) const {
    const Machine& machine = system().machine();
    if (from == 0 || from >= end())
        return std::min(from + 1, end());
    const StepRecord& here = machine.step(from - 1);
    for (u64 n = from; n < end(); ++n)
        if (machine.step(n).actor == here.actor && !system().sim().paths().within(machine.step(n).path, here.path))
            return n;
    return end();
}

u64 Session::overCallBack(u64 from) const {
    const Machine& machine = system().machine();
    if (from <= 1)
        return 0;
    const CallPaths& paths = system().sim().paths();
    const StepRecord& here = machine.step(from - 1);
    const StepRecord& before = machine.step(from - 2);
    if (here.actor != before.actor || paths.depth(before.path) <= paths.depth(here.path))
        return from - 1;
    for (u64 n = from - 1; n > 0; --n)
        if (machine.step(n - 1).actor == here.actor && paths.depth(machine.step(n - 1).path) <= paths.depth(here.path))
            return n;
    return 0;
}

u64 Session::outOfCallBack(u64 from) const {
    const Machine& machine = system().machine();
    if (from == 0)
        return 0;
    const StepRecord& here = machine.step(from - 1);
    for (u64 n = from - 1; n > 0; --n)
        if (machine.step(n - 1).actor == here.actor && !system().sim().paths().within(machine.step(n - 1).path, here.path))
            return n;
    return 0;
}

std::optional<u64> Session::positionOfLine(unsigned line, u64 from) const {
    if (recorded_)
        return positionOfTraceLine(line);
    const auto starts = startsOfLine(stepLineOf(line).value_or(line));
    if (starts.empty())
        return std::nullopt;
    const auto after = std::upper_bound(starts.begin(), starts.end(), from);
    return after == starts.end() ? starts.front() : *after;
}

namespace {
// What a micro-step is, whichever run it is of.
u64 kindOf(ActorId actor, const StepRecord& step) { return u64{actor} << 48 | u64{step.script} << 16 | static_cast<u64>(step.site); }

bool isSameScript(const Scenario& a, const Scenario& b) {
    return std::equal(a.script.begin(), a.script.end(), b.script.begin(), b.script.end(),
                      [](const Step& x, const Step& y) { return x.verb == y.verb && x.index == y.index; });
}
} // namespace

u64 Session::sameMoment(u64 position, const Session& other) const {
    position = std::min(position, end());
    if (position == 0 || !isSameScript(scenario_, other.scenario_))
        return std::min(position, other.end());
    // What was before the script step, or the race, in which the last micro-step lies is over there, too.
    u64 begin = position - 1, there = std::min(begin, other.end());
    const u32 script = scriptOf(position - 1);
    if (const auto own = extent(script), its = other.extent(script); own && its)
        begin = own->first, there = its->first;
    if (const auto race = raceAt(position - 1); race && race->begin < position && race->race < other.races_.size())
        begin = race->begin, there = other.races_[race->race].begin;
    // A window asks for it while something is dragged: of what is longer than that the part that is over is taken for the same part.
    constexpr u64 kMost = 100'000;
    if (position - begin > kMost) {
        const auto endOf = [&](const Session& of) { return of.extent(script) ? of.extent(script)->second : of.end(); };
        const double part = static_cast<double>(position - begin) / static_cast<double>(std::max(endOf(*this), position) - begin);
        return there + static_cast<u64>(part * static_cast<double>(std::max(endOf(other), there) - there));
    }
    std::map<ActorId, ActorId> twin; // by name: the other machine may have more vCPUs
    for (const ActorId its : other.actors_)
        for (const ActorId own : actors_)
            if (actorName(own) == other.actorName(its))
                twin[its] = own;
    const Machine &here = system().machine(), &machine = other.system().machine();
    // It may take longer there, but not for ever.
    const u64 last = std::min(other.end(), there + 2 * (position - begin) + 4096);
    std::unordered_map<u64, u64> times;
    std::unordered_map<u64, std::vector<u64>> behind; // the positions of the other run, by kind
    u64 read = there, best = there;
    for (u64 n = begin; n < position; ++n) {
        const u64 kind = kindOf(here.step(n).actor, here.step(n));
        const u64 time = times[kind]++;
        auto& found = behind[kind];
        for (; found.size() <= time && read < last; ++read)
            if (const auto own = twin.find(machine.step(read).actor); own != twin.end())
                behind[kindOf(own->second, machine.step(read))].push_back(read + 1);
        if (found.size() > time)
            best = found[time];
    }
    return best;
}

u64 Session::commonPrefix(const Session& other, u64 most) const {
    const Machine& a = system().machine();
    const Machine& b = other.system().machine();
    const u64 steps = std::min({a.steps(), b.steps(), most});
    // Where memory ends, other scenarios may have laid out other records: what changed in memory tells.
    const u64 words = std::min(system().frames().count(), other.system().frames().count()) * 512;
    std::vector<std::pair<u64, u64>> x, y;
    for (u64 n = 0; n < steps; ++n) {
        if (a.step(n).site != b.step(n).site || a.step(n).actor != b.step(n).actor)
            return n;
        x.clear();
        y.clear();
        a.forEachChange(n, [&](Place place, u64 delta) {
            if (place.v < words)
                x.emplace_back(place.v, delta);
        });
        b.forEachChange(n, [&](Place place, u64 delta) {
            if (place.v < words)
                y.emplace_back(place.v, delta);
        });
        if (x != y)
            return n;
    }
    return steps;
}

// Who is to predict begins before there is anything to see.
Session::Opening Session::opening() const {
    if (recorded_)
        return violations().empty() ? Opening::Most : Opening::Finding;
    return !questions_.empty()             ? Opening::Beginning
           : !pauses_.empty()              ? Opening::Pause
           : nextSite(Site::SpteFreeze, 0) ? Opening::Frozen
                                           : Opening::End;
}

u64 Session::openingPosition() const {
    if (recorded_)
        return violations().empty() ? peak_ : violations().front().n + 1;
    return !questions_.empty() ? 0 : !pauses_.empty() ? pauses_.front() : nextSite(Site::SpteFreeze, 0).value_or(end());
}

const Session::Note* Session::noteIn(u64 at) const {
    const auto after = std::upper_bound(notes_.begin(), notes_.end(), at, [](u64 p, const Note& note) { return p < note.from; });
    return after == notes_.begin() ? nullptr : &*std::prev(after);
}

std::string Session::noteAt(u64 at) const {
    const Note* note = noteIn(at);
    return note != nullptr ? scenario_.step(note->script)->text : std::string();
}

u64 Session::noteSince(u64 at) const {
    const Note* note = noteIn(at);
    return note != nullptr ? note->from : 0;
}

std::vector<HistoryEntry> Session::history(Place place) const {
    std::vector<HistoryEntry> result;
    for (const auto& write : system().machine().history(place))
        result.push_back({write.step, write.old, write.now});
    return result;
}

std::string Session::describe(const HistoryEntry& entry) const {
    const StepView view = step(entry.n);
    std::string path;
    for (const auto& function : view.where)
        path += (path.empty() ? "" : " → ") + function;
    const Step* script = scenario_.step(view.script);
    return fmt::format("written by {}, step {}, {}, position {}", actorName(view.actor), script != nullptr ? script->path : "-",
                       path.empty() ? std::string(info(view.site).where) : path, entry.n + 1);
}

} // namespace mirrorscope
