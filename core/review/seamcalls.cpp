// SPDX-License-Identifier: GPL-3.0-or-later
// `review --table seamcalls`: which leaf is in the way of which, and what KVM does about it. Two leaves race on one TD, on one entry where
// both name one; whoever is answered TDX_OPERAND_BUSY was in the way of the other.
#include "review/kinds_of_vm.h"
#include "review/outcomes.h"
#include "review/tables.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace mirrorscope::review_tables {

namespace {
// A call of the host, or a step of a guest, on one entry: @e, an address of which KVM builds nothing, at the level @l.
struct Caller {
    std::string_view name;  // of the leaf, or what a guest does
    bool build, run;        // the module accepts it before, or after the TD is finalized
    bool large;             // its own entry is one of 2M, else of 4K
    std::string_view setup; // that makes it succeed, after the tables: words, or one step
    std::string_view call;
    bool guest = false;
};
constexpr std::string_view kAccept = "accept: {gpa: @e, level: @l}";
constexpr std::array<Caller, 22> kCallers{{
    {"TDH.MEM.PAGE.ADD", true, false, false, "", "seamcall: {leaf: TDH.MEM.PAGE.ADD, gpa: @e}"},
    {"TDH.MR.EXTEND", true, false, false, "ADD", "seamcall: {leaf: TDH.MR.EXTEND, gpa: @e}"},
    {"TDH.MR.FINALIZE", true, false, false, "", "seamcall: {leaf: TDH.MR.FINALIZE}"},
    {"TDH.VP.CREATE", true, false, false, "", "seamcall: {leaf: TDH.VP.CREATE}"},
    {"TDH.VP.INIT", true, false, false, "", "init-vcpu: {vcpu: 1}"},
    {"TDH.MEM.SEPT.ADD", true, true, true, "", "seamcall: {leaf: TDH.MEM.SEPT.ADD, gpa: @e, level: 2M}"},
    {"TDH.MEM.PAGE.AUG", true, true, false, "", "seamcall: {leaf: TDH.MEM.PAGE.AUG, gpa: @e, level: @l}"},
    {"TDH.MEM.RANGE.BLOCK", true, true, false, "AUG", "seamcall: {leaf: TDH.MEM.RANGE.BLOCK, gpa: @e, level: @l}"},
    {"TDH.MEM.TRACK", true, true, false, "", "seamcall: {leaf: TDH.MEM.TRACK}"},
    {"TDH.MEM.PAGE.REMOVE", true, true, false, "AUG BLOCK TRACK", "seamcall: {leaf: TDH.MEM.PAGE.REMOVE, gpa: @e, level: @l}"},
    {"TDH.MEM.RANGE.UNBLOCK", true, true, false, "AUG BLOCK TRACK", "seamcall: {leaf: TDH.MEM.RANGE.UNBLOCK, gpa: @e, level: @l}"},
    {"TDH.MEM.SEPT.RD", true, true, false, "", "seamcall: {leaf: TDH.MEM.SEPT.RD, gpa: @e, level: @l}"},
    {"TDH.MEM.SEPT.REMOVE", true, true, true, "TABLE BLOCK TRACK", "seamcall: {leaf: TDH.MEM.SEPT.REMOVE, gpa: @e, level: 2M}"},
    {"TDH.MEM.PAGE.DEMOTE", true, true, true, "AUG BLOCK TRACK", "seamcall: {leaf: TDH.MEM.PAGE.DEMOTE, gpa: @e, level: 2M}"},
    {"TDH.MEM.PAGE.RELOCATE", true, true, false, "AUG BLOCK TRACK", "seamcall: {leaf: TDH.MEM.PAGE.RELOCATE, gpa: @e}"},
    {"TDH.VP.FLUSH", true, true, false, "READ", "seamcall: {leaf: TDH.VP.FLUSH}"},
    {"TDH.MNG.VPFLUSHDONE", true, true, false, "", "seamcall: {leaf: TDH.MNG.VPFLUSHDONE}"},
    {"TDH.PHYMEM.PAGE.RDMD", true, true, false, "AUG", "seamcall: {leaf: TDH.PHYMEM.PAGE.RDMD, page: {of: @e}}"},
    {"TDH.VP.ENTER", false, true, false, "", "read: 0x0", true},
    {"TDG.MEM.PAGE.ACCEPT", false, true, false, "AUG", kAccept, true},
    {"TDH.PHYMEM.PAMT.ADD", true, true, false, "", "seamcall: {leaf: TDH.PHYMEM.PAMT.ADD, page: 0xc00}"},
    {"TDH.PHYMEM.PAMT.REMOVE", true, true, false, "", "seamcall: {leaf: TDH.PHYMEM.PAMT.REMOVE, page: 0xc00}"},
}};
// Of a module with dynamic PAMT: about 2M of host memory, of which nobody has used a page.
bool isPamt(std::string_view leaf) { return leaf.starts_with("TDH.PHYMEM.PAMT."); }
constexpr std::string_view kDynamicPamt = "features: [dynamic-pamt], ";

// Does it give the module a page that was the host's?
bool givesPage(const Caller& caller) {
    return caller.name == "TDH.MEM.PAGE.ADD" || caller.name == "TDH.MEM.PAGE.AUG" || caller.name == "TDH.MEM.SEPT.ADD" ||
           caller.name == "TDH.MEM.PAGE.RELOCATE";
}
std::string replaced(std::string text, std::string_view what, std::string_view with) {
    for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + with.size()))
        text.replace(at, what.size(), with);
    return text;
}
std::string placed(std::string_view text, bool large) {
    return replaced(replaced(std::string(text), "@e", "0x8000000000"), "@l", large ? "2M" : "4K");
}

