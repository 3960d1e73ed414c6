// SPDX-License-Identifier: GPL-3.0-or-later
#include "explore/explorer.h"

#include "explore/plain.h"
#include "explore/rests_on.h"

#include <algorithm>
#include <set>

namespace mirrorscope {

bool ExploreResult::ok(bool judgeSometimes) const {
    if (!findings.empty())
        return false;
    return !judgeSometimes || !complete || std::all_of(sometimes.begin(), sometimes.end(), [](const auto& s) { return s.second; });
}

namespace {
constexpr std::string_view kModes[] = {"auto", "stateless", "stateful", "plain"};
}
std::string_view name(ExploreMode mode) { return kModes[static_cast<unsigned>(mode)]; }
std::span<const std::string_view> exploreModeNames() { return kModes; }
std::optional<ExploreMode> exploreModeFromName(std::string_view name) {
    const auto* at = std::find(std::begin(kModes), std::end(kModes), name);
    return at == std::end(kModes) ? std::nullopt : std::optional(static_cast<ExploreMode>(at - kModes));
}

Explorer::Explorer(const Scenario& scenario, const ExploreOptions& options)
    : scenario_(scenario), options_(options), runner_(scenario, {}),
      seen_(options.split && options.split->seen != nullptr ? *options.split->seen : ownSeen_),
      seenStacks_(options.split && options.split->seenStacks != nullptr ? *options.split->seenStacks : ownSeenStacks_),
      ample_(options.ampleWithout), hasOneRace_(racesOf(scenario) == 1),
      branches_(options.crew != nullptr ? options.crew->branches() : ownBranches_) {
    runner_.setIgnoreRaceExpectations(true);
    if (Crew* crew = options.crew)
        ample_.tellOthers([crew](Fact fact) { crew->tell(std::move(fact)); });
    if (options.deafTo)
        runner_.checker().ignore(*options.deafTo);
    if (options.prepare)
        options.prepare(runner_.system());
    if (options.census != nullptr)
        runner_.system().kvm().countedBy(*options.census);
    for (const auto& e : scenario.sometimes)
        result_.sometimes.emplace_back(e.text, false);
    result_.races = racesOf(scenario);
}

u64 Explorer::racesOf(const Scenario& scenario) {
    const auto isRace = [](const Step& step) { return step.verb == Verb::Race; };
    return static_cast<u64>(std::count_if(scenario.script.begin(), scenario.script.end(), isRace));
}

bool Explorer::isReduced(const Scenario& scenario, const ExploreOptions& options) {
    const auto isLarge = [&](const Step& step) {
        const std::size_t lanes = step.actors.size() * (scenario.machine.storeBuffers ? 2 : 1) + 1;
        return step.verb == Verb::Race && step.actors.size() > kFewActors && lanes <= Ample::kMostActors;
    };
    return options.reduce != ExploreOptions::Reduce::Never && !options.preemptions &&
           std::any_of(scenario.script.begin(), scenario.script.end(), isLarge);
}

namespace {
// Two searches of the same race, both to their end (or, if not all was asked for, to a violation).
void mustAgree(const ExploreResult& a, const ExploreResult& b) {
    std::set<std::pair<u64, std::string>> ends;
    std::set<std::string> rules;
    const auto odd = [](auto& set, const auto& value) { // in both: gone again
        if (!set.insert(value).second)
            set.erase(value);
    };
    std::string difference;
    for (const ExploreResult* result : {&a, &b}) {
        std::set<std::string> told;
        for (const ExploreFinding& f : result->findings)
            told.insert(f.rule);
        for (const std::string& rule : told)
            odd(rules, rule);
        for (const ExploreEnd& end : result->ends)
            odd(ends, std::pair(end.hash, end.results));
    }
    for (const std::string& rule : rules)
        difference += (difference.empty() ? "" : ", ") + ("only one finds " + rule);
    if (difference.empty() && !ends.empty())
        difference = "only one finds the end \"" + ends.begin()->second + "\"";
    if (difference.empty() && a.sometimes != b.sometimes)
        difference = "they differ in what is sometimes seen";
    if (!difference.empty())
        throw InternalError("the stateless and the stateful search of this scenario do not agree: " + difference);
}
} // namespace

ExploreResult Explorer::run() {
    if (options_.mode == ExploreMode::Plain)
        result_ = explorePlainly(scenario_, options_);
    else
        search();
    result_.assumes = restsOn(scenario_, options_, result_);
    return result_;
}

void Explorer::search() {
    start_ = std::chrono::steady_clock::now();
    if (!reachHistory())
        return;
    const Snapshot beginning = snapshot();
    const ExploreResult empty = result_;
    ExploreMode mode = options_.mode;
    if (options_.preemptions)
        mode = ExploreMode::Stateful;
    maxTransitions_ = options_.maxTransitions;
    maxCompared_ = options_.attempt ? kCompare : 0;
    if (options_.split && mode == ExploreMode::Auto)
        throw std::logic_error("a part of a search needs to be told its mode");
    if (options_.fewestFirst && !options_.preemptions) {
        if (!searchWithFew(beginning, empty))
            runOnce(ExploreMode::Stateful);
    } else if (mode == ExploreMode::Auto) {
        const bool bounded = maxTransitions_ != 0 && maxTransitions_ <= kTry;
        maxTransitions_ = bounded ? maxTransitions_ : kTry;
        maxCompared_ = kCompare;
        runOnce(ExploreMode::Stateless);
        maxCompared_ = 0;
        if (undecided(result_) && (!bounded || result_.laborious)) {
            // What was seen was seen; the other numbers are those of the search that gives the answer.
            result_.sometimes = begin(beginning, empty).sometimes;
            maxTransitions_ = options_.maxTransitions;
            runOnce(ExploreMode::Stateful);
        } else if (result_.complete) {
            ExploreResult traces = begin(beginning, empty);
            runOnce(ExploreMode::Stateful);
            if (!result_.stopped)
                mustAgree(traces, result_);
            traces.compared = !result_.stopped;
            result_ = std::move(traces);
        }
    } else {
        runOnce(mode);
    }
    result_.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
}

// What is done before `begin-history` cannot be undone: it is done once, however often is begun anew.
bool Explorer::reachHistory() {
    try {
        first_ = runner_.runToHistory();
        return true;
    } catch (const BoundReached&) {
        result_.complete = false;
        result_.stopped = true;
    } catch (const Stuck& stuck) {
        if (!runner_.namesViolation(Rule::Progress))
            result_.findings.push_back({std::string(info(Rule::Progress).name), stuck.what, schedule_});
    }
    return false;
}

// Each bound anew: what the one before saw costs less to see again than what it did not see. True: that was the answer.
bool Explorer::searchWithFew(const Snapshot& beginning, const ExploreResult& empty) {
    constexpr unsigned kFew = 3;
    for (unsigned bound = 0; bound < kFew; ++bound) {
        options_.preemptions = bound;
        runOnce(ExploreMode::Stateful);
        options_.preemptions.reset();
        if (!result_.findings.empty())
            result_.preemptions = bound;
        if (!result_.findings.empty() || result_.stopped || result_.complete)
            return true;
        beginAnew(beginning, empty);
    }
    return false;
}

// What was found stays found, and the micro-steps that were taken are counted.
void Explorer::beginAnew(const Snapshot& at, const ExploreResult& empty) {
    std::unordered_set<u64> finals = std::move(finals_);
    ExploreResult found = begin(at, empty);
    finals_ = std::move(finals);
    result_.transitions = found.transitions;
    result_.findings = std::move(found.findings);
    result_.sometimes = std::move(found.sometimes);
    result_.ends = std::move(found.ends);
    seen_.clear();
    seenStacks_.clear();
}

ExploreResult Explorer::begin(const Snapshot& at, const ExploreResult& result) {
    restore(at);
    schedule_.clear();
    finals_.clear();
    top_.clear();
    tasks_ = 0;
    lookAgain_ = 0;
    return std::exchange(result_, result);
}

void Explorer::runOnce(ExploreMode mode) {
    result_.mode = mode;
    const Snapshot beginning = snapshot();
    const ExploreResult empty = result_;
    try {
        while (true) {
            try {
                exploreFrom(first_);
                if (options_.crew == nullptr && !ample_.wrong().empty()) // of a race before the last
                    throw Again{};
                break;
            } catch (const Again&) {
                branches_.clear();
                if (Crew* crew = options_.crew) {
                    crew->beginAnew();
                    pays_ &= !crew->leavesNobodyOut();
                }
                beginAnew(beginning, empty);
                constexpr u64 kPart = 5;
                walk_ = result_.transitions / kPart;
                lookAgain_ = result_.transitions + walk_;
            }
        }
        result_.complete = !result_.cut;
    } catch (const Stop&) {
        result_.complete = false;
    } catch (const BoundReached&) { // one execution alone is longer than a run may be
        result_.complete = false;
        result_.stopped = true;
    }
}

Explorer::Snapshot Explorer::snapshot() const {
    return {runner_.system().machine().steps(),    runner_.system().sim().marks().size(), runner_.system().machine().hash(),
            runner_.checker().violations().size(), runner_.expectations().size(),         runner_.checker().now()};
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
    runner_.checker().backTo(at.quiet);
    runner_.truncateExpectations(at.expectations);
}

void Explorer::checkBounds() {
    constexpr u64 kAtOnce = 64;
    Crew* const crew = options_.crew;
    if (crew != nullptr && result_.transitions % kAtOnce == 0)
        crew->count(kAtOnce);
    if (maxTransitions_ != 0 && (crew != nullptr ? crew->microSteps() : result_.transitions) >= maxTransitions_) {
        result_.stopped = true;
        throw Stop{};
    }
    heedCall();
    if ((result_.transitions & 0x3ff) == 0 && isOver())
        throw Stop{};
}

void Explorer::heedCompared(u64 more) {
    compared_ += more;
    if (maxCompared_ == 0 || compared_ <= maxCompared_)
        return;
    result_.stopped = true;
    result_.laborious = true;
    throw Stop{};
}

bool Explorer::isOver() {
    const bool late =
        options_.seconds > 0 && std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count() > options_.seconds;
    if (late || (options_.cancelled && options_.cancelled())) {
        result_.stopped = true;
        return true;
    }
    if (options_.progress && options_.crew == nullptr) {
        options_.progress(result_);
    } else if (options_.progress) {
        ExploreResult all;
        all.mode = result_.mode;
        all.executions = result_.executions;
        all.findings = result_.findings;
        all.states = options_.crew->states();
        all.transitions = options_.crew->microSteps();
        options_.progress(all);
    }
    return false;
}

void Explorer::heedCall() const {
    if (options_.crew == nullptr)
        return;
    switch (options_.crew->called()) {
    case Crew::Call::GoOn: return;
    case Crew::Call::Anew: throw Again{};
    case Crew::Call::Stop: throw Stop{};
    }
}

void Explorer::callAnew() {
    if (options_.crew != nullptr)
        options_.crew->callAnew();
    throw Again{};
}

void Explorer::takeNews() {
    if (options_.crew != nullptr)
        for (const Fact* fact : options_.crew->news(options_.member))
            ample_.learn(*fact);
}

u64 Explorer::pathHash() const {
    u64 hash = 0;
    for (const Violation& v : runner_.checker().violations())
        hash += mix(static_cast<u64>(v.rule), v.key);
    for (const auto& e : runner_.expectations())
        hash += mix(e.line, e.holds);
    u64 place = 77;
    for (const u64 count : countedEvents(scenario_, runner_.system()))
        hash += mix(place++, count);
    return hash;
}

u64 Explorer::stateHash(const Race& race, u64 memory, bool byStacks) {
    u64 hash = memory;
    for (unsigned i = 0; i < race.count(); ++i)
        hash += mix(byStacks ? race.stackHash(i) : race.localHash(i), i + 1);
    return hash;
}

Explorer::StateHash Explorer::stateHash(const Race& race, std::size_t item, u64 extra, bool stacks) const {
    const u64 memory = memoryHash() + extra;
    const u64 byReads = mix(stateHash(race, memory, false), item);
    if (!stacks)
        return {byReads, 0};
    seen_.expect(byReads);
    const u64 byStacks = mix(stateHash(race, memory, true), item + (u64{1} << 40));
    seenStacks_.expect(byStacks);
    return {byReads, byStacks};
}

HashSet::Entered Explorer::enter(const StateHash& state, HashSet::Left asleep) {
    const HashSet::Entered read = seen_.enter(state.byReads, asleep);
    return HashSet::byEither(read, seenStacks_.enter(state.byStacks, asleep));
}

bool Explorer::reduces(const Race& race) const {
    using Reduce = ExploreOptions::Reduce;
    // A task that others do, or that was told to be done, cannot be looked at again.
    if (options_.reduce == Reduce::Never || options_.preemptions || (options_.split && options_.split->take) ||
        race.count() > Ample::kMostActors)
        return false;
    unsigned active = 0; // some do nothing
    for (unsigned i = 0; i < race.actors(); ++i)
        active += race.done(i) ? 0 : 1;
    return options_.reduce == Reduce::Always || active > kFewActors || pays_;
}

bool Explorer::takeTask() { return !options_.split->take || options_.split->take(tasks_++); }

void Explorer::taskDone() {
    if (options_.split->done)
        options_.split->done(tasks_ - 1, result_);
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
        const u64 marks = runner_.system().sim().marks().size();
        try {
            runner_.runItem(scenario_.script[item]);
            look(marks, [this] { return schedule_; });
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
    const u64 end = runner_.system().machine().hash();
    constexpr std::size_t kMostEnds = 10'000;
    if (result_.ends.size() < kMostEnds && finals_.insert(end).second)
        result_.ends.push_back({end, resultsText(scenario_, runner_.system()), schedule_});
    if (options_.finalState)
        options_.finalState(end);
    for (const auto& e : runner_.expectations())
        record("expect", "line " + std::to_string(e.line) + ": " + e.text + ": found " + e.found, !e.holds);
    collectViolations();
    for (std::size_t i = 0; i < scenario_.sometimes.size(); ++i)
        if (!result_.sometimes[i].second)
            result_.sometimes[i].second = evaluate(scenario_.sometimes[i], runner_.system(), runner_.checker()).holds;
}

std::string resultsText(const Scenario& scenario, const System& system) {
    std::string text;
    const auto add = [&](const Step& step) {
        if (step.id.empty() || !step.result)
            return;
        const auto outcome = system.result(*step.result);
        text += (text.empty() ? "" : "; ") + step.id + ": " + (outcome ? outcomeName(*outcome) : "not run");
        if (outcome && outcome->kind == Outcome::Kind::Ok &&
            (outcome->value != 0 || step.verb == Verb::Read || step.verb == Verb::HostRead))
            text += ", " + std::to_string(outcome->value);
    };
    for (const Step& step : scenario.script) {
        add(step);
        for (const auto& [actor, steps] : step.actors)
            for (const Step& inner : steps)
                add(inner);
    }
    return text;
}

void Explorer::endOfRace(std::size_t item) {
    runner_.system().sim().setScript(0);
    runner_.quiet();
    collectViolations();
    // The same state at the end of the race leads to the same continuation.
    const u64 end = mix(memoryHash(), item + 1);
    if (result_.mode == ExploreMode::Stateful) {
        if (isNewEnd(end))
            exploreFrom(item + 1);
        return;
    }
    if (const auto known = executionsFrom_.find(end); known != executionsFrom_.end()) {
        result_.executions += known->second;
        return;
    }
    const u64 before = result_.executions;
    exploreFrom(item + 1);
    constexpr std::size_t kMost = 1 << 18;
    if (executionsFrom_.size() < kMost)
        executionsFrom_.emplace(end, result_.executions - before);
}

void Explorer::exploreRace(std::size_t item) {
    const Step& step = scenario_.script[item];
    Sim& sim = runner_.system().sim();
    runner_.checker().goesBack();
    const Snapshot base = snapshot();
    schedule_.emplace_back();
    sim.setScript(step.index);
    {
        Race race(sim, runner_.raceActors(step));
        race.traceObservations(true);
        for (unsigned i = 0; i < race.actors(); ++i)
            race.start(i);
        // Nobody may have seen or done anything before his first micro-step: the search could not put that before what others do.
        for (unsigned i = 0; i < race.actors(); ++i)
            if (!std::all_of(race.accesses(i).begin(), race.accesses(i).end(),
                             [](const WordAccess& a) { return (a.place & WordAccess::kNoWord) != 0; }))
                throw InternalError(sim.actorName(race.actorOf(i)) + " looked at the machine before its first micro-step");
        if (runner_.system().machine().hash() != base.hash)
            throw InternalError("a change was not taken back");
        if (result_.mode == ExploreMode::Stateless)
            raceByTraces(item, race);
        else
            raceByStates(item, race);
    }
    restore(base);
    schedule_.pop_back();
}

void Explorer::goBack(Race& race, const Snapshot& at, std::size_t saved) {
    if (race.saved() == saved)
        return;
    restore(at);
    while (race.saved() > saved)
        race.undo();
}

void Explorer::advance(std::size_t item, Race& race, const Snapshot& at, std::vector<u16>& path, unsigned choice) {
    runner_.system().sim().setScript(scenario_.script[item].index);
    result_.transitions += counts(path.size());
    path.push_back(static_cast<u16>(choice));
    if (!race.run(choice))
        path.back() |= kNoMicroStep;
    const auto schedule = [&] {
        setSchedule(race, path);
        return schedule_;
    };
    look(at.marks, std::ref(schedule));
    checkBounds();
    if (runner_.checker().violations().size() > at.violations) {
        setSchedule(race, path);
        collectViolations();
    }
}

void Explorer::setSchedule(const Race& race, const std::vector<u16>& path) {
    auto& out = schedule_.back();
    out.clear();
    for (const u16 choice : path) {
        if ((choice & kNoMicroStep) != 0)
            continue;
        const std::string who = runner_.system().sim().actorName(race.actorOf(choice));
        if (out.empty() || out.back().first != who)
            out.emplace_back(who, 0);
        ++out.back().second;
    }
}

void Explorer::deadlock(const Race& race) {
    record(std::string(info(Rule::Progress).name), "nobody can go on: " + race.whoWaits(), !runner_.namesViolation(Rule::Progress));
    for (std::size_t i = 0; i < scenario_.sometimes.size(); ++i)
        if (const Expectation& e = scenario_.sometimes[i]; e.form == Expectation::Form::Violation && e.rule == Rule::Progress)
            result_.sometimes[i].second = true;
}

} // namespace mirrorscope
