// SPDX-License-Identifier: GPL-3.0-or-later
// `review --table seamcalls`: which leaf is in the way of which, and what KVM does about it. Two leaves race on one TD, on one entry where
// both name one; whoever is answered TDX_OPERAND_BUSY was in the way of the other.
#include "explore/counterexample.h"
#include "review/kinds_of_vm.h"
#include "review/outcomes.h"
#include "review/tables.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace mirrorscope::review_tables {

namespace {
enum class Phase : u8 { Build, Run, Both };

// @e is the entry: an address of which KVM builds nothing, with tables above it down to 4K.
struct Caller {
    std::string_view name;  // of the leaf, or what a guest does
    Phase phase;            // when the module accepts it
    std::string_view setup; // that makes it succeed, after the tables
    std::string_view call;  // "@n: …": an actor and its step
    bool guest = false;
};
constexpr std::string_view kAug = "seamcall: {leaf: TDH.MEM.PAGE.AUG, gpa: @e}", kBlock = "seamcall: {leaf: TDH.MEM.RANGE.BLOCK, gpa: @e}",
                           kTrack = "seamcall: {leaf: TDH.MEM.TRACK}", kAccept = "vcpu0: {accept: @e}";
constexpr std::array<Caller, 20> kCallers{{
    {"TDH.MEM.PAGE.ADD", Phase::Build, "", "seamcall: {leaf: TDH.MEM.PAGE.ADD, gpa: @e}"},
    {"TDH.MR.EXTEND", Phase::Build, "seamcall: {leaf: TDH.MEM.PAGE.ADD, gpa: @e}", "seamcall: {leaf: TDH.MR.EXTEND, gpa: @e}"},
    {"TDH.MR.FINALIZE", Phase::Build, "", "seamcall: {leaf: TDH.MR.FINALIZE}"},
    {"TDH.VP.CREATE", Phase::Build, "", "seamcall: {leaf: TDH.VP.CREATE}"},
    {"TDH.VP.INIT", Phase::Build, "", "init-vcpu: {vcpu: 1}"},
    {"TDH.MEM.SEPT.ADD", Phase::Both, "", "seamcall: {leaf: TDH.MEM.SEPT.ADD, gpa: @e+2M, level: 2M}"},
    {"TDH.MEM.PAGE.AUG", Phase::Both, "", kAug},
    {"TDH.MEM.RANGE.BLOCK", Phase::Both, kAug, kBlock},
    {"TDH.MEM.TRACK", Phase::Both, "", kTrack},
    {"TDH.MEM.PAGE.REMOVE", Phase::Both, "AUG BLOCK TRACK", "seamcall: {leaf: TDH.MEM.PAGE.REMOVE, gpa: @e}"},
    {"TDH.MEM.RANGE.UNBLOCK", Phase::Both, "AUG BLOCK TRACK", "seamcall: {leaf: TDH.MEM.RANGE.UNBLOCK, gpa: @e}"},
    {"TDH.MEM.SEPT.RD", Phase::Both, "", "seamcall: {leaf: TDH.MEM.SEPT.RD, gpa: @e}"},
    {"TDH.MEM.SEPT.REMOVE", Phase::Both, "BLOCK2M TRACK", "seamcall: {leaf: TDH.MEM.SEPT.REMOVE, gpa: @e, level: 2M}"},
    {"TDH.MEM.PAGE.DEMOTE", Phase::Run, "AUG2M BLOCK2M TRACK", "seamcall: {leaf: TDH.MEM.PAGE.DEMOTE, gpa: @e, level: 2M}"},
    {"TDH.MEM.PAGE.RELOCATE", Phase::Run, "AUG BLOCK TRACK", "seamcall: {leaf: TDH.MEM.PAGE.RELOCATE, gpa: @e}"},
    {"TDH.VP.FLUSH", Phase::Run, "vcpu0: {read: 0x0}", "seamcall: {leaf: TDH.VP.FLUSH}"},
    {"TDH.MNG.VPFLUSHDONE", Phase::Run, "", "seamcall: {leaf: TDH.MNG.VPFLUSHDONE}"},
    {"TDH.PHYMEM.PAGE.RDMD", Phase::Both, "", "seamcall: {leaf: TDH.PHYMEM.PAGE.RDMD, page: {of: 0x0}}"},
    {"TDH.VP.ENTER", Phase::Run, "", "vcpu0: {read: 0x0}", true},
    {"TDG.MEM.PAGE.ACCEPT", Phase::Run, kAug, kAccept, true},
}};

constexpr std::string_view kEntry = "0x8000000000", kNextTable = "0x8000200000";

std::string replaced(std::string text, std::string_view what, std::string_view with) {
    for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + with.size()))
        text.replace(at, what.size(), with);
    return text;
}
std::string placed(std::string_view text) { return replaced(replaced(std::string(text), "@e+2M", kNextTable), "@e", kEntry); }

std::string line(std::string_view step) { return "  - " + (step.starts_with("vcpu") ? placed(step) : "{" + placed(step) + "}") + "\n"; }