std::string setupOf(const Caller& caller) {
    std::string text;
    const auto line = [&](std::string_view step) { text += "  - {" + placed(step, caller.large) + "}\n"; };
    const auto table = [&](std::string_view level) {
        line(fmt::format("seamcall: {{leaf: TDH.MEM.SEPT.ADD, gpa: @e, level: {}}}", level));
    };
    table("512G");
    table("1G");
    if (!caller.large)
        table("2M");
    for (std::string_view rest = caller.setup; !rest.empty();) {
        const std::size_t end = std::min(rest.find(' '), rest.size());
        const std::string_view word = rest.substr(0, end);
        rest.remove_prefix(std::min(end + 1, rest.size()));
        if (word == "TABLE")
            table("2M");
        else if (word == "READ")
            line("vcpu0: {read: 0x0}");
        else if (word == "TRACK") // twice: the first may find vCPUs of an older epoch
            text += "  - {seamcall: {leaf: TDH.MEM.TRACK}}\n  - {seamcall: {leaf: TDH.MEM.TRACK}}\n";
        else
            line(fmt::format("seamcall: {{leaf: TDH.MEM.{}.{}, gpa: @e, level: @l}}", word == "BLOCK" ? "RANGE" : "PAGE", word));
    }
    return text;
}

// Can the leaf be asked for an entry of 2M?
bool takesLarge(const Caller& caller) {
    const LeafInfo& leaf = info(*leafFromName(caller.name));
    return leaf.rcx == Operand::GpaLevel && leaf.maxLevel >= 1;
}

// `pamt`: what takes a page takes it out of the 2M that the other one is about.
std::string actor(const Caller& caller, std::string_view host, bool large, bool twice, bool pamt) {
    std::string step = placed(caller.call, large);
    if (pamt && givesPage(caller))
        step.insert(step.size() - 1, ", page: 0xc05");
    return fmt::format("      {}: [{{{}}}{}]\n", caller.guest ? "vcpu0" : host, step, twice ? fmt::format(", {{{}}}", step) : "");
}

std::string pairText(const Caller& runs, const Caller& comes, bool build) {
    const bool pamt = isPamt(runs.name) || isPamt(comes.name);
    std::string text = fmt::format("mirrorscope: 1\ntitle: \"{} while {} runs\"\n"
                                   "machine: {{vm: tdx, {}vcpus: 2, init-vcpus: {}, slots: [{{id: 0, gpa: 0, size: 4M}}]}}\nscript:\n"
                                   "  - {{init-mem-region: {{gpa: 0, size: 4K}}}}\n",
                                   comes.name, runs.name, pamt ? kDynamicPamt : "", build ? 1 : 2);
    if (!build)
        text += "  - finalize-vm\n";
    // What takes a page of these 2M, or takes their records away, finds them.
    if (pamt && runs.name != "TDH.PHYMEM.PAMT.ADD" && comes.name != "TDH.PHYMEM.PAMT.ADD")
        text += "  - {seamcall: {leaf: TDH.PHYMEM.PAMT.ADD, page: 0xc00}}\n";
    // The second epoch since a vCPU went in is the one that cannot begin.
    const bool twice = runs.guest && comes.name == "TDH.MEM.TRACK";
    return text + setupOf(runs) + "  - race:\n" + actor(runs, "host", runs.large, false, pamt) +
           actor(comes, "host1", runs.large && takesLarge(comes), twice, pamt);
}

