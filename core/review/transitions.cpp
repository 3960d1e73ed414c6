// SPDX-License-Identifier: GPL-3.0-or-later
// `review --table transitions`: old × new × lock × root. What is reached and attempted comes from exploring scenarios; what no operation
// reaches is made by force, through the function that changes entries (scenario/forced_change.h).
#include "base/text.h"
#include "kvm/census.h"
#include "review/tables.h"
#include "scenario/forced_change.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <optional>
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

// Nothing where nothing becomes anything.
std::optional<Transition> transitionOf(const Census::Change& change) {
    if (change.oldSpte == change.newSpte)
        return std::nullopt;
    Transition t{entryKindOf(change.oldSpte, change.level), entryKindOf(change.newSpte, change.level), change.shared, change.mirror, true};
    if (t.ofLeaves())
        t.sameFrame = ept::pfnOf(change.oldSpte) == ept::pfnOf(change.newSpte);
    return t;
}

// Races in which one loses an entry that the other changes, beside the shipped ones.
constexpr std::array<std::string_view, 4> kMoreRaces{
    "mirrorscope: 1\ntitle: Aging and a fast zap\nmachine: {vm: default, vcpus: 1, ad-bits: false, slots: [{id: 0, gpa: 0, size: 4M}]}\n"
    "script:\n  - vcpu0: {write: 0x1000}\n  - race:\n      host: [{age: {gpa: 0x1000, size: 4K}}]\n      host1: [{zap-all: {}}]\n",
    "mirrorscope: 1\ntitle: Aging and a split\nmachine: {vm: default, vcpus: 1, ad-bits: false, slots: [{id: 0, gpa: 0, size: 4M, backing: "
    "2M}]}\nscript:\n  - vcpu0: {write: 0x1000}\n  - race:\n      host: [{age: {gpa: 0x1000, size: 4K}}]\n"
    "      host1: [{split-huge-pages: {gpa: 0, size: 2M}}]\n",
    "mirrorscope: 1\ntitle: Two executions in a huge page\nmachine: {vm: default, vcpus: 2, nx-huge-pages: true, slots: [{id: 0, gpa: 0, "
    "size: 4M, backing: 2M}]}\nscript:\n  - vcpu0: {read: 0x1000}\n  - race:\n      vcpu0: [{exec: 0x1000}]\n"
    "      vcpu1: [{exec: 0x2000}]\n",
    "mirrorscope: 1\ntitle: A collapse and a fault below the table\nmachine: {vm: default, vcpus: 1, slots: [{id: 0, gpa: 0, size: 4M, "
    "backing: 2M}]}\n"
    "script:\n  - dirty-log: {id: 0, do: start}\n  - vcpu0: {read: 0x1000}\n  - race:\n"
    "      host: [{dirty-log: {id: 0, do: stop}}]\n      vcpu0: [{read: 0x3000}]\n",
};

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
        ExploreOptions explore = exploration(options);
        explore.mode = ExploreMode::Stateful;
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
        const auto of = transitionOf(change);
        const Step* step = scenario_.step(change.script);
        if (!of || (step != nullptr && (step->verb == Verb::Kernel || step->verb == Verb::Seamcall)))
            return;
        const auto [at, isNew] = sights.try_emplace({*of, change.reached});
        Sight& sight = at->second;
        sight.onlyMmio &= masks_->isMmio(change.oldSpte) || masks_->isMmio(change.newSpte);
        if (step != nullptr)
            sight.by.insert(std::string(info(step->verb).name));
        if (isNew) {
            sight.step = machine_->steps();
            fresh_.push_back(at);
        }
    }
    void fired(const Change& change) override {
        if (const auto of = transitionOf(change))
            if (const auto at = sights.find({*of, change.reached}); at != sights.end())
                at->second.fired = true;
    }

    Sights sights;
    u64 executions = 0, races = 0;
    bool cut = false;

private:
    void note(const std::function<Schedule()>& order) {
        Counterexample moment;
        moment.kind = Counterexample::Kind::Moment;
        moment.schedule = order();
        for (const auto& at : fresh_) {
            const auto& [transition, reached] = at->first;
            moment.rule = arrow(transition);
            moment.text =
                reached ? "An entry changes so." : "An entry is to change so, and somebody else was faster or the change is refused.";
            at->second.witness = witnessText(scenario_, moment);
        }
        fresh_.clear();
    }

    const Scenario& scenario_;
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
// (With the lock held for writing entries that are not present are passed over.)
bool byRemoval(const Transition& t) {
    return t.now == EntryKind::Frozen && t.old != EntryKind::Frozen && !(t.mirror && t.shared) && (t.old != EntryKind::None || t.shared);
}

