// SPDX-License-Identifier: GPL-3.0-or-later
// `review --table transitions`: old × new × lock × root. What is reached and attempted comes from exploring scenarios; what no operation
// reaches is made by force, through the function that changes entries (scenario/forced_change.h).
#include "base/text.h"
#include "explore/counterexample.h"
#include "explore/explorer.h"
#include "kvm/census.h"
#include "review/tables.h"
#include "scenario/forced_change.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <tuple>

namespace mirrorscope::review_tables {

namespace {
struct Transition {
    EntryKind old = EntryKind::None, now = EntryKind::None;
    bool shared = false, mirror = false;
    bool sameFrame = true; // asked only of leaf → leaf
    auto key() const { return std::tuple(old, now, shared, mirror, sameFrame); }
    bool operator<(const Transition& other) const { return key() < other.key(); }
    bool ofLeaves() const { return old == EntryKind::Leaf && now == EntryKind::Leaf; }
};

std::vector<Transition> allTransitions() {
    std::vector<Transition> all;
    using enum EntryKind;
    for (const bool mirror : {true, false})
        for (const EntryKind old : {None, Leaf, Table, Frozen})
            for (const EntryKind now : {None, Leaf, Table, Frozen})
                for (const bool shared : {true, false})
                    for (const bool sameFrame : {true, false})
                        if (const Transition t{old, now, shared, mirror, sameFrame}; sameFrame || t.ofLeaves())
                            all.push_back(t);
    return all;
}

std::string_view nameOf(EntryKind kind) { return kEntryKinds[static_cast<unsigned>(kind)]; }
std::string arrow(const Transition& t) {
    return fmt::format("{} → {}{}", nameOf(t.old), nameOf(t.now), !t.ofLeaves() ? "" : t.sameFrame ? ", same page" : ", another page");
}

// Who made a change, and where it can be seen.
struct Sight {
    std::set<std::string> by; // verbs
    bool fired = false;       // a BUG or a WARN did
    bool onlyMmio = true;     // none → none: an MMIO entry was made or went
    std::string witness;
    u64 step = 0;
};
using Sights = std::map<std::pair<Transition, bool>, Sight>; // by transition, and whether it was reached or refused

// One scenario's exploration.
class Collector final : public Census {
public:
    explicit Collector(const Scenario& scenario) : scenario_(scenario) {}
    void explore(const ReviewOptions& options) {
        if (options.scenario)
            overrides_ = options.overrides;
        ExploreOptions explore;
        explore.mode = ExploreMode::Stateful;
        explore.all = true;
        explore.maxTransitions = options.maxTransitions;
        explore.cancelled = options.cancelled;
        explore.prepare = options.prepare;
        explore.census = this;
        explore.look = [this](const System&, u64, const std::function<Schedule()>& order) {
            if (!fresh_.empty())
                note(order);
        };
        Explorer explorer(scenario_, explore);
        machine_ = &explorer.system().machine();
        masks_ = &explorer.system().kvm().masks();
        const ExploreResult result = explorer.run();
        executions = result.executions;
        races = result.races;
        cut = result.stopped;
    }
    void changed(const Change& change) override {
        const Transition t{entryKindOf(change.oldSpte, change.level), entryKindOf(change.newSpte, change.level), change.shared,
                           change.mirror, true};
        Transition of = t;
        if (of.ofLeaves()) {
            if (change.oldSpte == change.newSpte)
                return; // nothing becomes anything
            of.sameFrame = ept::pfnOf(change.oldSpte) == ept::pfnOf(change.newSpte);
        }
        const bool mmio = masks_->isMmio(change.oldSpte) || masks_->isMmio(change.newSpte);
        const Step* step = scenario_.step(change.script);
        const auto [at, isNew] = sights.try_emplace({of, change.reached});
        Sight& sight = at->second;
        sight.fired |= change.fired;
        sight.onlyMmio &= mmio;
        if (step != nullptr)
            sight.by.insert(std::string(info(step->verb).name));
        if (isNew) {
            sight.step = machine_->steps();
            fresh_.push_back(at);
        }
    }

    Sights sights;
    u64 executions = 0, races = 0;
    bool cut = false;

private:
    void note(const std::function<Schedule()>& order) {
        Counterexample moment;
        moment.kind = Counterexample::Kind::Moment;
        moment.schedule = order();
        const bool included = scenario_.source.find("include:") != std::string::npos; // a copy elsewhere would not find it
        for (const auto& at : fresh_) {
            const auto& [transition, reached] = at->first;
            moment.rule = arrow(transition);
            moment.text =
                reached ? "An entry changes so." : "An entry is to change so, and somebody else was faster or the change is refused.";
            if (!included)
                at->second.witness = scenarioOf(scenario_, overrides_, moment);
        }
        fresh_.clear();
    }