// What the leaf could not have: what the operand in its status stands for. Nothing if it is not busy.
std::string busyWith(Leaf leaf, u64 status) {
    const auto low = static_cast<u32>(status);
    if (tdx::highOf(status) == tdx::PREVIOUS_TLB_EPOCH_BUSY)
        return "a vCPU of the epoch before";
    if (!tdx::isBusy(status))
        return "";
    const LeafInfo& what = info(leaf);
    const Operand operand = low == tdx::RCX   ? what.rcx
                            : low == tdx::RDX ? what.rdx
                            : low == tdx::R8  ? what.r8
                            : low == tdx::R9  ? what.r9
                                              : Operand::None;
    switch (operand) {
    case Operand::GpaLevel: return "the entry (" + tdx::operandName(low) + ")";
    case Operand::Tdr:
    case Operand::TdrFlags: return "TDR (" + tdx::operandName(low) + ")";
    case Operand::Tdvpr: return "TDVPR (" + tdx::operandName(low) + ")";
    case Operand::Page:
    case Operand::Source: return "the page (" + tdx::operandName(low) + ")";
    default: return tdx::operandName(low);
    }
}

// Was the row's own leaf under way for as long as the call that the last mark ends? Whoever is in the way can be in the way for that long.
// Of VP.ENTER the vCPU that runs behind it counts, too.
bool isAround(const System& system, ActorId runs, const Caller& caller, ActorId comes, u64 end) {
    const auto& marks = system.sim().marks();
    const auto leaf = *leafFromName(caller.name);
    const auto isCall = [](const Mark& mark) { return mark.kind == MarkKind::Seamcall || mark.kind == MarkKind::TdCall; };
    u64 begin = end;
    while (begin > 0 && !(isCall(marks[begin]) && marks[begin].actor == comes && marks[begin].phase == 0))
        --begin;
    bool inside = false;
    for (u64 i = 0; i < end; ++i) {
        const Mark& mark = marks[i];
        if (mark.actor != runs)
            continue;
        bool now = inside;
        if (isCall(mark) && static_cast<Leaf>(mark.code) == leaf)
            now = mark.phase == 0 || leaf == Leaf::VpEnter;
        else if (leaf == Leaf::VpEnter && (mark.kind == MarkKind::Exit || mark.kind == MarkKind::StepEnd))
            now = false;
        if (i > begin && now != inside)
            return false;
        inside = now;
    }
    return inside;
}

ReviewCell against(const Caller& runs, const Caller& comes, const ReviewOptions& options) {
    ReviewCell cell;
    cell.row = {std::string(runs.name)};
    cell.column = {"leaf", std::string(comes.name)};
    if (!(runs.build && comes.build) && !(runs.run && comes.run))
        notThere(cell, "the TD is never in a state that accepts both");
    else if (runs.guest && comes.guest)
        notThere(cell, "one vCPU does one at a time");
    else if (runs.name == comes.name && runs.call.starts_with("init-vcpu"))
        notThere(cell, "the vCPU's mutex lets one in at a time");
    else if (isPamt(runs.name) != isPamt(comes.name) && !givesPage(isPamt(runs.name) ? comes : runs))
        notThere(cell, "it gives the module no page");
    if (!cell.outcome.empty())
        return cell;
    const bool build = !(runs.run && comes.run);
    const std::string text = ofKernel(pairText(runs, comes, build), options.kernel);
    const Scenario scenario = ownScenario(text);
    const Step& race = scenario.script.back();
    const ActorId first = race.actors.front().first, second = race.actors.back().first;
    const auto leaf = *leafFromName(comes.name);
    const Outcomes outcomes = outcomesOf(
        scenario, options,
        [&](const System& system, const Mark& mark) -> std::string {
            const bool call = mark.kind == MarkKind::Seamcall || mark.kind == MarkKind::TdCall;
            if (!call || mark.phase != 1 || mark.actor != second || mark.script < race.index || static_cast<Leaf>(mark.code) != leaf)
                return "";
            const std::string what = busyWith(leaf, mark.a[0]);
            if (what.empty())
                return "";
            const auto& marks = system.sim().marks();
            u64 at = marks.size();
            while (at > 0 && !(marks[at - 1].n == mark.n && marks[at - 1].actor == second && marks[at - 1].kind == mark.kind))
                --at;
            // A call of KVM_TDX_INIT_VCPU is several leaves, of which any may be in the way.
            const bool several = runs.call.starts_with("init-vcpu");
            return several || at == 0 || isAround(system, first, runs, second, at - 1) ? what : "";
        },
        true);
    cell.executions = outcomes.result.executions;
    cell.races = 1;
    cell.witness = text;
    for (const auto& [operand, answer] : outcomes.answers) {
        cell.outcome += (cell.outcome.empty() ? "busy " : ", ") + operand;
        cell.witness = witnessOf(scenario, answer, "busy " + operand);
        cell.step = answer.step;
    }
    if (cell.outcome.empty())
        cell.outcome = outcomes.result.stopped ? "unknown" : "never busy";
    cell.why = outcomes.answers.empty()
                   ? fmt::format("in every order: {} states, {} micro-steps", outcomes.result.states, outcomes.result.transitions)
                   : fmt::format("{} is answered that", comes.name);
    return cell;
}

