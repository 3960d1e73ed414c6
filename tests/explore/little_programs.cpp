// SPDX-License-Identifier: GPL-3.0-or-later
#include "little_programs.h"

#include <fmt/format.h>

#include <algorithm>
#include <random>
#include <unordered_set>

namespace mirrorscope::test {

namespace {
using Access = WordAccess::Kind;
constexpr unsigned kQueue = 4; // entries of the queue of RCU: a mask of readers each

// The words: data, locks, RCU depth per actor, count of the queue, its masks.
struct World {
    const LittleProgram& program;
    unsigned locks, depths, count, masks, words;
    explicit World(const LittleProgram& p) : program(p) {
        locks = p.words;
        depths = locks + p.locks;
        count = depths + static_cast<unsigned>(p.actors.size());
        masks = count + 1;
        words = masks + kQueue;
    }
    unsigned actors() const { return static_cast<unsigned>(program.actors.size()) + (program.rcu ? 1 : 0); }
    bool isRcu(unsigned i) const { return i == program.actors.size(); }
};

struct Lane {
    std::size_t at = 0;
    u64 local = 1, last = 0;
    bool blocked = false;                        // at a retry point
    std::vector<std::pair<unsigned, u64>> round; // words of the round, and what they were; while blocked: what it waits for
    bool operator==(const Lane&) const = default;
};

struct State {
    std::vector<u64> words;
    std::vector<Lane> lanes;
    bool operator==(const State&) const = default;
    u64 hash() const {
        u64 h = 7;
        for (const u64 w : words)
            h = mix(h, w);
        for (const Lane& l : lanes) {
            h = mix(mix(h, l.at), mix(l.local, l.last * 2 + l.blocked));
            for (const auto& [word, value] : l.round)
                h = mix(h, mix(word, value));
        }
        return h;
    }
};
struct StateHash {
    std::size_t operator()(const State& s) const { return s.hash(); }
};

State initial(const World& world) {
    State state;
    state.words.resize(world.words);
    state.lanes.resize(world.program.actors.size());
    return state;
}

bool done(const World& world, const State& s, unsigned i) {
    return world.isRcu(i) ? false : s.lanes[i].at >= world.program.actors[i].size();
}

const LittleStep& stepOf(const World& world, const State& s, unsigned i) { return world.program.actors[i][s.lanes[i].at]; }

unsigned lockWord(const World& world, const LittleStep& step) {
    return step.guard == LittleStep::Guard::Equals ? step.guardWord : world.locks + step.guardWord;
}

Condition conditionOf(const World& world, const State& s, unsigned i) {
    Condition c;
    if (world.isRcu(i))
        return c;
    if (s.lanes[i].blocked) {
        c.kind = Condition::Kind::Changed;
        return c;
    }
    const LittleStep& step = stepOf(world, s, i);
    c.place = Place{lockWord(world, step)};
    c.value = step.guardValue;
    switch (step.guard) {
    case LittleStep::Guard::None: break;
    case LittleStep::Guard::CanRead: c.kind = Condition::Kind::CanRead; break;
    case LittleStep::Guard::CanWrite: c.kind = Condition::Kind::CanWrite; break;
    case LittleStep::Guard::Equals: c.kind = Condition::Kind::Equals; break;
    }
    return c;
}

// The first entry of the queue whose readers have all left, looked for as it is looked for; what is read on the way is added to the log.
std::optional<unsigned> readyEntry(const World& world, const State& s, AccessLog* log) {
    const auto read = [&](unsigned word) {
        if (log != nullptr)
            log->push_back({word, Access::Read, s.words[word], s.words[word]});
        return s.words[word];
    };
    const u64 queued = read(world.count);
    for (unsigned k = 0; k < queued; ++k)
        if (read(world.masks + k) == 0)
            return k;
    return std::nullopt;
}

bool enabled(const World& world, const State& s, unsigned i) {
    if (world.isRcu(i))
        return readyEntry(world, s, nullptr).has_value();
    if (done(world, s, i))
        return false;
    const Lane& lane = s.lanes[i];
    if (lane.blocked)
        return std::any_of(lane.round.begin(), lane.round.end(), [&](const auto& w) { return s.words[w.first] != w.second; });
    const Condition c = conditionOf(world, s, i);
    return c.kind == Condition::Kind::Always || c.holdsWith(s.words[c.place.v]);
}

AccessLog guardOf(const World& world, const State& s, unsigned i) {
    AccessLog log;
    if (world.isRcu(i)) {
        readyEntry(world, s, &log);
        return log;
    }
    const Lane& lane = s.lanes[i];
    if (lane.blocked) {
        for (const auto& [word, value] : lane.round)
            log.push_back({word, Access::Read, s.words[word], s.words[word]});
        return log;
    }
    if (const Condition c = conditionOf(world, s, i); c.kind != Condition::Kind::Always)
        log.push_back({c.place.v, c.kind == Condition::Kind::CanRead ? Access::Add : Access::Read, s.words[c.place.v], s.words[c.place.v]});
    return log;
}

void step(const World& world, State& s, unsigned i, AccessLog& log) {
    const auto set = [&](unsigned word, u64 value, Access kind) {
        log.push_back({word, kind, s.words[word], value});
        s.words[word] = value;
    };
    for (const WordAccess& a : guardOf(world, s, i))
        log.push_back(a);
    if (world.isRcu(i)) {
        const unsigned entry = *readyEntry(world, s, nullptr);
        const auto queued = static_cast<unsigned>(s.words[world.count]);
        // The last one takes its place.
        log.push_back({world.masks + queued - 1, Access::Read, s.words[world.masks + queued - 1], 0});
        set(world.masks + entry, s.words[world.masks + queued - 1], Access::Write);
        if (entry != queued - 1)
            set(world.masks + queued - 1, 0, Access::Write);
        set(world.count, queued - 1, Access::Write);
        const unsigned word = world.program.callbackWord;
        log.push_back({word, Access::Read, s.words[word], s.words[word]});
        set(word, mix(s.words[word], 77) & 7, Access::Write);
        return;
    }
    Lane& lane = s.lanes[i];
    if (lane.blocked) {
        lane.blocked = false;
        lane.round.clear();
    }
    const LittleStep& now = stepOf(world, s, i);
    const auto read = [&](unsigned word) {
        log.push_back({word, Access::Read, s.words[word], s.words[word]});
        lane.last = s.words[word];
        lane.local = mix(lane.local, lane.last);
    };
    for (const Op& op : now.ops) {
        if (op.ifOdd && (lane.local & 4) == 0)
            continue;
        const unsigned word = op.word;
        const u64 before = s.words[word];
        switch (op.kind) {
        case Op::Kind::Read:
            lane.round.emplace_back(word, before);
            read(word);
            break;
        case Op::Kind::Write: set(word, op.value, Access::Write); break;
        case Op::Kind::WriteLocal: set(word, lane.local & 3, Access::Write); break;
        case Op::Kind::Add: set(word, before + op.value, Access::Add); break;
        case Op::Kind::Swap0:
            read(word);
            if (before == 0)
                set(word, op.value, Access::Write);
            break;
        case Op::Kind::ReadLock: set(world.locks + op.word, s.words[world.locks + op.word] + 1, Access::Add); break;
        case Op::Kind::WriteLock: set(world.locks + op.word, u64{i + 1} << 32, Access::Write); break;
        case Op::Kind::ReadUnlock: set(world.locks + op.word, s.words[world.locks + op.word] - 1, Access::Add); break;
        case Op::Kind::WriteUnlock: set(world.locks + op.word, 0, Access::Write); break;
        case Op::Kind::RcuIn: set(world.depths + i, 1, Access::Write); break;
        case Op::Kind::RcuOut: {
            set(world.depths + i, 0, Access::Write);
            log.push_back({world.count, Access::Read, s.words[world.count], s.words[world.count]});
            for (unsigned k = 0; k < s.words[world.count]; ++k)
                set(world.masks + k, s.words[world.masks + k] & ~(1ull << i), Access::Add);
            break;
        }
        case Op::Kind::CallRcu: {
            log.push_back({world.count, Access::Read, s.words[world.count], s.words[world.count]});
            const auto queued = static_cast<unsigned>(s.words[world.count]);
            if (queued == kQueue)
                break;
            u64 readers = 0;
            for (unsigned a = 0; a < world.program.actors.size(); ++a) {
                log.push_back({world.depths + a, Access::Read, s.words[world.depths + a], s.words[world.depths + a]});
                readers |= s.words[world.depths + a] << a;
            }
            set(world.masks + queued, readers, Access::Write);
            set(world.count, queued + 1, Access::Write);
            break;
        }
        }
    }
    if (now.retries && lane.last != now.retryUntil) {
        lane.at = now.retryTo;
        lane.local = 1; // another round depends on memory only
        lane.last = 0;
        bool same = true;
        for (const auto& [word, value] : lane.round)
            if (same && s.words[word] != value) {
                log.push_back({word, Access::Read, s.words[word], s.words[word]}); // tells that another round could differ
                same = false;
            }
        if (!same) {
            lane.round.clear();
            return;
        }
        std::sort(lane.round.begin(), lane.round.end());
        lane.round.erase(std::unique(lane.round.begin(), lane.round.end()), lane.round.end());
        for (const auto& [word, value] : lane.round)
            log.push_back({word, Access::Read, value, value});
        lane.blocked = true;
        return;
    }
    ++lane.at;
    if (now.skipIfOdd != 0 && (lane.local & 4) != 0)
        lane.at += now.skipIfOdd;
    if (now.skipIfRead != 0 && lane.last == now.skipValue)
        lane.at += now.skipIfRead;
    const auto& steps = world.program.actors[i];
    const bool inRound = std::any_of(steps.begin() + static_cast<std::ptrdiff_t>(std::min(lane.at, steps.size())), steps.end(),
                                     [&](const LittleStep& later) { return later.retries && later.retryTo < lane.at; });
    if (!inRound)
        lane.round.clear();
}

u64 endOf(const State& s) {
    u64 h = 7;
    for (const u64 w : s.words)
        h = mix(h, w);
    for (const Lane& l : s.lanes)
        h = mix(mix(h, l.at), l.local);
    return h;
}

struct TooMany {};
constexpr u64 kMostExecutions = 5'000;

class Little final : public TraceWorld {
public:
    Little(const LittleProgram& program, Searched& found) : world_(program), found_(found), states_{initial(world_)} {}
    unsigned actors() const override { return world_.actors(); }
    bool done(unsigned i) const override { return test::done(world_, states_.back(), i); }
    bool enabled(unsigned i) const override { return test::enabled(world_, states_.back(), i); }
    Footprint guard(unsigned i) override { return touches(guardOf(world_, states_.back(), i)); }
    bool keepsGuard(unsigned i) const override { return !world_.isRcu(i); }
    Condition condition(unsigned i) override { return conditionOf(world_, states_.back(), i); }
    Footprint step(unsigned i) override {
        State next = states_.back();
        AccessLog log;
        test::step(world_, next, i, log);
        states_.push_back(std::move(next));
        return touches(log);
    }
    void takeBack() override { states_.pop_back(); }
    void ended() override {
        found_.ends.insert(endOf(states_.back()));
        ++found_.executions;
        bound();
    }
    void givenUp() override {
        ++found_.givenUp;
        bound();
    }

private:
    static Footprint touches(const AccessLog& log) { return footprint(log.data(), log.data() + log.size()); }
    void bound() const {
        if (found_.executions + found_.givenUp > kMostExecutions)
            throw TooMany{};
    }
    World world_;
    Searched& found_;
    std::vector<State> states_;
};
} // namespace

bool everyState(const LittleProgram& program, Ends& ends, u64 most) {
    const World world(program);
    std::unordered_set<State, StateHash> seen;
    std::vector<State> open{initial(world)};
    seen.insert(open.back());
    while (!open.empty()) {
        const State state = std::move(open.back());
        open.pop_back();
        bool any = false;
        for (unsigned i = 0; i < world.actors(); ++i) {
            if (!enabled(world, state, i))
                continue;
            any = true;
            State next = state;
            AccessLog log;
            step(world, next, i, log);
            if (seen.insert(next).second)
                open.push_back(std::move(next));
        }
        if (!any)
            ends.insert(endOf(state));
        if (seen.size() > most)
            return false;
    }
    return true;
}

Searched searched(const LittleProgram& program, Reduction::Part without) {
    Searched found;
    Little world(program, found);
    try {
        exploreTraces(world, without);
    } catch (const TooMany&) {
        found.complete = false;
    }
    return found;
}

std::string LittleProgram::text() const {
    constexpr const char* kOps[] = {"read",  "write",   "write-local", "add",    "swap0",   "rlock",
                                    "wlock", "runlock", "wunlock",     "rcu-in", "rcu-out", "call-rcu"};
    constexpr const char* kGuards[] = {"", "can-read ", "can-write ", "equals "};
    std::string out;
    for (std::size_t i = 0; i < actors.size(); ++i) {
        out += fmt::format("P{}:", i);
        for (const LittleStep& s : actors[i]) {
            out += " [";
            if (s.guard != LittleStep::Guard::None)
                out += fmt::format("{}{}={}: ", kGuards[static_cast<unsigned>(s.guard)], s.guardWord, s.guardValue);
            for (const Op& op : s.ops)
                out += fmt::format("{}{} {}.{}; ", op.ifOdd ? "if odd " : "", kOps[static_cast<unsigned>(op.kind)], op.word, op.value);
            if (s.retries)
                out += fmt::format("until {}, from {}", s.retryUntil, s.retryTo);
            if (s.skipIfOdd != 0)
                out += fmt::format("skip {} if odd", s.skipIfOdd);
            out += "]";
        }
        out += "\n";
    }
    return out + (rcu ? fmt::format("callbacks write {}\n", callbackWord) : "");
}

namespace {
class Maker {
public:
    explicit Maker(u64 seed) : random_(seed) {
        features_ = static_cast<unsigned>(random_());
        // Every few programs have everything, or one thing only.
        if (seed % 5 == 0)
            features_ = ~0u;
    }
    LittleProgram make() {
        const unsigned actors = 2 + below(3);
        program_.locks = 2;
        program_.rcu = has(kRcu);
        program_.callbackWord = below(3);
        const unsigned budget = actors == 2 ? 6 : actors == 3 ? 3 : 2;
        for (unsigned i = 0; i < actors; ++i) {
            program_.actors.emplace_back();
            left_ = static_cast<int>(budget);
            while (left_ > 0 && below(9) != 0)
                block(0, kNoLock);
        }
        return program_;
    }

private:
    static constexpr unsigned kReaders = 1, kNested = 2, kEquals = 4, kRetry = 8, kRcu = 16, kLockless = 32, kInAcquire = 64,
                              kNoLocks = 128, kDependent = 256;
    static constexpr unsigned kNoLock = ~0u;
    bool has(unsigned feature) const { return (features_ & feature) != 0; }
    unsigned below(unsigned n) { return static_cast<unsigned>(random_() % n); }
    std::vector<LittleStep>& steps() { return program_.actors.back(); }
    void add(LittleStep step) {
        steps().push_back(std::move(step));
        --left_;
    }
    Op data() {
        constexpr Op::Kind kinds[] = {Op::Kind::Read,  Op::Kind::Read,  Op::Kind::Read,       Op::Kind::Read, Op::Kind::Write,
                                      Op::Kind::Write, Op::Kind::Write, Op::Kind::WriteLocal, Op::Kind::Add,  Op::Kind::Add};
        Op op;
        op.kind = kinds[below(10)];
        op.word = below(3);
        op.value = 1 + below(3);
        op.ifOdd = has(kDependent) && below(4) == 0;
        return op;
    }
    LittleStep one(Op::Kind kind, unsigned word) { return {.ops = {{kind, word, 0, false}}}; }
    void block(unsigned depth, unsigned held) {
        if (left_ <= 0)
            return;
        const unsigned kind = below(12);
        if (kind < 5 && !has(kNoLocks) && (depth == 0 || (depth == 1 && has(kNested)))) {
            unsigned lock = below(has(kNested) ? 2 : 1);
            if (lock == held)
                lock = 1 - lock;
            const bool write = !has(kReaders) || below(2) == 0;
            LittleStep acquire = one(write ? Op::Kind::WriteLock : Op::Kind::ReadLock, lock);
            acquire.guard = write ? LittleStep::Guard::CanWrite : LittleStep::Guard::CanRead;
            acquire.guardWord = lock;
            while (has(kInAcquire) && below(2) == 0)
                acquire.ops.push_back(data());
            add(acquire);
            for (unsigned n = below(3); n > 0; --n)
                block(depth + 1, lock);
            LittleStep release = one(write ? Op::Kind::WriteUnlock : Op::Kind::ReadUnlock, lock);
            if (below(3) == 0)
                release.ops.push_back(data());
            add(release);
        } else if (kind < 6 && has(kEquals)) {
            LittleStep wait{.guard = LittleStep::Guard::Equals, .guardWord = below(3), .guardValue = below(3), .ops = {}};
            while (below(2) == 0)
                wait.ops.push_back(data());
            add(wait);
        } else if (kind < 7 && has(kRetry)) {
            const auto begin = static_cast<unsigned>(steps().size());
            if (below(2) == 0)
                add(one(Op::Kind::Read, below(3)));
            LittleStep end = one(Op::Kind::Read, below(3));
            end.retries = true;
            end.retryTo = begin;
            end.retryUntil = below(4);
            add(end);
        } else if (kind < 8 && has(kRcu)) {
            if (below(2) == 0) {
                add(one(Op::Kind::RcuIn, 0));
                for (unsigned n = below(2); n > 0; --n)
                    block(2, held);
                add(one(Op::Kind::RcuOut, 0));
            } else {
                add(one(Op::Kind::CallRcu, 0));
            }
        } else if (depth > 0 || has(kLockless) || has(kNoLocks)) {
            LittleStep step{.ops = {data()}};
            while (below(3) == 0)
                step.ops.push_back(data());
            add(step);
        } else {
            --left_;
        }
    }

    std::mt19937_64 random_;
    unsigned features_ = 0;
    LittleProgram program_;
    int left_ = 0;
};
} // namespace

LittleProgram randomProgram(u64 seed) { return Maker(seed).make(); }

} // namespace mirrorscope::test