    const Scenario& scenario_;
    std::vector<Override> overrides_{{"machine.kernel", "6.16"}};
    const Machine* machine_ = nullptr;
    const SpteMasks* masks_ = nullptr;
    std::vector<Sights::iterator> fresh_;
};

void join(Sights& all, Sights&& part) {
    for (auto& [key, sight] : part) {
        const auto [at, isNew] = all.try_emplace(key, sight);
        if (isNew)
            continue;
        Sight& known = at->second;
        known.fired |= sight.fired;
        known.onlyMmio &= sight.onlyMmio;
        known.by.insert(sight.by.begin(), sight.by.end());
        // The shorter one shows it better.
        if (!sight.witness.empty() && (known.witness.empty() || sight.witness.size() < known.witness.size())) {
            known.witness = sight.witness;
            known.step = sight.step;
        }
    }
}

// ---- by force

// An entry becomes FROZEN for good when the table that holds it is removed: that is what is forced there, but where an entry of a mirror
// cannot be taken out, mmu_lock held for reading.
bool byRemoval(const Transition& t) { return t.now == EntryKind::Frozen && t.old != EntryKind::Frozen && !(t.mirror && t.shared); }

std::string forcedText(const Transition& t) {
    const bool removal = byRemoval(t);
    const bool tables = t.old == EntryKind::Table || t.now == EntryKind::Table;
    std::string text = fmt::format("mirrorscope: 1\ntitle: \"{}, on a {} root, mmu_lock held for {}, by force\"\n"
                                   "about: |\n  No ioctl, guest or worker makes this change. Which assertions would it meet?\n",
                                   arrow(t), t.mirror ? "mirror" : "direct", t.shared ? "reading" : "writing");
    const std::string_view access = t.mirror ? "accept" : "write";
    if (t.mirror)
        text += "machine: {vm: tdx, vcpus: 1, slots: [{id: 0, gpa: 0, size: 8M}]}\nscript:\n"
                "  - init-mem-region: {gpa: 4M, size: 4K}\n  - finalize-vm\n";
    else
        text += "machine: {vm: default, vcpus: 1, slots: [{id: 0, gpa: 0, size: 8M, backing: 2M}]}\nscript:\n"
                "  - vcpu0: {write: 4M}\n";
    const auto visit = [&](std::string_view gpa) { text += fmt::format("  - vcpu0: {{{}: {}}}\n", access, gpa); };
    if (t.mirror && !tables)
        visit("0x1000"); // the table that holds the entry
    if (t.old == EntryKind::Leaf || t.old == EntryKind::Table || (removal && !t.mirror))
        visit("0x0");
    if (!t.mirror && (t.old == EntryKind::Table || removal))
        text += "  - split-huge-pages: {gpa: 0, size: 2M}\n";
    const std::string_view atomic = t.shared ? "_atomic" : "";
    if (removal) {
        if (!t.mirror && t.old == EntryKind::None)
            text += "  - kernel: {call: kvm_tdp_mmu_zap_leafs, gpa: 0}\n";
        return text + fmt::format("  - {{kernel: {{call: tdp_mmu_set_spte{}, gpa: 0, level: {}, to: none}}, id: change}}\n", atomic,
                                  t.old == EntryKind::Table ? "1G" : "2M");
    }
    return text + fmt::format("  - {{kernel: {{call: tdp_mmu_set_spte{}, gpa: 0, level: {}, from: {}, to: {}{}}}, id: change}}\n", atomic,
                              tables || !t.mirror ? "2M" : "4K", nameOf(t.old), nameOf(t.now),
                              t.ofLeaves() && !t.sameFrame ? ", frame: another" : "");
}

struct Forced {
    bool fired = false;
    u64 step = 0; // at which
    std::string what, rule;
    std::string witness;
};

// Did anything fire inside of that change?
class Fired final : public Census {
public:
    Fired(const Transition& of, u32 script) : of_(of), script_(script) {}
    void changed(const Change& change) override {
        if (change.script == script_ && entryKindOf(change.oldSpte, change.level) == of_.old &&
            entryKindOf(change.newSpte, change.level) == of_.now && change.mirror == of_.mirror)
            fired |= change.fired;
    }
    bool fired = false;

private:
    Transition of_;
    u32 script_;
};

Forced force(const Transition& t, const ReviewOptions& options) {
    Forced forced;
    forced.witness = forcedText(t);
    const Scenario scenario = ownScenario(forced.witness);
    const Step& call = scenario.script.back();
    Fired census(t, call.index);
    Runner runner(scenario);
    if (options.prepare)
        options.prepare(runner.system());
    runner.system().kvm().countedBy(census);
    runner.runAll();
    forced.fired = census.fired;
    std::vector<std::string> said;
    const Violation* first = nullptr;
    for (const Violation& v : runner.checker().violations()) {
        if (v.script != call.index)
            continue;
        const bool asserts = v.rule == Rule::KernelAsserts;
        if (first == nullptr || (asserts && first->rule != Rule::KernelAsserts))
            first = &v;
        if (asserts) {
            const AssertInfo& which = info(static_cast<Assert>(v.key));
            said.push_back(fmt::format("{} in {}(): {}", name(which.kind), which.function, which.condition));
        } else if (forced.rule.empty()) {
            forced.rule = info(v.rule).name;
        }
    }
    if (!forced.rule.empty())
        said.push_back(forced.rule + " is broken");
    forced.step = first != nullptr ? first->n : runner.system().machine().steps();
    std::string result = "?";
    if (const auto outcome = runner.system().result(*call.result))
        result = outcomeName(*outcome);
    forced.what = "by force: " + (said.empty() ? "nothing complains" : fmt::format("{}", fmt::join(said, "; "))) +
                  (t.shared ? fmt::format("; the caller gets {}", result) : "");
    return forced;
}
} // namespace

ReviewTable transitions(const ReviewOptions& options) {
    ReviewTable table{ReviewKind::Transitions, {}, true};
    const std::vector<Transition> all = allTransitions();
    std::vector<Scenario> scenarios;
    if (options.scenario)
        scenarios.push_back(*options.scenario);
    else
        scenarios = honestScenarios(options);

    std::vector<Collector> collectors(scenarios.begin(), scenarios.end());
    std::vector<Forced> forced(all.size());
    table.whole = work(options, collectors.size() + all.size(), [&](std::size_t i) {
        if (i < collectors.size())
            collectors[i].explore(options);
        else
            forced[i - collectors.size()] = force(all[i - collectors.size()], options);
    });
    Sights sights;
    u64 executions = 0, races = 0;
    bool cut = !table.whole;
    for (Collector& collector : collectors) {
        join(sights, std::move(collector.sights));
        executions += collector.executions;
        races += collector.races;
        cut |= collector.cut;
    }

    std::map<Transition, bool> legal; // on an ordinary root
    for (std::size_t i = 0; i < all.size(); ++i) {
        if (all[i].mirror)
            continue;
        const auto seen = sights.find({all[i], true});
        const bool harmless = seen != sights.end() && !seen->second.fired && !seen->second.onlyMmio;
        legal[all[i]] = harmless || !forced[i].fired;
    }
    for (std::size_t i = 0; i < all.size(); ++i) {
        const Transition& t = all[i];
        ReviewCell cell;
        cell.row = {std::string(nameOf(t.old)), std::string(nameOf(t.now)), t.shared ? "read" : "write", t.mirror ? "mirror" : "direct"};
        cell.column = {"6.16"};
        if (!wanted(options, cell.rowText()) && !wanted(options, arrow(t)))
            continue;
        cell.executions = executions;
        cell.races = races;
        const auto reached = sights.find({t, true}), refused = sights.find({t, false});
        const auto seen = [&](const auto& at) {
            return at != sights.end() ? std::optional(true) : cut ? std::nullopt : std::optional(false);
        };
        const bool onlyMmio = reached != sights.end() && t.old == EntryKind::None && t.now == EntryKind::None && reached->second.onlyMmio;
        const bool made = reached != sights.end() && !onlyMmio;
        Transition onDirect = t;
        onDirect.mirror = false;
        cell.facts = {{"legal", legal[onDirect]},
                      {"reached", seen(reached)},
                      {"attempted", seen(refused)},
                      {"bug", made ? reached->second.fired : forced[i].fired}};
        if (t.ofLeaves())
            cell.facts.emplace_back("same-frame", t.sameFrame);
        std::vector<std::string> why;
        const auto by = [](const Sight& sight) { return fmt::format("{}", fmt::join(sight.by, ", ")); };
        if (reached != sights.end()) {
            why.push_back((onlyMmio ? "as MMIO, by " : "by ") + by(reached->second));
            cell.witness = reached->second.witness;
            cell.step = reached->second.step;
            cell.details.emplace_back("by", by(reached->second));
        }
        if (refused != sights.end()) {
            why.push_back("refused: " + by(refused->second));
            if (cell.witness.empty()) {
                cell.witness = refused->second.witness;
                cell.step = refused->second.step;
            }
        }
        if (!made) {
            if (why.empty())
                why.push_back(
                    cut ? "not seen so far"
                        : fmt::format("never in {} executions of {} scenarios with {} races", executions, collectors.size(), races));
            why.push_back(forced[i].what);
            if (reached == sights.end()) {
                cell.witness = forced[i].witness;
                cell.step = forced[i].step;
                cell.rule = forced[i].fired ? std::string(info(Rule::KernelAsserts).name) : forced[i].rule;
            }
        } else if (reached->second.fired) {
            why.push_back("a BUG or a WARN fires there");
        }
        cell.outcome = reached != sights.end() ? "reached" : cut ? "unknown" : refused != sights.end() ? "attempted" : "never";
        cell.why = fmt::format("{}", fmt::join(why, "; "));
        table.cells.push_back(std::move(cell));
    }
    return table;
}

} // namespace mirrorscope::review_tables