// ---- what KVM does

struct Called {
    std::string_view leaf, setup, step; // the step of a script in which KVM makes the call
};
constexpr std::array<Called, 19> kCalled{{
    {"TDH.MEM.PAGE.ADD", "", "init-mem-region: {gpa: 0x2000, size: 4K}"},
    {"TDH.MR.EXTEND", "", "init-mem-region: {gpa: 0x2000, size: 4K}"},
    {"TDH.MR.FINALIZE", "", "finalize-vm"},
    {"TDH.VP.CREATE", "", "init-vcpu: {vcpu: 1}"},
    {"TDH.VP.ADDCX", "", "init-vcpu: {vcpu: 1}"},
    {"TDH.VP.INIT", "", "init-vcpu: {vcpu: 1}"},
    {"TDH.MEM.SEPT.ADD", "finalize-vm", "vcpu0: {accept: 0x200000}"},
    {"TDH.MEM.PAGE.AUG", "finalize-vm", "vcpu0: {accept: 0x2000}"},
    {"TDH.VP.ENTER", "finalize-vm", "vcpu0: {read: 0x0}"},
    {"TDH.MEM.RANGE.BLOCK", "finalize-vm; vcpu0: {accept: 0x2000}", "punch-hole: {gpa: 0x2000}"},
    {"TDH.MEM.TRACK", "finalize-vm; vcpu0: {accept: 0x2000}", "punch-hole: {gpa: 0x2000}"},
    {"TDH.MEM.PAGE.REMOVE", "finalize-vm; vcpu0: {accept: 0x2000}", "punch-hole: {gpa: 0x2000}"},
    {"TDH.PHYMEM.PAGE.WBINVD", "finalize-vm; vcpu0: {accept: 0x2000}", "punch-hole: {gpa: 0x2000}"},
    {"TDH.VP.FLUSH", "finalize-vm; vcpu0: {read: 0x0}", "destroy-vm"},
    {"TDH.MNG.VPFLUSHDONE", "finalize-vm; vcpu0: {read: 0x0}", "destroy-vm"},
    {"TDH.MNG.KEY.FREEID", "finalize-vm; vcpu0: {read: 0x0}", "destroy-vm"},
    {"TDH.PHYMEM.PAGE.RECLAIM", "finalize-vm; vcpu0: {read: 0x0}", "destroy-vm"},
    // Another thread of the host allocates out of 2M of its own.
    {"TDH.PHYMEM.PAMT.ADD", "", "host1: {init-mem-region: {gpa: 0x2000, size: 4K}}"},
    {"TDH.PHYMEM.PAMT.REMOVE", "host1: {init-mem-region: {gpa: 0x2000, size: 4K}}", "punch-hole: {gpa: 0x2000, size: 4K}"},
}};