// Does the private table follow with mmu_lock held for writing, where its operation may meet who does not hold that lock?
bool mayMeet(const Transition& t, Kernel version) {
    return version >= Kernel::V7_2 && t.mirror && !t.shared && t.old == EntryKind::None &&
           (t.now == EntryKind::Leaf || t.now == EntryKind::Table);
}

std::string forcedText(const Transition& t, bool busy) {
    const bool removal = byRemoval(t);
    const bool tables = t.old == EntryKind::Table || t.now == EntryKind::Table;
    std::string text = fmt::format("mirrorscope: 1\ntitle: \"{}, on a {} root, mmu_lock held for {}, by force\"\n"
                                   "about: |\n  No ioctl, guest or worker makes this change. Which assertions would it meet?\n",
                                   arrow(t), t.mirror ? "mirror" : "direct", t.shared ? "reading" : "writing");
    const std::string_view access = t.mirror ? "accept" : "write";
    if (t.mirror)
        text += fmt::format("machine: {{vm: tdx, vcpus: 1, slots: [{{id: 0, gpa: 0, size: 8M}}]}}\nscript:\n"
                            "  - init-mem-region: {{gpa: 4M, size: 4K}}\n  - finalize-vm\n");
    else
        text += fmt::format("machine: {{vm: default, vcpus: 1, slots: [{{id: 0, gpa: 0, size: 8M, backing: 2M}}]}}\nscript:\n"
                            "  - vcpu0: {{write: 4M}}\n");
    const auto visit = [&](std::string_view gpa) { text += fmt::format("  - vcpu0: {{{}: {}}}\n", access, gpa); };
    if (t.mirror && !tables)
        visit("0x1000"); // the table that holds the entry
    if (t.old == EntryKind::Leaf || t.old == EntryKind::Table || (removal && !t.mirror))
        visit("0x0");
    if (!t.mirror && (t.old == EntryKind::Table || removal))
        text += "  - split-huge-pages: {gpa: 0, size: 2M}\n";
    const std::string_view atomic = t.shared ? "_atomic" : "";
    if (busy)
        text += fmt::format("  - inject: {{seamcall: TDH.MEM.{}, status: TDX_OPERAND_BUSY}}\n",
                            t.now == EntryKind::Leaf ? "PAGE.AUG" : "SEPT.ADD");
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
    std::optional<bool> fired; // nothing: it was not made
    u64 step = 0;              // at which
    std::string what, rule;
    std::string witness;
};

// Was that change made, and did anything fire inside of it?
class Heard final : public Census {
public:
    Heard(const Transition& of, u32 script) : of_(of), script_(script) {}
    void on(const Machine& machine) { machine_ = &machine; }
    void changed(const Change& change) override {
        if (is(change) && !heard) {
            heard = true;
            position = machine_->steps();
        }
    }
    void fired(const Change& change) override { didFire |= is(change); }
    bool heard = false, didFire = false;
    u64 position = 0;

private:
    bool is(const Change& change) const {
        const auto t = transitionOf(change);
        return t && change.script == script_ && t->old == of_.old && t->now == of_.now && t->mirror == of_.mirror &&
               t->sameFrame == of_.sameFrame;
    }
    Transition of_;
    u32 script_;
    const Machine* machine_ = nullptr;
};

