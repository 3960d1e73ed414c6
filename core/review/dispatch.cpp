// SPDX-License-Identifier: GPL-3.0-or-later
// `review --table dispatch`: was the private table updated exactly when it had to be? What had to be carried over is read from what
// happened to the mirror, what was carried over from the calls of the private operations; no policy is asked.
#include "base/text.h"
#include "kvm/census.h"
#include "review/kinds_of_vm.h"
#include "review/tables.h"
#include "scenario/forced_change.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>

namespace mirrorscope::review_tables {

namespace {
constexpr unsigned bit(PrivateOp op) { return 1u << static_cast<unsigned>(op); }
constexpr unsigned kLink = bit(PrivateOp::Link), kSet = bit(PrivateOp::Set), kFree = bit(PrivateOp::Free), kRemove = bit(PrivateOp::Remove),
                   kAll = kLink | kSet | kFree | kRemove | bit(PrivateOp::Split);

struct Operation {
    std::string_view name;
    unsigned counts; // which of the private operations are asked about
    std::string_view setup, step;
    std::string_view machine = {}; // further keys
    bool ofPrivate = false;        // where there is no private memory there is no such operation
};
constexpr std::array<Operation, 22> kOperations{{
    {"map by fault", kSet, "@p 0x5000", "@p 0x2000"},
    {"map shared memory by fault", kAll, "@s 0x1005000", "@s 0x1006000"},
    {"pre-fault", kSet, "@p 0x5000", "pre-fault: {vcpu: 0, gpa: 0x2000, size: 4K}"},
    {"link a table", kLink, "@p 0x5000", "@p 0x200000"},
    {"access upgrade", kAll, "@s 0x1005000; dirty-log: {id: 1, do: start}", "@s 0x1005000", "pml: false"},
    {"zap a leaf", kRemove, "@p 0x2000", "kernel: {call: kvm_tdp_mmu_zap_leafs, gpa: 0x2000}"},
    {"zap a table", kFree, "@p 0x2000", "destroy-vm"},
    {"zap by notifier", kAll, "@s 0x1005000", "discard: {gpa: 0x1005000, size: 4K}"},
    {"zap by notifier, behind private memory", kAll, "@p 0x2000", "discard: {gpa: 0x2000, size: 4K}", "", true},
    {"punch a hole", kRemove, "@p 0x2000", "punch-hole: {gpa: 0x2000}"},
    {"convert to shared", kRemove, "@p 0x2000", "set-memory-attributes: {gpa: 0x2000, size: 4K, as: shared}"},
    {"convert to private", kAll, "set-memory-attributes: {gpa: 0x2000, size: 4K, as: shared}; @s 0x2000",
     "set-memory-attributes: {gpa: 0x2000, size: 4K, as: private}"},
    {"delete a slot with private memory", kRemove, "@p 0x2000", "delete-memory-region: {id: 0}", "", true},
    {"fast zap", kAll, "@p 0x2000; @s 0x1005000", "zap-all"},
    {"teardown", kRemove, "@p 0x2000; @s 0x1005000", "destroy-vm"},
    {"dirty logging of ordinary memory", kAll, "@s 0x1005000", "dirty-log: {id: 1, do: start}", "pml: false"},
    {"dirty logging of private memory", kAll, "@p 0x2000", "dirty-log: {id: 0, do: start}", "pml: false", true},
    {"aging of ordinary memory", kAll, "@s 0x1005000", "age: {gpa: 0x1005000, size: 4K}"},
    {"aging, behind private memory", kAll, "@p 0x2000", "age: {gpa: 0x2000, size: 4K}", "", true},
    {"split a huge page", kAll, "@s 0x1000000", "split-huge-pages: {gpa: 0x1000000, size: 2M}"},
    {"recover a huge page", kAll, "@s 0x1000000; split-huge-pages: {gpa: 0x1000000, size: 2M}",
     "recover-huge-pages: {gpa: 0x1000000, size: 2M}"},
    {"migrate a page", kAll, "@s 0x1005000", "migrate: {gpa: 0x1005000, size: 2M}"},
}};

// The operation's own step, with its id.
std::string decisive(const KindOfVm& vm, std::string_view step) { return "  - {" + stepOf(vm, step, true) + ", id: operation}\n"; }

std::string scenarioText(const Operation& operation, const KindOfVm& vm, std::string_view dispatch) {
    return fmt::format("mirrorscope: 1\n"
                       "title: \"{}, on {}, dispatched by {}\"\n"
                       "machine:\n  vm: {}\n  vcpus: 1\n  dispatch: {}\n{}{}"
                       "  slots: {}\nscript:\n{}{}  - note: The operation that is asked about.\n{}",
                       operation.name, name(vm.type), dispatch, name(vm.type), dispatch,
                       vm.keys.empty() ? "" : fmt::format("  {}\n", vm.keys),
                       operation.machine.empty() ? "" : fmt::format("  {}\n", operation.machine), kSlots, stepsOf(vm, vm.begin),
                       stepsOf(vm, operation.setup), decisive(vm, operation.step));
}

// One run, and what its entries and the private operations did, in their order.
class Counted final : public Census {
public:
    struct Told {
        bool refused; // the backend answered an error
        u64 n;
        u32 script;
        PrivateOp op;
        Gfn gfn;
        Level level;
    };
    struct Changed {
        u64 n;
        bool ofPrivate; // by the attribute as it was then
        Change change;
    };
    Counted(const Scenario& scenario, const ReviewOptions& options)
        : runner_(scenario, {.maxSteps = options.maxTransitions, .cancelled = options.cancelled}) {
        if (options.prepare)
            options.prepare(runner_.system());
        runner_.system().kvm().countedBy(*this);
        runner_.runAll();
    }
    void changed(const Change& change) override {
        const Kvm& kvm = runner_.system().kvm();
        changes.push_back({runner_.system().machine().steps(), kvm.config().hasPrivateMem() && kvm.peekPrivate(change.gfn), change});
    }
    void told(PrivateOp op, Gfn gfn, Level level, int result) override {
        // The table that goes is named by its own level, all else by that of the entry.
        calls.push_back({result != 0, runner_.system().machine().steps(), runner_.system().sim().script(), op, gfn,
                         op == PrivateOp::Free ? above(level) : level});
    }
    const Runner& runner() const { return runner_; }

