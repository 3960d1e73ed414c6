// SPDX-License-Identifier: GPL-3.0-or-later
#include "session/find.h"

#include "base/text.h"
#include "scenario/runner.h"
#include "session/session.h"
#include "tdx/module/leaves.h"
#include "trace/recorded.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

namespace mirrorscope {

namespace {
using Key = EventFilter::Word::Key;
struct KeyInfo {
    std::string_view name;
    Key key;
    std::string_view help;
};
constexpr KeyInfo kKeys[] = {
    {"actor", Key::Actor, "who: vcpu1, host, rcu"},
    {"site", Key::Site, "the kind of micro-step: spte.freeze"},
    {"leaf", Key::Leaf, "a SEAMCALL or TDCALL: BLOCK, MEM.PAGE.AUG"},
    {"status", Key::Status, "its completion status: BUSY, SUCCESS"},
    {"gpa", Key::Gpa, "an entry that translates this address, or a leaf or a fault that names it"},
    {"fn", Key::Function, "a function of the call path"},
    {"line", Key::Line, "the line of the script's step"},
    {"rule", Key::Rule, "a rule that was violated; * for any"},
    {"lock", Key::Lock, "a lock that was taken or waited for"},
    {"result", Key::Result, "how a fault ended: RET_PF_RETRY"},
    {"was", Key::Was, "the state of an entry before: frozen"},
    {"is", Key::Is, "the state of an entry afterwards: leaf"},
    {"tree", Key::Tree, "an entry of this tree changed: mirror, private, shared"},
    {"cpu", Key::Cpu, "the CPU on which an event was recorded"},
};

std::string lower(std::string_view text) {
    std::string out(text);
    std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return out;
}
bool contains(std::string_view text, const std::string& word) { return lower(text).find(word) != std::string::npos; }
} // namespace

std::vector<std::pair<std::string_view, std::string_view>> EventFilter::keys() {
    std::vector<std::pair<std::string_view, std::string_view>> list;
    for (const KeyInfo& key : kKeys)
        list.emplace_back(key.name, key.help);
    return list;
}

EventFilter EventFilter::parse(std::string_view text, std::string& error) {
    EventFilter filter;
    error.clear();
    Words words;
    bool negated = false;
    std::string last;
    const auto refuse = [&](std::string what) {
        error = std::move(what);
        return EventFilter();
    };
    for (std::size_t at = 0; at < text.size();) {
        while (at < text.size() && std::isspace(static_cast<unsigned char>(text[at])) != 0)
            ++at;
        const std::size_t begin = at;
        while (at < text.size() && std::isspace(static_cast<unsigned char>(text[at])) == 0)
            ++at;
        std::string_view token = text.substr(begin, at - begin);
        if (token.empty())
            break;
        last = lower(token);
        if (last == "and")
            continue;
        if (last == "not") {
            negated = !negated;
            continue;
        }
        if (last == "or") {
            if (words.empty() || negated)
                return refuse("before `or` a word is missing");
            filter.alternatives_.push_back(std::exchange(words, {}));
            continue;
        }
        if (token.size() > 1 && (token[0] == '-' || token[0] == '!')) {
            negated = !negated;
            token.remove_prefix(1);
        }
        Word word;
        word.negated = std::exchange(negated, false);
        word.text = lower(token);
        if (const std::size_t colon = token.find(':'); colon != std::string_view::npos) {
            const std::string key = lower(token.substr(0, colon));
            const auto found = std::find_if(std::begin(kKeys), std::end(kKeys), [&](const KeyInfo& k) { return k.name == key; });
            if (found == std::end(kKeys)) {
                std::vector<std::string_view> names;
                for (const KeyInfo& k : kKeys)
                    names.push_back(k.name);
                const auto meant = nearest(key, names);
                return refuse(fmt::format("unknown key `{}`{}", key, meant ? "; `" + *meant + ":`?" : ""));
            }
            word.key = found->key;
            word.text = lower(token.substr(colon + 1));
            if (word.text.empty())
                return refuse(fmt::format("`{}:` of what?", key));
            if (word.key == Key::Gpa || word.key == Key::Line || word.key == Key::Cpu) {
                const auto number = parseNumber(token.substr(colon + 1));
                if (!number)
                    return refuse(fmt::format("`{}` is no number", token.substr(colon + 1)));
                word.number = *number;
            }
        }
        if (word.key == Key::Site || word.key == Key::Any) {
            for (unsigned site = 0; site < kSites; ++site)
                word.sites[site] = contains(info(static_cast<Site>(site)).name, word.text);
        }
        words.push_back(std::move(word));
    }
    if (negated || last == "or" || last == "and" || last == "not")
        return refuse(fmt::format("behind `{}` a word is missing", last));
    if (!words.empty())
        filter.alternatives_.push_back(std::move(words));
    for (Words& all : filter.alternatives_)
        std::stable_partition(all.begin(), all.end(), [](const Word& word) { return word.cheap(); });
    return filter;
}

bool Session::matches(const EventFilter& filter, u64 n) const {
    return filter.empty() || std::any_of(filter.alternatives().begin(), filter.alternatives().end(), [&](const auto& words) {
               return std::all_of(words.begin(), words.end(), [&](const auto& word) { return fits(word, n) != word.negated; });
           });
}

bool Session::fits(const EventFilter::Word& word, u64 n) const {
    if (recorded_ &&
        (word.key == Key::Site || word.key == Key::Any || word.key == Key::Line || word.key == Key::Gpa || word.key == Key::Cpu))
        return lineFits(word, n);
    const StepRecord& record = system().machine().step(n);
    const auto anySpan = [&](const std::vector<Span>& spans, auto&& fits) {
        // Those that begin or end with this micro-step.
        for (std::size_t i = Lanes::firstFrom(spans, n); i < spans.size() && spans[i].begin == n; ++i)
            if (fits(spans[i]))
                return true;
        for (const std::size_t i : Lanes::lasting(spans, n))
            if (spans[i].end == n + 1 && fits(spans[i]))
                return true;
        return false;
    };
    bool fits = false;
    switch (word.key) {
    case Key::Actor: fits = lower(actorName(record.actor)) == word.text; break;
    case Key::Site: fits = word.sites[static_cast<unsigned>(record.site)]; break;
    case Key::Leaf:
        fits = anySpan(lanes().seamcalls(), [&](const Span& s) { return contains(info(static_cast<Leaf>(s.code)).name, word.text); });
        break;
    case Key::Status:
        fits =
            anySpan(lanes().seamcalls(), [&](const Span& s) { return s.closed && s.end == n + 1 && contains(statusName(s), word.text); });
        break;
    case Key::Result:
        fits = anySpan(lanes().faults(),
                       [&](const Span& s) { return s.end == n + 1 && contains(retPfName(static_cast<int>(s.detail)), word.text); });
        break;
    case Key::Lock:
        for (unsigned lock = 0; lock < kLocks && !fits; ++lock)
            fits = contains(name(static_cast<LockId>(lock)), word.text) && anySpan(lanes().locks(lock), [](const Span&) { return true; });
        break;
    case Key::Line: {
        const Step* step = scenario_.step(record.script);
        fits = step != nullptr && step->line == word.number;
        break;
    }
    case Key::Cpu: break; // a run has none
    case Key::Rule:
        for (const Violation& v : violations())
            fits |= v.n == n && (word.text == "*" || contains(info(v.rule).name, word.text));
        break;
    case Key::Function:
    case Key::Any:
        for (const auto& function : system().sim().paths().names(record.path))
            fits |= contains(function, word.text);
        if (word.key == Key::Function || fits)
            break;
        fits = word.sites[static_cast<unsigned>(record.site)];
        [[fallthrough]];
    case Key::Tree:
    case Key::Was:
    case Key::Is:
    case Key::Gpa:
        if (fits)
            break;
        system().machine().forEachChange(n, [&](Place place, u64 delta) {
            if (fits)
                return;
            const auto where = locate(place);
            if (!where)
                return;
            const u64 now = system().machine().peek(place);
            if (word.key == Key::Gpa) {
                // Above 4K an entry translates it only as a leaf.
                const auto leaf = [&](u64 raw) {
                    const std::string state = stateNameOfRaw(where->column, raw, where->level);
                    return where->level == Level::k4K ||
                           !(state.starts_with("table") || state == "none" || state == "free" || state == "frozen");
                };
                fits = where->gfn.v <= word.number >> 12 && word.number >> 12 < where->gfn.v + pagesPer(where->level) &&
                       (leaf(now) || leaf(now ^ delta));
            }
            if (word.key == Key::Tree)
                fits = treeName(where->column).starts_with(word.text);
            if (word.key == Key::Was || word.key == Key::Any)
                fits |= stateNameOfRaw(where->column, now ^ delta, where->level) == word.text && (now ^ delta) != 0;
            if (word.key == Key::Is || word.key == Key::Any)
                fits |= stateNameOfRaw(where->column, now, where->level) == word.text &&
                        stateNameOfRaw(where->column, now ^ delta, where->level) != word.text;
        });
        if (word.key == Key::Gpa && !fits) {
            const auto named = [&](const Span& s) { return s.gpa >> 12 == word.number >> 12; };
            fits = anySpan(lanes().seamcalls(), named) || anySpan(lanes().faults(), named);
        }
        break;
    }
    return fits;
}

// The machine stands at n + 1.
FoundEvent Session::eventHere(u64 n) const {
    const Machine& machine = system().machine();
    const StepView view = step(n);
    if (recorded_) {
        const TraceEvent& e = recorded_->events[n];
        if (!recorded_->isSnapshot())
            return {n, actorName(view.actor), mirrorscope::nameOf(e), fmt::format("line {}", e.line), eventOf(n)};
        const bool entry = e.kind == TraceKind::SpteChanged;
        return {n, actorName(view.actor), entry ? "entry" : "table", entry ? fmt::format("entry {}", e.line) : "", eventOf(n)};
    }
    std::string what;
    machine.forEachChange(n, [&](Place place, u64 delta) {
        const auto where = locate(place);
        const u64 now = machine.peek(place);
        if (!where || !what.empty() || (now ^ delta) == 0)
            return;
        what = fmt::format("{} {} {}: {}", treeName(where->column), gpaHex(inSmm(where->gfn, where->smm)), levelName(where->level),
                           changeText(where->column, now ^ delta, now, where->level));
    });
    const auto& calls = lanes().seamcalls();
    for (std::size_t i = Lanes::firstFrom(calls, n); i < calls.size() && calls[i].begin == n; ++i)
        what = fmt::format("{} …", info(static_cast<Leaf>(calls[i].code)).name);
    for (const std::size_t i : Lanes::lasting(calls, n))
        if (calls[i].end == n + 1 && calls[i].closed)
            what = fmt::format("{} → {}", info(static_cast<Leaf>(calls[i].code)).name, statusName(calls[i]));
    return {n, actorName(view.actor), std::string(info(view.site).name), view.where.empty() ? "" : view.where.back(), what};
}

FoundEvent Session::eventAt(u64 n) {
    Machine& machine = runner_->system().machine();
    const u64 here = position();
    machine.seek(n + 1);
    FoundEvent event = eventHere(n);
    machine.seek(here);
    return event;
}

u64 Session::find(const EventFilter& filter, u64 from, std::vector<FoundEvent>& found, std::size_t limit,
                  std::chrono::steady_clock::time_point until) {
    Machine& machine = runner_->system().machine();
    const u64 here = position();
    u64 n = from;
    constexpr u64 kClock = 64;
    for (; n < end() && found.size() < limit; ++n) {
        if (n % kClock == 0 && n != from && std::chrono::steady_clock::now() > until)
            break;
        // What cannot fit by who and where needs no state.
        machine.seek(n + 1);
        if (!matches(filter, n))
            continue;
        found.push_back(eventHere(n));
    }
    machine.seek(here);
    return n;
}

} // namespace mirrorscope
