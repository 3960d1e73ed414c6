// SPDX-License-Identifier: GPL-3.0-or-later
#include "explore/plain.h"
#include "explore/pieces.h"

#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <set>

namespace mirrorscope {

namespace {
using Words = std::vector<std::pair<u64, u64>>; // ascending places

// Memory by value, in blocks that states share where they are equal: of equal blocks there is one only.
constexpr u32 kBlock = 128;
using Block = std::array<u64, kBlock>;
using Image = std::map<u32, const Block*>; // by the number of the block; those that are not there are as the first race found them

class Blocks {
public:
    const Block* one(const Block& block) {
        const u64 hash = hashBytes(block.data(), sizeof block);
        for (const auto& known : blocks_[hash])
            if (*known == block)
                return known.get();
        bytes_ += sizeof(Block) + kOverhead;
        return blocks_[hash].emplace_back(std::make_unique<const Block>(block)).get();
    }
    u64 bytes() const { return bytes_; }

private:
    static constexpr u64 kOverhead = 96; // of the allocator and of the table
    std::unordered_map<u64, std::vector<std::unique_ptr<const Block>>> blocks_;
    u64 bytes_ = 0;
};

// What a loop that tries again has seen since it was passed: all that its next round will be compared with.
struct Round {
    u64 carried = 0;
    bool changed = false; // somebody else changed a word on the way
    struct Word {
        u64 place, first, last, added;
        bool valued; // its value was seen or set, not only added to
        bool operator==(const Word&) const = default;
    };
    std::vector<Word> words; // ascending places
    bool operator==(const Round&) const = default;
};

struct Actor {
    Race::Copy copy; // without these:
    Pieces<std::byte> stack;
    Pieces<WordAccess> log;
    Pieces<u64> observed;
    std::vector<Round> rounds;
    Words awaited;                    // at a retry point: the words that one waits for
    u64 stackHash = 0, sightHash = 0; // where to look for an equal one
};

// Would both do the same from here on, on equal machines? What is on their stacks tells that, and so does what they have seen since their
// step began: each alone is enough, and each is blind to some of what does not matter any more.
bool standsTheSame(const Actor& a, const Actor& b) {
    const Race::Standing& x = a.copy.standing;
    const Race::Standing& y = b.copy.standing;
    return x.started == y.started && x.done == y.done && x.site == y.site && x.script == y.script &&
           a.copy.srcuInside == b.copy.srcuInside && a.awaited == b.awaited && a.rounds == b.rounds;
}
bool isSameByStack(const Actor& a, const Actor& b) {
    const Race::Standing& x = a.copy.standing;
    const Race::Standing& y = b.copy.standing;
    return standsTheSame(a, b) && x.path == y.path && x.condition.kind == y.condition.kind && x.condition.place == y.condition.place &&
           a.stack == b.stack;
}
bool isSameBySight(const Actor& a, const Actor& b) { return standsTheSame(a, b) && a.observed == b.observed; }

struct State {
    Image memory;
    std::vector<std::shared_ptr<const Actor>> actors;
    std::vector<Violation> violations;
    std::array<u64, kSites> siteCounts{};
    std::vector<u64> events; // counted, that somebody asks for
    unsigned preemptions = 0;
    unsigned last = ~0u; // who took the micro-step that led here, if that matters
    // How it was reached.
    std::size_t before = 0;
    unsigned choice = 0;
    bool counted = false; // that was a micro-step
};

class PlainSearch {
public:
    PlainSearch(const Scenario& scenario, const ExploreOptions& options, const PlainBounds& bounds)
        : scenario_(scenario), options_(options), bounds_(bounds), runner_(scenario, {}), machine_(runner_.system().machine()) {
        runner_.setIgnoreRaceExpectations(true);
        for (const auto& e : scenario.sometimes)
            result_.sometimes.emplace_back(e.text, false);
        result_.races = Explorer::racesOf(scenario);
        result_.mode = ExploreMode::Plain;
    }
    ExploreResult run();

private:
    struct Stop {};
    void goOn(std::size_t item);
    void race(std::size_t item);
    void atTheEnd();
    void checkBounds();
    void tell(const std::string& rule, const std::string& text, bool failing);
    void tellViolations();
    void deadlock(const Race& race);