ReviewCell ofKvm(const Called& called, bool always, const ReviewOptions& options) {
    constexpr unsigned kAlways = 8; // more often than anybody tries again but for ever
    ReviewCell cell;
    cell.row = {std::string(called.leaf)};
    cell.column = {"kvm", always ? "busy for long" : "busy once"};
    cell.executions = 1;
    const bool build = called.setup.empty();
    const KindOfVm& td = kindsOfVm().back();
    cell.witness = fmt::format("mirrorscope: 1\ntitle: \"{} is busy {}\"\n"
                               "machine: {{vm: tdx, {}vcpus: {}, init-vcpus: 1, slots: [{{id: 0, gpa: 0, size: 4M}}]}}\nscript:\n"
                               "  - init-mem-region: {{gpa: 0, size: 4K}}\n{}"
                               "  - inject: {{seamcall: {}, status: TDX_OPERAND_BUSY, times: {}}}\n  - {{{}, id: call}}\n",
                               called.leaf, always ? "for long" : "once", isPamt(called.leaf) ? kDynamicPamt : "", build ? 2 : 1,
                               stepsOf(td, called.setup), called.leaf, always ? kAlways : 1, stepOf(td, called.step, true));
    cell.witness = ofKernel(std::move(cell.witness), options.kernel);
    const Scenario scenario = ownScenario(cell.witness);
    Runner runner(scenario);
    if (options.prepare)
        options.prepare(runner.system());
    runner.runAll();
    const Sim& sim = runner.system().sim();
    const Step& step = scenario.script.back();
    const Leaf leaf = *leafFromName(called.leaf);
    u64 calls = 0, busy = 0, begin = 0;
    std::string caller;
    for (u64 i = 0; i < sim.marks().size(); ++i) {
        const Mark& mark = sim.marks()[i];
        if (mark.kind == MarkKind::StepBegin && mark.script == step.index)
            begin = mark.n;
        if (mark.kind != MarkKind::Seamcall || mark.script != step.index || static_cast<Leaf>(mark.code) != leaf)
            continue;
        if (mark.phase == 0) {
            ++calls;
            if (caller.empty()) {
                cell.step = mark.n;
                const auto path = sim.paths().names(runner.system().machine().step(mark.n).path);
                for (const std::string& name : path)
                    if (name != info(leaf).function)
                        caller = name;
            }
        } else {
            busy += tdx::isBusy(mark.a[0]);
        }
    }
    const Machine& machine = runner.system().machine();
    bool keptOut = false;
    for (u64 n = begin; n < machine.steps() && !keptOut; ++n) {
        const auto path = sim.paths().names(machine.step(n).path);
        keptOut = std::find(path.begin(), path.end(), "tdx_no_vcpus_enter_start") != path.end();
    }
    bool bugged = false, warned = false;
    std::string said;
    for (const Violation& v : runner.checker().violations()) {
        bugged |= v.rule == Rule::ModuleAgrees;
        warned |= v.rule == Rule::KernelAsserts;
        if (said.empty())
            said = v.text;
        if (cell.rule.empty())
            cell.rule = info(v.rule).name;
    }
    std::string result = "?";
    if (const auto outcome = runner.system().result(*step.result))
        result = outcomeName(*outcome);
    const bool again = busy > 0 && calls > busy;
    if (bugged)
        cell.outcome = busy > 1 ? "tries again, then bugs the VM" : "bugs the VM";
    else if (warned)
        cell.outcome = "warns";
    else if (result != "ok")
        cell.outcome = "fails with " + result;
    else if (again)
        cell.outcome = "tries again";
    else
        cell.outcome = "goes on";
    if (keptOut)
        cell.outcome += ", vCPUs kept out";
    const auto times = [](u64 n) { return n == 1 ? std::string("once") : n == 2 ? std::string("twice") : fmt::format("{} times", n); };
    cell.why = fmt::format("{}(): called {}, {} busy; the step ends with {}{}", caller, times(calls), times(busy), result,
                           said.empty() ? "" : "; " + said);
    cell.details = {{"caller", caller}};
    return cell;
}
} // namespace

ReviewTable seamcalls(const ReviewOptions& options) {
    ReviewTable table{ReviewKind::Seamcalls, {}, true};
    if (options.scenario)
        return ofOneScenario(ReviewKind::Seamcalls, options, {"here", "any"}, [](const System&, const Mark& mark) -> std::string {
            if ((mark.kind != MarkKind::Seamcall && mark.kind != MarkKind::TdCall) || mark.phase != 1)
                return "";
            const std::string operand = tdx::operandText(mark.a[0]);
            return fmt::format("{}\n{}{}", info(static_cast<Leaf>(mark.code)).name, tdx::statusName(mark.a[0]),
                               mark.a[0] == tdx::kSuccess || operand.empty() ? "" : " " + operand);
        });
    std::vector<std::function<ReviewCell()>> pieces;
    const auto isThere = [&](std::string_view leaf) { return !isPamt(leaf) || options.kernel == Kernel::Next; };
    for (const Caller& runs : kCallers)
        for (const Caller& comes : kCallers)
            if (wanted(options, std::string(runs.name)) && isThere(runs.name) && isThere(comes.name))
                pieces.emplace_back([&] { return against(runs, comes, options); });
    for (const Called& called : kCalled)
        for (const bool always : {false, true})
            if (wanted(options, std::string(called.leaf)) && isThere(called.leaf))
                pieces.emplace_back([&, always] { return ofKvm(called, always, options); });
    std::vector<ReviewCell> cells(pieces.size());
    table.whole = work(options, pieces.size(), [&](std::size_t i) { cells[i] = pieces[i](); });
    for (ReviewCell& cell : cells)
        if (!cell.outcome.empty())
            table.cells.push_back(std::move(cell));
    return table;
}

} // namespace mirrorscope::review_tables