std::string setupOf(const Caller& caller) {
    // The large page and the table that goes need no small table at their place.
    const bool large = caller.setup.find("AUG2M") != std::string_view::npos;
    std::string text =
        line("seamcall: {leaf: TDH.MEM.SEPT.ADD, gpa: @e, level: 512G}") + line("seamcall: {leaf: TDH.MEM.SEPT.ADD, gpa: @e, level: 1G}");
    if (!large)
        text += line("seamcall: {leaf: TDH.MEM.SEPT.ADD, gpa: @e, level: 2M}");
    std::string_view rest = caller.setup;
    if (rest.find(':') != std::string_view::npos)
        return text + line(rest);
    while (!rest.empty()) {
        const std::size_t end = std::min(rest.find(' '), rest.size());
        const std::string_view word = rest.substr(0, end);
        rest.remove_prefix(std::min(end + 1, rest.size()));
        if (word == "AUG")
            text += line(kAug);
        else if (word == "AUG2M")
            text += line("seamcall: {leaf: TDH.MEM.PAGE.AUG, gpa: @e, level: 2M}");
        else if (word == "BLOCK")
            text += line(kBlock);
        else if (word == "BLOCK2M")
            text += line("seamcall: {leaf: TDH.MEM.RANGE.BLOCK, gpa: @e, level: 2M}");
        else
            text += line(kTrack) + line(kTrack);
    }
    return text;
}

std::string actor(const Caller& caller, std::string_view host) {
    if (caller.guest)
        return "      vcpu0: [" + placed(caller.call.substr(7)) + "]\n";
    return fmt::format("      {}: [{{{}}}]\n", host, placed(caller.call));
}

std::string pairText(const Caller& runs, const Caller& comes, bool build) {
    std::string text = fmt::format("mirrorscope: 1\ntitle: \"{} while {} runs\"\n"
                                   "machine: {{vm: tdx, vcpus: 2, init-vcpus: {}, slots: [{{id: 0, gpa: 0, size: 4M}}]}}\nscript:\n"
                                   "  - {{init-mem-region: {{gpa: 0, size: 4K}}}}\n",
                                   comes.name, runs.name, build ? 1 : 2);
    if (!build)
        text += "  - finalize-vm\n";
    text += setupOf(runs) + "  - race:\n" + actor(runs, "host") + actor(comes, "host1");
    return text;
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

ReviewCell against(const Caller& runs, const Caller& comes, const ReviewOptions& options) {
    ReviewCell cell;
    cell.row = {std::string(runs.name)};
    cell.column = {"leaf", std::string(comes.name)};
    if ((runs.phase == Phase::Build && comes.phase == Phase::Run) || (runs.phase == Phase::Run && comes.phase == Phase::Build)) {
        cell.outcome = "n/a";
        cell.why = "the TD is never in a state that accepts both";
        return cell;
    }
    if (runs.guest && comes.guest) {
        cell.outcome = "n/a";
        cell.why = "one vCPU does one at a time";
        return cell;
    }
    const bool build = runs.phase == Phase::Build || comes.phase == Phase::Build;
    const std::string text = pairText(runs, comes, build);
    const Scenario scenario = ownScenario(text);
    const Step& race = scenario.script.back();
    const ActorId who = race.actors.back().first;
    const auto leaf = *leafFromName(comes.name);
    const Outcomes outcomes = outcomesOf(scenario, options, [&](const System&, const Mark& mark) -> std::string {
        const bool call = mark.kind == MarkKind::Seamcall || mark.kind == MarkKind::TdCall;
        if (!call || mark.phase != 1 || mark.actor != who || mark.script < race.index || static_cast<Leaf>(mark.code) != leaf)
            return "";
        return busyWith(leaf, mark.a[0]);
    });
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
    cell.why = outcomes.answers.empty() ? fmt::format("in {} executions", cell.executions)
                                        : fmt::format("{} is answered TDX_OPERAND_BUSY", comes.name);
    return cell;
}

// ---- what KVM does

struct Called {
    std::string_view leaf, setup, step; // the step of a script in which KVM makes the call
};
constexpr std::array<Called, 17> kCalled{{
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
                               "machine: {{vm: tdx, vcpus: {}, init-vcpus: 1, slots: [{{id: 0, gpa: 0, size: 4M}}]}}\nscript:\n"
                               "  - init-mem-region: {{gpa: 0, size: 4K}}\n{}"
                               "  - inject: {{seamcall: {}, status: TDX_OPERAND_BUSY, times: {}}}\n  - {{{}, id: call}}\n",
                               called.leaf, always ? "for long" : "once", build ? 2 : 1, stepsOf(td, called.setup), called.leaf,
                               always ? kAlways : 1, stepOf(td, called.step, true));
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
    for (const Caller& runs : kCallers)
        for (const Caller& comes : kCallers)
            if (wanted(options, std::string(runs.name)))
                pieces.emplace_back([&] { return against(runs, comes, options); });
    for (const Called& called : kCalled)
        for (const bool always : {false, true})
            if (wanted(options, std::string(called.leaf)))
                pieces.emplace_back([&, always] { return ofKvm(called, always, options); });
    std::vector<ReviewCell> cells(pieces.size());
    table.whole = work(options, pieces.size(), [&](std::size_t i) { cells[i] = pieces[i](); });
    for (ReviewCell& cell : cells)
        if (!cell.outcome.empty())
            table.cells.push_back(std::move(cell));
    return table;
}

} // namespace mirrorscope::review_tables