    Block blockOf(u32 number) const;
    void look();
    State captured(const Race& race, const State* from, unsigned moved);
    void put(Race& race, const State& state);
    bool sameMachine(const State& a, const State& b) const;
    Actor actorOf(const Race& race, unsigned i, const Actor* from);
    u64 bucketOf(const State& state, bool byStack) const;
    void setSchedule(const Race& race, const std::deque<State>& states, std::size_t at);

    const Scenario& scenario_;
    const ExploreOptions& options_;
    PlainBounds bounds_;
    Runner runner_;
    Machine& machine_;
    Blocks blocks_;
    std::vector<const Block*> base_; // all of memory, as the first race found it
    Image here_;                     // as it was looked at or set last
    u64 bytes_ = 0;                  // that states take, without blocks_
    u64 position_ = 0, marks_ = 0;
    std::set<std::pair<u64, std::string>> ends_;
    Schedule schedule_;
    ExploreResult result_;
    std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

ExploreResult PlainSearch::run() {
    try {
        goOn(0);
        result_.complete = !result_.cut;
    } catch (const Stop&) {
        result_.complete = false;
    } catch (const BoundReached&) {
        result_.complete = false;
        result_.stopped = true;
    }
    result_.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
    return result_;
}

void PlainSearch::goOn(std::size_t item) {
    for (; item < scenario_.script.size(); ++item) {
        if (scenario_.script[item].verb == Verb::Race) {
            race(item);
            return;
        }
        try {
            runner_.runItem(scenario_.script[item]);
        } catch (const Stuck& stuck) {
            const Sim& sim = runner_.system().sim();
            runner_.checker().report(Rule::Progress, item, sim.actorName(sim.actor()) + " makes no progress: " + stuck.what);
            tellViolations();
            return;
        }
        tellViolations();
    }
    atTheEnd();
}

void PlainSearch::atTheEnd() {
    runner_.finish();
    ++result_.executions;
    const u64 hash = machine_.hash();
    std::string text = resultsText(scenario_, runner_.system());
    if (ends_.emplace(hash, text).second)
        result_.ends.push_back({hash, std::move(text), schedule_});
    if (options_.finalState)
        options_.finalState(hash);
    for (const auto& e : runner_.expectations())
        tell("expect", "line " + std::to_string(e.line) + ": " + e.text + ": found " + e.found, !e.holds);
    tellViolations();
    for (std::size_t i = 0; i < scenario_.sometimes.size(); ++i)
        result_.sometimes[i].second =
            result_.sometimes[i].second || evaluate(scenario_.sometimes[i], runner_.system(), runner_.checker()).holds;
}

void PlainSearch::tell(const std::string& rule, const std::string& text, bool failing) {
    if (!failing)
        return;
    if (std::none_of(result_.findings.begin(), result_.findings.end(),
                     [&](const ExploreFinding& f) { return f.rule == rule && f.text == text; }))
        result_.findings.push_back({rule, text, schedule_});
    if (!options_.all)
        throw Stop{};
}

void PlainSearch::tellViolations() {
    for (const Violation& v : runner_.checker().violations())
        tell(std::string(info(v.rule).name), v.text, !runner_.namesViolation(v.rule));
}

void PlainSearch::deadlock(const Race& race) {
    tell(std::string(info(Rule::Progress).name), "nobody can go on: " + race.whoWaits(), !runner_.namesViolation(Rule::Progress));
    for (std::size_t i = 0; i < scenario_.sometimes.size(); ++i)
        if (const Expectation& e = scenario_.sometimes[i]; e.form == Expectation::Form::Violation && e.rule == Rule::Progress)
            result_.sometimes[i].second = true;
}

void PlainSearch::checkBounds() {
    const bool late =
        options_.seconds > 0 && std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count() > options_.seconds;
    result_.full = blocks_.bytes() + bytes_ > bounds_.bytes;
    if (result_.full || late || (options_.cancelled && options_.cancelled()) || (bounds_.states != 0 && result_.states > bounds_.states) ||
        (options_.maxTransitions != 0 && result_.transitions >= options_.maxTransitions)) {
        result_.stopped = true;
        throw Stop{};
    }
    if (options_.progress && (result_.transitions & 0x3ff) == 0)
        options_.progress(result_);
}

// ---- states by value

// The words of a block; what lies behind the machine's last word is 0.
Block PlainSearch::blockOf(u32 number) const {
    Block block{};
    const u64 first = u64{number} * kBlock;
    for (u64 i = 0; i < kBlock && first + i < machine_.words(); ++i)
        block[i] = machine_.look(Place{first + i});
    return block;
}

// What was changed since the machine was set last.
void PlainSearch::look() {
    std::set<u32> touched;
    machine_.forEachNewChange(machine_.changesUpTo(position_), [&](Place place, u64) { touched.insert(place.v / kBlock); });
    for (const u32 number : touched) {
        const Block* block = blocks_.one(blockOf(number));
        if (block == base_[number])
            here_.erase(number);
        else
            here_[number] = block;
    }
}

// `from`: what it was before its last micro-step.
Actor PlainSearch::actorOf(const Race& race, unsigned i, const Actor* from) {
    Actor actor{race.copy(i), {}, {}, {}, {}, {}};
    const auto& standing = actor.copy.standing;
    const auto logged = [&](std::size_t n) -> const WordAccess& { return actor.copy.log[n - actor.copy.logBegin]; };
    const std::size_t end = actor.copy.logBegin + actor.copy.log.size();
    if (standing.condition.kind == Condition::Kind::Changed)
        for (std::size_t n = standing.condition.begin; n < standing.condition.end; ++n)
            actor.awaited.emplace_back(static_cast<u32>(mix(logged(n).place, 3)), logged(n).now);
    for (const Sim::Retries::Visit& visit : standing.retries.visits) {
        Round round{visit.carried, visit.storesWait, {}};
        std::vector<WordAccess> seen;
        for (std::size_t n = visit.begin; n < end; ++n)
            if (const WordAccess& a = logged(n);
                (a.place & WordAccess::kNoWord) == 0 && WordAccess::wordOf(a.place) < machine_.hashedWords())
                seen.push_back(a);
        std::stable_sort(seen.begin(), seen.end(), [](const WordAccess& a, const WordAccess& b) { return a.place < b.place; });
        for (const WordAccess& a : seen) {
            const u64 old = machine_.ofId(a.place, a.old), now = machine_.ofId(a.place, a.now);
            if (round.words.empty() || round.words.back().place != a.place)
                round.words.push_back({a.place, old, old, 0, false});
            Round::Word& word = round.words.back();
            round.changed |= word.valued && old != word.last;
            if (a.kind == WordAccess::Kind::Add)
                word.added += now - old;
            else
                word.valued = true;
            word.last = now;
        }
        // What was only added to has no value that it depends on.
        for (Round::Word& word : round.words)
            if (!word.valued)
                word.first = word.last = 0;
        actor.rounds.push_back(std::move(round));
    }
    actor.stackHash = hashBytes(actor.copy.stack.data(), actor.copy.stack.size());
    actor.sightHash = hashBytes(actor.copy.observed.data(), actor.copy.observed.size() * sizeof(u64));
    const bool sameLog = from != nullptr && from->copy.logBegin == actor.copy.logBegin;
    using Grows = Pieces<std::byte>::Grows;
    actor.stack =
        Pieces<std::byte>(std::exchange(actor.copy.stack, {}), from != nullptr ? &from->stack : nullptr, bytes_, Grows::AtTheBeginning);
    actor.log = Pieces<WordAccess>(std::exchange(actor.copy.log, {}), sameLog ? &from->log : nullptr, bytes_);
    actor.observed = Pieces<u64>(std::exchange(actor.copy.observed, {}), from != nullptr ? &from->observed : nullptr, bytes_);
    for (const Round& round : actor.rounds)
        bytes_ += sizeof round + round.words.capacity() * sizeof(Round::Word);
    bytes_ += sizeof actor + actor.awaited.capacity() * sizeof(Words::value_type);
    return actor;
}

State PlainSearch::captured(const Race& race, const State* from, unsigned moved) {
    look();
    State state;
    state.memory = here_;
    for (unsigned i = 0; i < race.count(); ++i)
        state.actors.push_back(from != nullptr && i != moved
                                   ? from->actors[i]
                                   : std::make_shared<const Actor>(actorOf(race, i, from != nullptr ? from->actors[i].get() : nullptr)));
    constexpr u64 kNode = 64; // of a map
    bytes_ += sizeof state + state.memory.size() * kNode + state.actors.size() * sizeof state.actors[0] + 4 * kNode;
    state.violations = runner_.checker().violations();
    state.siteCounts = machine_.siteCounts();
    state.events = countedEvents(scenario_, runner_.system());
    return state;
}

void PlainSearch::put(Race& race, const State& state) {
    look();
    Words words;
    const auto differ = [&](u32 number, const Block& was, const Block& is) {
        for (u32 i = 0; i < kBlock; ++i)
            if (was[i] != is[i])
                words.emplace_back(number * kBlock + i, is[i]);
    };
    for (const auto& [number, block] : here_) {
        const auto other = state.memory.find(number);
        const Block* wanted = other == state.memory.end() ? base_[number] : other->second;
        if (wanted != block)
            differ(number, *block, *wanted);
    }
    for (const auto& [number, block] : state.memory)
        if (here_.count(number) == 0)
            differ(number, *base_[number], *block);
    machine_.overwrite(position_, words, state.siteCounts);
    here_ = state.memory;
    for (unsigned i = 0; i < race.count(); ++i) {
        const Actor& actor = *state.actors[i];
        Race::Copy copy = actor.copy;
        actor.stack.copyTo(copy.stack);
        actor.log.copyTo(copy.log);
        actor.observed.copyTo(copy.observed);
        race.put(i, copy);
    }
    Sim& sim = runner_.system().sim();
    sim.truncateMarks(marks_);
    sim.setActor(sim.hostActor());
    sim.setPath(0);
    runner_.checker().assign(state.violations);
    runner_.checker().reset();
    runner_.checker().lookAtAllWhenQuiet();
}

bool PlainSearch::sameMachine(const State& a, const State& b) const {
    const auto sameViolations = [&] {
        return a.violations.size() == b.violations.size() &&
               std::is_permutation(a.violations.begin(), a.violations.end(), b.violations.begin(),
                                   [](const Violation& x, const Violation& y) { return x.rule == y.rule && x.key == y.key; });
    };
    // The words behind these are indexes that follow from the others, and counters.
    const u64 told = machine_.hashedWords();
    const auto sameMemory = [&] {
        for (auto x = a.memory.begin(), y = b.memory.begin(); x != a.memory.end() || y != b.memory.end();) {
            const u32 number = x == a.memory.end() ? y->first : y == b.memory.end() ? x->first : std::min(x->first, y->first);
            const Block* mine = x != a.memory.end() && x->first == number ? (x++)->second : base_[number];
            const Block* other = y != b.memory.end() && y->first == number ? (y++)->second : base_[number];
            if (mine == other)
                continue;
            const u64 first = u64{number} * kBlock;
            const u64 count = first >= told ? 0 : std::min<u64>(kBlock, told - first);
            if (!std::equal(mine->begin(), mine->begin() + count, other->begin()))
                return false;
        }
        return true;
    };
    return sameViolations() && a.events == b.events && sameMemory();
}

// Where to look for an equal one.
u64 PlainSearch::bucketOf(const State& state, bool byStack) const {
    u64 hash = state.preemptions;
    for (const auto& [number, block] : state.memory)
        if ((u64{number} + 1) * kBlock <= machine_.hashedWords())
            hash = mix(hash, mix(number, reinterpret_cast<std::uintptr_t>(block)));
    for (const auto& actor : state.actors)
        hash = mix(hash, byStack ? actor->stackHash : actor->sightHash);
    return hash;
}

void PlainSearch::setSchedule(const Race& race, const std::deque<State>& states, std::size_t at) {
    std::vector<unsigned> order;
    for (; at != 0; at = states[at].before)
        if (states[at].counted)
            order.push_back(states[at].choice);
    auto& out = schedule_.back();
    out.clear();
    for (auto choice = order.rbegin(); choice != order.rend(); ++choice) {
        const std::string who = runner_.system().sim().actorName(race.actorOf(*choice));
        if (out.empty() || out.back().first != who)
            out.emplace_back(who, 0);
        ++out.back().second;
    }
}

void PlainSearch::race(std::size_t item) {
    const Step& step = scenario_.script[item];
    Sim& sim = runner_.system().sim();
    const u64 outerPosition = position_, outerMarks = marks_;
    if (base_.empty()) {
        for (u32 number = 0; u64{number} * kBlock < machine_.words(); ++number)
            base_.push_back(blocks_.one(blockOf(number)));
    } else {
        look();
    }
    position_ = machine_.steps();
    marks_ = sim.marks().size();
    const std::size_t expectations = runner_.expectations().size();
    schedule_.emplace_back();
    sim.setScript(step.index);
    Race race(sim, runner_.raceActors(step));
    race.traceObservations(true, true);
    for (unsigned i = 0; i < race.actors(); ++i)
        race.start(i);

    std::deque<State> states; // in the order in which they are found; each is looked at once
    std::unordered_map<u64, std::vector<std::size_t>> byStack, bySight;
    const auto isKnown = [&](const State& state, const std::vector<std::size_t>& bucket, bool (*same)(const Actor&, const Actor&)) {
        return std::any_of(bucket.begin(), bucket.end(), [&](std::size_t other) {
            const State& known = states[other];
            return known.preemptions == state.preemptions && known.last == state.last &&
                   std::equal(known.actors.begin(), known.actors.end(), state.actors.begin(),
                              [&](const auto& x, const auto& y) { return x == y || same(*x, *y); }) &&
                   sameMachine(known, state);
        });
    };
    const auto isNew = [&](const State& state) {
        std::vector<std::size_t>& stacks = byStack[bucketOf(state, true)];
        std::vector<std::size_t>& sights = bySight[bucketOf(state, false)];
        if (isKnown(state, stacks, isSameByStack) || isKnown(state, sights, isSameBySight))
            return false;
        stacks.push_back(states.size());
        sights.push_back(states.size());
        return true;
    };
    State first = captured(race, nullptr, 0);
    isNew(first);
    states.push_back(std::move(first));
    std::vector<State> ends; // different ones; where the actors stand is no part of them
    for (std::size_t at = 0; at < states.size(); ++at) {
        put(race, states[at]);
        const std::vector<unsigned> choices = race.movable();
        if (choices.empty()) {
            sim.setScript(step.index);
            setSchedule(race, states, at);
            if (!race.over())
                deadlock(race);
            else if (std::none_of(ends.begin(), ends.end(), [&](const State& end) { return sameMachine(end, states[at]); })) {
                ends.push_back(states[at]);
                sim.setScript(0);
                runner_.quiet();
                tellViolations();
                runner_.truncateExpectations(expectations);
                goOn(item + 1);
                runner_.truncateExpectations(expectations);
            }
            continue;
        }
        const bool lastCouldGo = states[at].last != ~0u;
        for (const unsigned choice : choices) {
            const unsigned preemptions =
                states[at].preemptions + (options_.preemptions && lastCouldGo && choice != states[at].last ? 1 : 0);
            if (options_.preemptions && preemptions > *options_.preemptions) {
                result_.cut = true;
                continue;
            }
            put(race, states[at]);
            sim.setScript(step.index);
            ++result_.transitions;
            const bool counted = race.run(choice);
            const u64 bytes = bytes_;
            State next = captured(race, &states[at], choice);
            next.before = at;
            next.choice = choice;
            next.counted = counted;
            next.preemptions = preemptions;
            if (options_.preemptions && !race.done(choice) && race.enabled(choice))
                next.last = choice;
            const bool broken = next.violations.size() > states[at].violations.size();
            const bool fresh = isNew(next);
            if (fresh || broken)
                states.push_back(std::move(next));
            else
                bytes_ = bytes;
            if (broken) {
                setSchedule(race, states, states.size() - 1);
                tellViolations();
                if (!fresh)
                    states.pop_back();
            }
            if (fresh)
                ++result_.states;
            checkBounds();
        }
    }
    put(race, states.front());
    sim.setScript(0);
    schedule_.pop_back();
    position_ = outerPosition;
    marks_ = outerMarks;
}
} // namespace

ExploreResult explorePlainly(const Scenario& scenario, const ExploreOptions& options, const PlainBounds& bounds) {
    return PlainSearch(scenario, options, bounds).run();
}

} // namespace mirrorscope