    std::vector<Changed> changes;
    std::vector<Told> calls;

private:
    Runner runner_;
};

// What the private table must be told of a change of the mirror.
std::optional<PrivateOp> mustBeTold(const Census::Change& change) {
    const EntryKind old = entryKindOf(change.oldSpte, change.level), now = entryKindOf(change.newSpte, change.level);
    if (!change.reached || old == EntryKind::Frozen || old == now)
        return old == EntryKind::Leaf && now == EntryKind::Leaf && change.reached ? std::optional(PrivateOp::Set) : std::nullopt;
    if (now == EntryKind::Leaf)
        return PrivateOp::Set;
    if (now == EntryKind::Table)
        return old == EntryKind::Leaf ? PrivateOp::Split : PrivateOp::Link;
    if (old == EntryKind::None)
        return std::nullopt;
    return old == EntryKind::Leaf ? PrivateOp::Remove : PrivateOp::Free;
}
std::string_view nameOf(PrivateOp op) {
    constexpr std::array<std::string_view, 5> names{"link", "set", "free", "remove", "split"};
    return names[static_cast<unsigned>(op)];
}

// The steps of the script that are asked about.
struct Window {
    u32 first = 0, last = 0;
    bool has(u32 script) const { return script >= first && script <= last; }
};

// How many private operations were called there.
u64 judge(ReviewCell& cell, const Counted& run, const Window& window, unsigned counts) {
    using Key = std::tuple<PrivateOp, u64, Level>;
    std::map<Key, std::vector<u64>> open; // had to be told and was not, with the positions
    const bool mirrored = run.runner().system().kvm().kvm_has_mirrored_tdp();
    u64 needed = 0, privateChanges = 0, told = 0, refused = 0, needless = 0;
    for (const auto& [n, ofPrivate, change] : run.changes) {
        if (!window.has(change.script))
            continue;
        const auto op = mustBeTold(change);
        if (!op || (bit(*op) & counts) == 0)
            continue;
        if (change.mirror) {
            ++needed;
            open[{*op, change.gfn.v, change.level}].push_back(n);
        } else {
            privateChanges += ofPrivate;
        }
    }
    std::string what;
    for (const Counted::Told& call : run.calls) {
        if (!window.has(call.script) || (bit(call.op) & counts) == 0)
            continue;
        ++told;
        refused += call.refused;
        const auto at = open.find({call.op, call.gfn.v, call.level});
        if (at == open.end() || at->second.empty()) {
            // What was refused on the way up has changed no mirror either.
            if (!call.refused && needless++ == 0) {
                what = fmt::format("{} {} {} was told, and no mirror changed so", nameOf(call.op), gpaHex(call.gfn), levelName(call.level));
                cell.step = call.n;
            }
        } else {
            at->second.pop_back();
        }
    }
    u64 missed = 0;
    for (const auto& [key, positions] : open) {
        missed += positions.size();
        if (!positions.empty() && (missed == positions.size() || positions.front() < *cell.step)) {
            what = fmt::format("{} {} {} was not carried over", nameOf(std::get<0>(key)), gpaHex({std::get<1>(key)}),
                               levelName(std::get<2>(key)));
            cell.step = positions.front();
        }
    }
    const Violation* broken = nullptr;
    for (const Violation& v : run.runner().checker().violations())
        if (broken == nullptr && window.has(v.script))
            broken = &v;
    cell.outcome = missed != 0 ? "missed" : needless != 0 ? "needless" : broken != nullptr ? "broken" : "right";
    if (broken != nullptr) {
        cell.rule = info(broken->rule).name;
        cell.step = broken->n;
        what += (what.empty() ? "" : "; ") + broken->text;
    }
    const auto times = [](u64 count, std::string_view of) { return fmt::format("{} {}{}", count, of, count == 1 ? "" : "s"); };
    if (mirrored && needed == 0 && told == 0)
        cell.why = "no entry of the mirror changes, and the private table is not told";
    else if (mirrored)
        cell.why = fmt::format("{} of the mirror, {} of the private table{}", times(needed, "change"), times(told, "call"),
                               refused == 0 ? "" : fmt::format(", {} refused", refused));
    else
        cell.why =
            fmt::format("one table only; a backend would hear of {} of {} of private entries", told, times(privateChanges, "change"));
    if (!what.empty())
        cell.why += ": " + what;
    if (run.runner().bounded()) {
        cell.outcome = "unknown";
        cell.why = run.runner().stopped();
    }
    return told;
}

// How that step of the script ended; nothing if it has not.
std::optional<Outcome> endOf(const Runner& runner, u32 script) {
    std::optional<Outcome> outcome;
    const auto& marks = runner.system().sim().marks();
    for (u64 i = 0; i < marks.size(); ++i)
        if (marks[i].kind == MarkKind::StepEnd && marks[i].script == script)
            outcome = Outcome{static_cast<Outcome::Kind>(marks[i].a[0]), marks[i].a[1], marks[i].a[2]};
    return outcome;
}

// Of the operation that stands under the id `operation`: does it exist here at all?
std::string refused(const Scenario& scenario, const Counted& run) {
    for (const Step& step : scenario.script)
        if (step.id == "operation" && step.result)
            if (const auto outcome = run.runner().system().result(*step.result); outcome && outcome->kind == Outcome::Kind::Errno)
                return "it is refused: " + outcomeName(*outcome);
    return "";
}

std::vector<ReviewCell> builtIn(const Operation& operation, const KindOfVm& vm, const ReviewOptions& options) {
    std::vector<ReviewCell> cells;
    // Why there is no such operation.
    std::string missing = operation.ofPrivate && vm.type == VmType::Default ? "there is no private memory" : "";
    for (const std::string_view dispatch : kDispatches) {
        ReviewCell& cell = cells.emplace_back();
        cell.row = {std::string(operation.name)};
        cell.column = {std::string(name(vm.type)), std::string(dispatch)};
        cell.executions = 1;
        if (!missing.empty()) {
            notThere(cell, missing);
            continue;
        }
        const std::string text = ofKernel(scenarioText(operation, vm, dispatch), options.kernel);
        try {
            const Scenario scenario = ownScenario(text);
            const Counted run(scenario, options);
            // By role, which is what was merged: what that refuses, there is not.
            if (dispatch == kDispatches[0])
                missing = refused(scenario, run);
            if (!missing.empty()) {
                notThere(cell, missing);
                continue;
            }
            cell.witness = text;
            judge(cell, run, {scenario.script.back().index, scenario.script.back().index}, operation.counts);
        } catch (const InputError& error) {
            missing = error.message;
            notThere(cell, missing);
        }
    }
    return cells;
}

// One's own scenario: each step of its script is an operation.
std::vector<ReviewCell> ofScenario(const Scenario& own, const KindOfVm& vm, std::string_view dispatch, const ReviewOptions& options) {
    std::vector<Override> overrides = own.overrides;
    overrides.push_back({"machine.vm", std::string(name(vm.type))});
    overrides.push_back({"machine.dispatch", std::string(dispatch)});
    if (vm.type != VmType::Tdx)
        overrides.push_back({"machine.private-ops", "observe"});
    std::vector<ReviewCell> cells;
    const auto begin = [&](const Step& step) -> ReviewCell& {
        ReviewCell& cell = cells.emplace_back();
        // A step that is repeated or included has a path of its own.
        const bool plain = step.path.find('.') == std::string::npos;
        cell.row = {fmt::format("{}: {}{}", step.path, info(step.verb).name, plain ? fmt::format(", line {}", step.line) : "")};
        cell.column = {std::string(name(vm.type)), std::string(dispatch)};
        cell.executions = 1;
        return cell;
    };
    const auto asked = [](const Step& step) { return info(step.verb).where != VerbInfo::Where::Flow || step.verb == Verb::Race; };
    try {
        const Scenario scenario = bindScenario(own.file, own.source, overrides);
        const Counted run(scenario, options);
        for (const Step& step : scenario.script) {
            if (!asked(step))
                continue;
            ReviewCell& cell = begin(step);
            const auto ended = endOf(run.runner(), step.index);
            if (!ended) {
                cell.outcome = "unknown";
                cell.why = "the run ended before: " + (run.runner().stopped().empty() ? "it was not reached" : run.runner().stopped());
                continue;
            }
            const u64 tells = judge(cell, run, {step.index, lastIndexOf(step)}, kAll);
            if (cell.outcome == "right" && ended->kind == Outcome::Kind::Errno && tells == 0) {
                notThere(cell, "it is refused: " + outcomeName(*ended));
                continue;
            }
            Counterexample moment;
            moment.kind = Counterexample::Kind::Moment;
            moment.rule = cell.columnText();
            moment.text = cell.why;
            cell.witness = witnessText(scenario, moment);
        }
    } catch (const InputError& error) {
        for (const Step& step : own.script)
            if (asked(step))
                notThere(begin(step), error.message);
    }
    std::erase_if(cells, [&](const ReviewCell& cell) { return !wanted(options, cell.rowText()); });
    return cells;
}
} // namespace

ReviewTable dispatch(const ReviewOptions& options) {
    ReviewTable table{ReviewKind::Dispatch, {}, true};
    std::vector<std::vector<ReviewCell>> parts;
    if (options.scenario) {
        parts.resize(kindsOfVm().size() * kDispatches.size());
        table.whole = work(options, parts.size(), [&](std::size_t i) {
            parts[i] = ofScenario(*options.scenario, kindsOfVm()[i / kDispatches.size()], kDispatches[i % kDispatches.size()], options);
        });
    } else {
        std::vector<const Operation*> operations;
        for (const Operation& operation : kOperations)
            if (wanted(options, std::string(operation.name)))
                operations.push_back(&operation);
        parts.resize(operations.size() * kindsOfVm().size());
        table.whole = work(options, parts.size(), [&](std::size_t i) {
            parts[i] = builtIn(*operations[i / kindsOfVm().size()], kindsOfVm()[i % kindsOfVm().size()], options);
        });
    }
    for (auto& part : parts)
        for (ReviewCell& cell : part)
            table.cells.push_back(std::move(cell));
    return table;
}

} // namespace mirrorscope::review_tables
