// SPDX-License-Identifier: GPL-3.0-or-later
#include "scenario/evaluate.h"

#include "base/text.h"

#include <fmt/format.h>

#include <algorithm>

namespace mirrorscope {

std::string answerText(const Step& question, u64 right) {
    std::string text = "answer: ";
    bool any = false;
    for (std::size_t i = 0; i < question.choices.size(); ++i)
        if ((right >> i & 1) != 0) {
            text += (any ? " · " : "") + question.choices[i].text;
            any = true;
        }
    if (!any)
        text += !question.answer.empty() ? question.answer : question.choices.empty() ? "everybody's own" : "none of these";
    // What was typed in says nothing against the run.
    else if (!question.answer.empty() && text != "answer: " + question.answer)
        text += " (the file says: " + question.answer + ")";
    return question.why.empty() ? text : text + " - " + question.why;
}

std::string outcomeName(const Outcome& outcome) {
    switch (outcome.kind) {
    case Outcome::Kind::Ok: return "ok";
    case Outcome::Kind::Errno: return std::string(errnoName(static_cast<int>(outcome.code)));
    case Outcome::Kind::Exit: return std::string(name(static_cast<KvmExit>(outcome.code)));
    case Outcome::Kind::RetPf: return std::string(retPfName(static_cast<int>(outcome.code)));
    case Outcome::Kind::Ve: return "#VE";
    case Outcome::Kind::Vc: return "#VC";
    case Outcome::Kind::Signal: return outcome.code == kSIGBUS ? "SIGBUS" : "SIGSEGV";
    case Outcome::Kind::Rmp: return std::string(name(static_cast<RmpStatus>(outcome.code)));
    case Outcome::Kind::Status: return outcome.code == tdx::kSuccess ? "ok" : tdx::statusName(outcome.code);
    }
    return "?";
}

std::string detailsText(const Details& details) {
    std::string text;
    details.forEach([&](Field field, u64 value) { text += fmt::format("{}{} {}", text.empty() ? "" : ", ", name(field), hex(value)); });
    if (details.error != 0)
        text += fmt::format("{}errno {}", text.empty() ? "" : ", ", errnoName(static_cast<int>(details.error)));
    return text;
}

Outcome outcomeOf(const Sim& sim, std::size_t mark) {
    const auto& marks = sim.marks();
    const Mark& end = marks[mark];
    Outcome outcome{static_cast<Outcome::Kind>(end.a[0]), end.a[1], end.a[2]};
    outcome.details.present = static_cast<u32>(end.a[4]);
    outcome.details.error = static_cast<u32>(end.a[5]);
    if (outcome.details.present != 0) {
        const Mark details = marks[mark - 1];
        std::copy_n(std::begin(details.a), Details::kMost, outcome.details.values.begin());
    }
    return outcome;
}

namespace {

Evaluation evaluateKvmTree(const Expectation& e, const System& system) {
    const Pfn root = e.tree == Expectation::Tree::Mirror ? system.mirrorRoot() : system.directRoot(e.smm);
    const auto at = system.spteAt(root, {e.gpa >> 12}, e.level && e.spteState == SpteState::Table ? *e.level : Level::None);
    // A tree that was not made yet maps nothing.
    const u64 value = at.exists ? at.value : spte::kNonpresent;
    const Level level = at.exists ? at.level : levelOf(system.config().levels);
    const SpteState state = stateOf(system.kvm().masks(), value, level);
    Evaluation result{true, fmt::format("{} at {}", name(state), levelName(level))};
    const SpteMasks& masks = system.kvm().masks();
    const auto flag = [&](const std::optional<bool>& wanted, bool is, const char* yes, const char* no) {
        if (!wanted)
            return;
        result.holds &= is == *wanted;
        result.found += fmt::format(", {}", is ? yes : no);
    };
    if (e.spteState)
        result.holds &= state == *e.spteState;
    if (e.level)
        result.holds &= level == *e.level;
    flag(e.writable, spte::isWritable(value), "writable", "not writable");
    flag(e.executable, masks.isExecutable(value), "executable", "not executable");
    flag(e.accessed, (value & masks.format.accessed) != 0, "accessed", "not accessed");
    flag(e.dirty, (value & masks.format.dirty) != 0, "dirty", "not dirty");
    return result;
}

Evaluation evaluateSecure(const Expectation& e, const System& system) {
    const bool wantsTable = e.septState == SeptState::Table || e.septState == SeptState::TableBlocked;
    const auto walk = system.septAt({e.gpa >> 12}, e.level && wantsTable ? *e.level : Level::k4K);
    if (walk.level == Level::None)
        return {e.septState == SeptState::Free && !e.level, "no TD"};
    const SeptState state = sept::stateOf(walk.entry);
    Evaluation result{true, fmt::format("{} at {}", name(state), levelName(walk.level))};
    if (e.septState)
        result.holds &= state == *e.septState;
    if (e.level)
        result.holds &= walk.level == *e.level;
    return result;
}

Evaluation evaluateResult(const Expectation& e, const System& system) {
    const auto outcome = system.result(e.result);
    if (!outcome)
        return {false, "that step has not ended"};
    Evaluation result{true, outcomeName(*outcome)};
    if (!e.is.empty())
        result.holds &= result.found == e.is;
    if (e.field) {
        const auto found = outcome->details.get(*e.field);
        result.holds &= found == e.value;
        result.found += fmt::format(", {} {}", name(*e.field), found ? hex(*found) : "nothing");
    } else if (e.value) {
        result.holds &= outcome->value == *e.value && outcome->kind == Outcome::Kind::Ok;
        result.found += fmt::format(", value {}", outcome->value);
    }
    if (e.error) {
        // Beside an exit, or the result itself.
        const u64 error = outcome->kind == Outcome::Kind::Errno ? outcome->code : outcome->details.error;
        result.holds &= error == *e.error;
        result.found += fmt::format(", errno {}", error == 0 ? "0" : errnoName(static_cast<int>(error)));
    }
    if (e.operand) {
        const std::string operand = outcome->kind == Outcome::Kind::Status ? tdx::operandText(outcome->code) : "";
        result.holds &= operand == tdx::operandName(*e.operand);
        result.found += operand.empty() ? ", no operand" : ", operand " + operand;
    }
    return result;
}

u64 counted(const Expectation& e, const System& system) {
    if (e.counted == Expectation::Count::Counter)
        switch (static_cast<Counter>(e.countId)) {
        case Counter::Leaf: return system.kvm().leafCount();
        case Counter::Table: return system.kvm().tableCount();
        case Counter::Frame: return system.frames().inUse();
        case Counter::Pages4k: return system.kvm().pagesOf(Level::k4K);
        case Counter::Pages2m: return system.kvm().pagesOf(Level::k2M);
        case Counter::Pages1g: return system.kvm().pagesOf(Level::k1G);
        case Counter::NxLpageSplits: return system.kvm().nxLpageSplits();
        default: break;
        }
    return eventsCounted(e.counted, e.countId, system);
}

Evaluation evaluateCount(const Expectation& e, const System& system) {
    const u64 n = counted(e, system);
    return {(!e.exactly || n == *e.exactly) && (!e.atLeast || n >= *e.atLeast) && (!e.atMost || n <= *e.atMost), std::to_string(n)};
}

} // namespace

u64 eventsCounted(Expectation::Count what, unsigned id, const System& system) {
    switch (what) {
    case Expectation::Count::Site: return system.machine().siteCount(static_cast<Site>(id));
    case Expectation::Count::Leaf: return system.sim().leafCount(id);
    case Expectation::Count::Counter: break;
    }
    return system.sim().counter(static_cast<Counter>(id));
}

std::vector<u64> countedEvents(const Scenario& scenario, const System& system) {
    std::vector<u64> counts;
    for (const Scenario::Counted& c : scenario.countedEvents)
        counts.push_back(std::min(eventsCounted(c.what, c.id, system), c.most));
    return counts;
}

Evaluation evaluate(const Expectation& e, const System& system, const Checker& checker) {
    switch (e.form) {
    case Expectation::Form::Tree: return e.tree == Expectation::Tree::Secure ? evaluateSecure(e, system) : evaluateKvmTree(e, system);
    case Expectation::Form::Result: return evaluateResult(e, system);
    case Expectation::Form::Count: return evaluateCount(e, system);
    case Expectation::Form::Tlb: {
        const bool cached =
            system.kvm().tlb(e.vcpu).peek(inSmm({e.gpa >> 12}, e.smm), e.alias).has_value() && system.kvm().tlbUsable(e.vcpu);
        return {cached == e.cached, cached ? "cached" : "empty"};
    }
    case Expectation::Form::Rmp: {
        const auto pfn = system.gmemFrame({e.gpa >> 12});
        if (!pfn)
            return {e.is == "none" && !e.level, "none"};
        const RmpEntry entry = system.rmp().peek(*pfn);
        const Level size = system.rmp().levelOf(*pfn);
        return {e.is == stateName(entry) && (!e.level || *e.level == size), fmt::format("{} at {}", stateName(entry), levelName(size))};
    }
    case Expectation::Form::Violations: {
        const auto& violations = checker.violations();
        std::string found = std::to_string(violations.size());
        if (!violations.empty())
            found += fmt::format(": {}: {}", info(violations.front().rule).name, violations.front().text);
        return {violations.size() == *e.exactly, found};
    }
    case Expectation::Form::Violation: {
        const auto& violations = checker.violations();
        const bool any = std::any_of(violations.begin(), violations.end(), [&](const Violation& v) { return v.rule == e.rule; });
        return {any, any ? std::string(info(e.rule).name) + " was violated" : "no such violation"};
    }
    }
    return {};
}

} // namespace mirrorscope