Forced force(const Transition& t, Kernel version, const ReviewOptions& options, bool busy = false) {
    Forced forced;
    forced.witness = ofKernel(forcedText(t, busy), version);
    const Scenario scenario = ownScenario(forced.witness);
    const Step& call = scenario.script.back();
    Heard census(t, call.index);
    Runner runner(scenario);
    if (options.prepare)
        options.prepare(runner.system());
    census.on(runner.system().machine());
    runner.system().kvm().countedBy(census);
    runner.runAll();
    const u64 last = runner.system().machine().steps() == 0 ? 0 : runner.system().machine().steps() - 1;
    forced.step = std::min(census.position, last);
    // FROZEN to FROZEN is no change: what fires is what the call itself asserts.
    const bool nothingChanges = t.old == EntryKind::Frozen && t.now == EntryKind::Frozen;
    std::vector<std::string> said;
    bool asserted = false;
    for (const Violation& v : runner.checker().violations()) {
        const bool asserts = v.rule == Rule::KernelAsserts;
        // Rules that what was put there before breaks say nothing of the change.
        if (v.script != call.index && v.n < census.position)
            continue;
        if (!asserts && census.heard && v.n + 1 < census.position)
            continue;
        if (asserts) {
            const AssertInfo& which = info(static_cast<Assert>(v.key));
            said.push_back(fmt::format("{} in {}(): {}", name(which.kind), which.function, which.condition));
            asserted = true;
        } else if (forced.rule.empty()) {
            forced.rule = info(v.rule).name;
        }
    }
    if (census.heard)
        forced.fired = census.didFire;
    else if (nothingChanges)
        forced.fired = asserted;
    if (!forced.rule.empty())
        said.push_back(forced.rule + " is broken");
    std::string result = "?";
    if (const auto outcome = runner.system().result(*call.result))
        result = outcomeName(*outcome);
    // What is right alone may be wrong where somebody else is in the module.
    if (!busy && forced.fired == false && mayMeet(t, version))
        if (Forced met = force(t, version, options, true); met.fired == true)
            return met;
    forced.what =
        fmt::format("by force{}{}: {}{}", byRemoval(t) ? ", by the removal of its table" : "", busy ? ", while the module is busy" : "",
                    said.empty() ? "nothing complains" : fmt::format("{}", fmt::join(said, "; ")),
                    t.shared ? fmt::format("; the caller gets {}", result) : "");
    return forced;
}
} // namespace

ReviewTable transitions(const ReviewOptions& options) {
    ReviewTable table{ReviewKind::Transitions, {}, true};
    const std::vector<Transition> all = allTransitions();
    std::vector<Scenario> scenarios;
    if (options.scenario) {
        if (options.scenario->machine.breaks.any())
            throw InputError(options.scenario->file, 1, 1,
                             "`break` leaves steps of the protocol out: this table is of the kernel as it is");
        scenarios.push_back(*options.scenario);
    } else {
        scenarios = honestScenarios(options);
        const auto& files = options.files;
        for (const std::string_view text : kMoreRaces)
            if (files.empty() || std::find(files.begin(), files.end(), "more races") != files.end())
                scenarios.push_back(ownScenario(ofKernel(std::string(text), options.kernel)));
    }
    const Kernel version = options.scenario ? options.scenario->machine.kernel : options.kernel;
    const auto asked = [&](const Transition& t) {
        return wanted(options, fmt::format("{} {} {} {}", nameOf(t.old), nameOf(t.now), t.shared ? "read" : "write",
                                           t.mirror ? "mirror" : "direct")) ||
               wanted(options, arrow(t));
    };
    if (std::none_of(all.begin(), all.end(), asked))
        return table;

    std::vector<Collector> collectors(scenarios.begin(), scenarios.end());
    std::vector<Forced> forced(all.size());
    table.whole = work(options, collectors.size() + all.size(), [&](std::size_t i) {
        if (i < collectors.size())
            collectors[i].explore(options);
        else
            forced[i - collectors.size()] = force(all[i - collectors.size()], version, options);
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

    std::map<Transition, std::optional<bool>> legal; // on an ordinary root
    for (std::size_t i = 0; i < all.size(); ++i) {
        if (all[i].mirror)
            continue;
        const auto seen = sights.find({all[i], true});
        const bool harmless = seen != sights.end() && !seen->second.fired && !seen->second.onlyMmio;
        if (harmless)
            legal[all[i]] = true;
        else if (forced[i].fired)
            legal[all[i]] = !*forced[i].fired;
    }
    for (std::size_t i = 0; i < all.size(); ++i) {
        const Transition& t = all[i];
        ReviewCell cell;
        cell.row = {std::string(nameOf(t.old)), std::string(nameOf(t.now)), t.shared ? "read" : "write", t.mirror ? "mirror" : "direct"};
        cell.column = {std::string(name(version))};
        if (!asked(t))
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
                      {"bug", made ? std::optional(reached->second.fired) : forced[i].fired}};
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
            why.push_back("refused there: " + by(refused->second));
            if (cell.witness.empty()) {
                cell.witness = refused->second.witness;
                cell.step = refused->second.step;
            }
        }
        if (reached != sights.end() && refused == sights.end() && !cut)
            why.push_back(fmt::format("never refused in {} executions", executions));
        if (!made) {
            if (reached == sights.end() && refused == sights.end())
                why.push_back(
                    cut ? "not seen so far"
                        : fmt::format("never in {} executions of {} scenarios with {} races", executions, collectors.size(), races));
            why.push_back(forced[i].what);
            if (reached == sights.end()) {
                cell.witness = forced[i].witness;
                cell.step = forced[i].step;
                cell.rule = forced[i].fired == true ? std::string(info(Rule::KernelAsserts).name) : forced[i].rule;
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
