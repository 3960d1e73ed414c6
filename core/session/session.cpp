// SPDX-License-Identifier: GPL-3.0-or-later
#include "session/session.h"

#include "base/text.h"

#include <fmt/format.h>

#include <algorithm>

namespace mirrorscope {

Session::Session(Scenario scenario, const RunOptions& options) : scenario_(std::move(scenario)) {
    runner_ = std::make_unique<Runner>(scenario_, options);
    runner_->runAll();
    indexScript();
    seek(0);
}

void Session::indexScript() {
    const Machine& machine = system().machine();
    for (u64 n = 0; n < machine.steps(); ++n) {
        const u8 actor = machine.step(n).actor;
        if (std::find(actors_.begin(), actors_.end(), actor) == actors_.end())
            actors_.push_back(actor);
        const u32 script = machine.step(n).script;
        if (script == 0)
            continue;
        auto [it, isNew] = extents_.try_emplace(script, n, n + 1);
        if (!isNew)
            it->second.second = n + 1;
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
    std::unordered_map<u32, u64> deltas;
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
    for (const Violation& v : violations())
        if (v.n < here)
            for (const Place place : v.places)
                violating_.insert(place.v);
}

StepView Session::step(u64 n) const {
    const StepRecord& record = system().machine().step(n);
    return {n, record.actor, record.site, record.script, system().sim().paths().names(record.path)};
}

std::pair<u8, Site> Session::stepBrief(u64 n) const {
    const StepRecord& record = system().machine().step(n);
    return {record.actor, record.site};
}

u32 Session::scriptOf(u64 n) const { return system().machine().step(n).script; }

u32 Session::scriptAt(u64 at) const {
    const Machine& machine = system().machine();
    if (at < machine.steps() && machine.step(at).script != 0 && (at == 0 || machine.step(at - 1).script == 0))
        return machine.step(at).script;
    if (at > 0 && machine.steps() > 0)
        return machine.step(at - 1).script;
    return 0;
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

u64 Session::openingPosition() const {
    const auto& marks = system().sim().marks();
    for (std::size_t i = 0; i < marks.size(); ++i)
        if (marks[i].kind == MarkKind::Pause)
            return system().machine().steps() == 0 ? 0 : marks[i].n + 1;
    const Machine& machine = system().machine();
    for (u64 n = 0; n < machine.steps(); ++n)
        if (machine.step(n).site == Site::SpteFreeze)
            return n + 1;
    return end();
}

std::string Session::noteAt(u64 at) const {
    std::string note;
    const auto& marks = system().sim().marks();
    for (std::size_t i = 0; i < marks.size(); ++i) {
        if (marks[i].n + 1 > at && !(marks[i].n == 0 && at == 0))
            break;
        if (marks[i].kind == MarkKind::Note)
            if (const Step* step = scenario_.step(marks[i].script))
                note = step->text;
    }
    return note;
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
    return fmt::format("written by {}, step {}, {} at micro-step {}", actorName(view.actor), script != nullptr ? script->path : "-",
                       path.empty() ? std::string(info(view.site).where) : path, entry.n);
}

bool Session::stops(const Breakpoints& breakpoints, u64 n) const {
    const Machine& machine = system().machine();
    const StepRecord& record = machine.step(n);
    if (breakpoints.sites.contains(record.site))
        return true;
    if (!breakpoints.lines.empty() && record.script != 0 && (n == 0 || machine.step(n - 1).script != record.script))
        if (const Step* step = scenario_.step(record.script); step != nullptr && breakpoints.lines.contains(step->line))
            return true;
    bool hit = false;
    if (!breakpoints.places.empty())
        machine.forEachChange(n, [&](Place place, u64) { hit |= breakpoints.places.contains(place.v); });
    for (const Violation& v : violations())
        hit |= v.n == n && breakpoints.rules.contains(v.rule);
    return hit;
}

u64 Session::runForward(const Breakpoints& breakpoints) const {
    for (u64 n = position(); n < end(); ++n)
        if (stops(breakpoints, n))
            return n + 1;
    return end();
}

u64 Session::runBack(const Breakpoints& breakpoints) const {
    for (u64 n = position(); n > 1; --n)
        if (stops(breakpoints, n - 2))
            return n - 1;
    return 0;
}

} // namespace mirrorscope
