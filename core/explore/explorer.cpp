// SPDX-License-Identifier: GPL-3.0-or-later
#include "explore/explorer.h"

#include <algorithm>

namespace mirrorscope {

bool ExploreResult::ok(bool judgeSometimes) const {
    if (!findings.empty())
        return false;
    return !judgeSometimes || !complete || std::all_of(sometimes.begin(), sometimes.end(), [](const auto& s) { return s.second; });
}

HashSet::HashSet() : slots_(1 << 12) {}

bool HashSet::insert(u64 hash) {
    if (hash == 0)
        hash = 1;
    if (size_ * 2 >= slots_.size())
        grow();
    const u64 mask = slots_.size() - 1;
    for (u64 i = hash & mask;; i = (i + 1) & mask) {
        if (slots_[i] == hash)
            return false;
        if (slots_[i] == 0) {
            slots_[i] = hash;
            ++size_;
            return true;
        }
    }
}

void HashSet::grow() {
    std::vector<u64> old(slots_.size() * 2);
    old.swap(slots_);
    const u64 mask = slots_.size() - 1;
    for (const u64 hash : old) {
        if (hash == 0)
            continue;
        u64 i = hash & mask;
        while (slots_[i] != 0)
            i = (i + 1) & mask;
        slots_[i] = hash;
    }
}

Explorer::Explorer(const Scenario& scenario, const ExploreOptions& options)
    : scenario_(scenario), options_(options), runner_(scenario, {}) {
    runner_.setIgnoreRaceExpectations(true);
    for (const auto& e : scenario.sometimes)
        result_.sometimes.emplace_back(e.text, false);
    const auto isRace = [](const Step& step) { return step.verb == Verb::Race; };
    result_.races = static_cast<u64>(std::count_if(scenario.script.begin(), scenario.script.end(), isRace));
}

ExploreResult Explorer::run() {
    start_ = std::chrono::steady_clock::now();
    try {
        exploreFrom(0);
    } catch (const Stop&) {
        result_.complete = false;
    } catch (const BoundReached&) { // one execution alone is longer than a run may be
        result_.complete = false;
        result_.stopped = true;
    }
    result_.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
    return result_;
}

Explorer::Snapshot Explorer::snapshot() const {
    return {runner_.system().machine().steps(), runner_.system().sim().marks().size(), runner_.system().machine().hash(),
            runner_.checker().violations().size(), runner_.expectations().size()};
}

void Explorer::restore(const Snapshot& at) {
    System& system = runner_.system();
    system.machine().rewind(at.position);
    system.sim().truncateMarks(at.marks);
    system.sim().setActor(system.sim().hostActor());
    system.sim().setPath(0);
    system.sim().setScript(0);
    runner_.checker().truncate(at.violations);
    runner_.checker().reset();
    runner_.truncateExpectations(at.expectations);
}

void Explorer::checkBounds() {
    if (options_.maxTransitions != 0 && result_.transitions >= options_.maxTransitions) {
        result_.stopped = true;
        throw Stop{};
    }
    if ((result_.transitions & 0x3ff) != 0)
        return;
    const bool late =
        options_.seconds > 0 && std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count() > options_.seconds;
    if (late || (options_.cancelled && options_.cancelled())) {
        result_.stopped = true;
        throw Stop{};
    }
    if (options_.progress && (result_.transitions & 0xfffff) == 0)
        options_.progress(result_.states, result_.transitions);
}

u64 Explorer::pathHash() const {
    u64 hash = 0;
    for (const Violation& v : runner_.checker().violations())
        hash += mix(static_cast<u64>(v.rule), v.key);
    for (const auto& e : runner_.expectations())
        hash += mix(e.line, e.holds);
    if (scenario_.countsEvents) {
        // What an expectation counts is part of the state.
        const Sim& sim = runner_.system().sim();
        for (u64 i = 0; i < sim.countersLength(); ++i)
            hash += mix(i + 77, runner_.system().machine().peek(sim.countersBegin() + i));
        for (unsigned i = 0; i < kSites; ++i)
            hash += mix(i + 777, runner_.system().machine().siteCount(static_cast<Site>(i)));
    }
    return hash;
}

bool Explorer::isNew(const Race& race, std::size_t item) {
    const u64 memory = runner_.system().machine().hash() + pathHash();
    u64 byReads = memory, byStacks = memory;
    for (unsigned i = 0; i < race.count(); ++i) {
        byReads += mix(race.localHash(i), i + 1);
        byStacks += mix(race.stackHash(i), i + 1);
    }
    const bool read = seen_.insert(mix(byReads, item));
    const bool stacked = seenStacks_.insert(mix(byStacks, item + (u64{1} << 40)));
    return read && stacked;
}

void Explorer::record(const std::string& rule, const std::string& text, bool failing) {
    if (!failing)
        return;
    const auto same = [&](const ExploreFinding& f) { return f.rule == rule && f.text == text; };
    if (std::none_of(result_.findings.begin(), result_.findings.end(), same))
        result_.findings.push_back({rule, text, schedule_});
    if (!options_.all)
        throw Stop{};
}

void Explorer::collectViolations() {
    for (const Violation& v : runner_.checker().violations())
        record(std::string(info(v.rule).name), v.text, !runner_.namesViolation(v.rule));
}

void Explorer::exploreFrom(std::size_t item) {
    for (; item < scenario_.script.size(); ++item) {
        if (scenario_.script[item].verb == Verb::Race) {
            exploreRace(item);
            return;
        }
        try {
            runner_.runItem(scenario_.script[item]);
        } catch (const Stuck& stuck) {
            runner_.checker().report(Rule::Progress, item,
                                     runner_.system().sim().actorName(runner_.system().sim().actor()) +
                                         " makes no progress: " + stuck.what);
            collectViolations();
            return;
        }
        collectViolations();
    }
    endOfScript();
}

void Explorer::endOfScript() {
    runner_.finish();
    ++result_.executions;
    if (options_.finalState)
        options_.finalState(runner_.system().machine().hash());
    for (const auto& e : runner_.expectations())
        record("expect", "line " + std::to_string(e.line) + ": " + e.text + ": found " + e.found, !e.holds);
    collectViolations();
    for (std::size_t i = 0; i < scenario_.sometimes.size(); ++i)
        if (!result_.sometimes[i].second)
            result_.sometimes[i].second = evaluate(scenario_.sometimes[i], runner_.system(), runner_.checker()).holds;
}

void Explorer::endOfRace(std::size_t item) {
    runner_.system().sim().setScript(0);
    runner_.quiet();
    collectViolations();
    // The same state at the end of the race leads to the same continuation.
    if (!seen_.insert(mix(runner_.system().machine().hash() + pathHash(), item + 1)))
        return;
    exploreFrom(item + 1);
}

void Explorer::exploreRace(std::size_t item) {
    const Step& step = scenario_.script[item];
    Sim& sim = runner_.system().sim();
    const Snapshot base = snapshot();
    schedule_.emplace_back();
    sim.setScript(step.index);
    Race race(sim, runner_.raceActors(step));
    race.traceObservations(true);
    for (unsigned i = 0; i + 1 < race.count(); ++i)
        race.start(i);

    std::vector<Node> nodes;
    std::vector<u8> path;
    const auto enabled = [&] {
        Node node;
        for (unsigned i = 0; i < race.count(); ++i)
            if (!race.done(i) && race.enabled(i))
                node.choices.push_back(static_cast<u8>(i));
        return node;
    };
    const auto setSchedule = [&] {
        auto& out = schedule_.back();
        out.clear();
        for (const u8 choice : path) {
            const std::string who = sim.actorName(race.actorOf(choice));
            if (out.empty() || out.back().first != who)
                out.emplace_back(who, 0);
            ++out.back().second;
        }
    };
    // The machine as it was at each node; where the actors stood is in `race`.
    std::vector<Snapshot> at;
    const auto backToNode = [&] {
        if (race.saved() == path.size())
            return;
        restore(at.back());
        sim.setScript(step.index);
        while (race.saved() > path.size())
            race.undo();
    };

    if (runner_.system().machine().hash() != base.hash)
        throw std::logic_error("an actor changed the machine before its first micro-step, or a change was not taken back");
    isNew(race, item);
    nodes.push_back(enabled());
    at.push_back(snapshot());
    while (!nodes.empty()) {
        Node& node = nodes.back();
        if (node.next == node.choices.size()) {
            nodes.pop_back();
            at.pop_back();
            if (!path.empty())
                path.pop_back();
            continue;
        }
        backToNode();
        const u8 choice = node.choices[node.next++];
        race.save(choice);
        path.push_back(choice);
        ++result_.transitions;
        race.run(choice);
        checkBounds();
        if (runner_.checker().violations().size() > at.back().violations) {
            setSchedule();
            collectViolations();
        }
        Node next = enabled();
        if (next.choices.empty()) {
            setSchedule();
            if (race.over()) {
                endOfRace(item);
            } else {
                std::string who;
                for (unsigned i = 0; i + 1 < race.count(); ++i)
                    if (!race.done(i))
                        who += (who.empty() ? "" : ", ") + sim.actorName(race.actorOf(i)) + " waits at " +
                               std::string(info(race.pendingSite(i)).name);
                record(std::string(info(Rule::Progress).name), "a deadlock: " + who, !runner_.namesViolation(Rule::Progress));
                for (std::size_t i = 0; i < scenario_.sometimes.size(); ++i)
                    if (const Expectation& e = scenario_.sometimes[i]; e.form == Expectation::Form::Violation && e.rule == Rule::Progress)
                        result_.sometimes[i].second = true;
            }
            path.pop_back();
            continue;
        }
        if (!isNew(race, item)) {
            path.pop_back();
            continue;
        }
        ++result_.states;
        nodes.push_back(std::move(next));
        at.push_back(snapshot());
    }
    restore(base);
    schedule_.pop_back();
}

} // namespace mirrorscope
