// SPDX-License-Identifier: GPL-3.0-or-later
// `review --table faults`: what a fault ends with, alone and beside others.
#include "kvm/exits.h"
#include "kvm/types.h"
#include "review/kinds_of_vm.h"
#include "review/outcomes.h"
#include "review/tables.h"

#include <fmt/format.h>

#include <array>
#include <set>

namespace mirrorscope::review_tables {

namespace {
struct Cause {
    std::string_view name;
    std::string_view setup, access; // by vcpu0
    std::string_view other;         // another vCPU at the same page
    std::string_view taken;         // what takes the page away meanwhile
    std::string_view machine = {};
    // Where there is such a thing at all: on a TD, elsewhere than on one, where a guest says what it takes the memory for.
    enum class Where : u8 { Any, Td, NoTd, Aliases } where = Where::Any;
    bool alone = true; // without interference there is something to see
};
constexpr std::array<Cause, 15> kCauses{{
    {"first touch of private memory", "", "@0 @p 0x2000", "@1 @p 0x2000", "punch-hole: {gpa: 0x2000}"},
    {"first touch of private memory, table there", "@p 0x5000", "@0 @p 0x2000", "@1 @p 0x2000", "punch-hole: {gpa: 0x2000}"},
    {"first touch of ordinary memory", "", "@0 @w 0x1005000", "@1 @w 0x1005000", "discard: {gpa: 0x1005000, size: 4K}"},
    {"private memory that is mapped", "@p 0x2000", "kernel: {call: kvm_mmu_do_page_fault, vcpu: 0, gpa: 0x2000}", "@1 @p 0x2000",
     "punch-hole: {gpa: 0x2000}"},
    {"private memory, attribute says shared", "set-memory-attributes: {gpa: 0x2000, size: 4K, as: shared}", "@0 @p 0x2000", "@1 @p 0x2000",
     "set-memory-attributes: {gpa: 0x2000, size: 4K, as: private}", "", Cause::Where::Aliases},
    {"write to what the dirty log protects", "@w 0x1005000; dirty-log: {id: 1, do: start}", "@0 @w 0x1005000", "@1 @w 0x1005000",
     "dirty-log: {id: 1, do: get}", "pml: false"},
    {"page whose access is tracked", "@1 @w 0x1005000; age: {gpa: 0x1005000, size: 4K}", "@0 @r 0x1005000", "@1 @w 0x1005000",
     "discard: {gpa: 0x1005000, size: 4K}", "ad-bits: false"},
    {"execution in an NX huge page", "@r 0x1005000", "@0 @x 0x1005000", "@1 @r 0x1006000", "discard: {gpa: 0x1005000, size: 4K}",
     "nx-huge-pages: true", Cause::Where::NoTd},
    {"no slot there", "", "@0 @r 64M", "@1 @r 64M", "set-memory-region: {id: 2, gpa: 64M, size: 2M, private: false}"},
    {"read-only slot, write", "", "@0 @w 32M", "@1 @w 32M", "delete-memory-region: {id: 2}",
     "slots: [{id: 0, gpa: 0, size: 4M}, {id: 1, gpa: 16M, size: 4M, private: false, backing: 2M}, {id: 2, gpa: 32M, size: 2M, private: "
     "false, readonly: true}]"},
    {"the slot goes", "", "@0 @w 0x1005000", "@1 @w 0x1005000", "delete-memory-region: {id: 1}", "", Cause::Where::Any, false},
    {"the roots become invalid", "", "@0 @w 0x1005000", "@1 @w 0x1005000", "zap-all", "", Cause::Where::Any, false},
    {"memory is full", "inject: {alloc: fail, times: 1000}", "@0 @w 0x1005000", "@1 @w 0x1005000", "discard: {gpa: 0x1005000, size: 4K}"},
    {"the host's page cannot be had", "inject: {host-fault: EFAULT, gpa: 0x1005000, times: 1000}", "@0 @w 0x1005000", "@1 @w 0x1005000",
     "discard: {gpa: 0x1005000, size: 4K}"},
    {"TDH.MEM.PAGE.AUG is busy once", "@p 0x5000; inject: {seamcall: TDH.MEM.PAGE.AUG, status: TDX_OPERAND_BUSY, times: 1}", "@0 @p 0x2000",
     "@1 @p 0x2000", "punch-hole: {gpa: 0x2000}", "", Cause::Where::Td},
}};
constexpr std::array<std::string_view, 3> kBeside{"nobody", "another vCPU", "the host"};

// As an actor of a race: "vcpu0: [{accept: 0x2000}]".
std::string actorOf(const KindOfVm& vm, std::string_view step) {
    std::string text = stepOf(vm, step, true);
    if (!text.starts_with("vcpu"))
        return "host: [{" + text + "}]";
    const std::size_t colon = text.find(": ");
    return text.substr(0, colon) + ": [" + text.substr(colon + 2) + "]";
}

// The one step of that actor gets the id `access`.
std::string withId(std::string actor) { return actor.insert(actor.rfind("}]"), ", id: access"); }

std::string faultText(const Cause& cause, const KindOfVm& vm, std::size_t beside) {
    const bool ownSlots = cause.machine.starts_with("slots");
    std::string text = fmt::format("mirrorscope: 1\ntitle: \"{}, on {}, beside it: {}\"\nmachine:\n  vm: {}\n  vcpus: 2\n", cause.name,
                                   name(vm.type), kBeside[beside], name(vm.type));
    if (!cause.machine.empty())
        text += fmt::format("  {}\n", cause.machine);
    if (!ownSlots)
        text += fmt::format("  slots: {}\n", kSlots);
    std::string begin = stepsOf(vm, vm.begin);
    if (vm.type == VmType::Snp || vm.type == VmType::Tdx) // a shared alias is used there, too
        begin += "  - set-memory-attributes: {gpa: 32M, size: 48M, as: shared}\n";
    text += "script:\n" + begin + stepsOf(vm, cause.setup) + "  - race:\n      " + withId(actorOf(vm, cause.access)) + "\n";
    if (beside == 1)
        text += "      " + actorOf(vm, cause.other) + "\n";
    if (beside == 2)
        text += "      " + actorOf(vm, cause.taken).replace(0, 4, cause.access.starts_with("kernel") ? "host1" : "host") + "\n";
    return text;
}

std::string whyNotThere(const Cause& cause, const KindOfVm& vm, bool isPrivate, std::size_t beside) {
    using Where = Cause::Where;
    const bool td = vm.type == VmType::Tdx;
    if (cause.where == Where::Td && !td)
        return "there is no TDX module";
    if (isPrivate && vm.type == VmType::Default)
        return "there is no private memory";
    if (cause.where == Where::NoTd && td)
        return "a TD cannot execute shared memory, and its private pages are small";
    if (cause.where == Where::Aliases && vm.type == VmType::SwProtected)
        return "the attribute alone says what an access is of";
    if (!cause.alone && beside != 2)
        return "nothing happens to it there";
    return "";
}

std::string resultName(std::int64_t result) {
    if (result >= 0)
        return std::string(retPfName(static_cast<int>(result)));
    return outcomeName({Outcome::Kind::Errno, static_cast<u64>(-result), 0});
}
} // namespace

ReviewTable faults(const ReviewOptions& options) {
    if (options.scenario)
        return ofOneScenario(ReviewKind::Faults, options, {std::string(name(options.scenario->machine.vm)), "as written"},
                             [&](const System& system, const Mark& mark) -> std::string {
                                 const Step* step = mark.kind == MarkKind::Fault ? options.scenario->step(mark.script) : nullptr;
                                 if (step == nullptr)
                                     return "";
                                 return fmt::format("line {}: {}, {}\n{}", step->line, info(step->verb).name,
                                                    system.sim().actorName(mark.actor), resultName(static_cast<std::int64_t>(mark.a[2])));
                             });
    ReviewTable table{ReviewKind::Faults, {}, true};
    struct Piece {
        const Cause* cause;
        const KindOfVm* vm;
        std::size_t beside;
        ReviewCell cell;
    };
    std::vector<Piece> pieces;
    for (const Cause& cause : kCauses)
        for (const KindOfVm& vm : kindsOfVm())
            for (std::size_t beside = 0; beside < kBeside.size(); ++beside)
                if (wanted(options, std::string(cause.name)))
                    pieces.push_back({&cause, &vm, beside, {}});
    table.whole = work(options, pieces.size(), [&](std::size_t i) {
        Piece& piece = pieces[i];
        ReviewCell& cell = piece.cell;
        cell.row = {std::string(piece.cause->name)};
        cell.column = {std::string(name(piece.vm->type)), std::string(kBeside[piece.beside])};
        const std::string text = ofKernel(faultText(*piece.cause, *piece.vm, piece.beside), options.kernel);
        const bool isPrivate = piece.cause->access.find("@p") != std::string_view::npos || piece.cause->access.starts_with("kernel");
        if (const std::string why = whyNotThere(*piece.cause, *piece.vm, isPrivate, piece.beside); !why.empty()) {
            notThere(cell, why);
            return;
        }
        try {
            const Scenario scenario = ownScenario(text);
            const u32 race = scenario.script.back().index;
            const Outcomes outcomes = outcomesOf(scenario, options, [race](const System&, const Mark& mark) -> std::string {
                if (mark.kind != MarkKind::Fault || mark.a[3] != 0 || mark.script <= race)
                    return "";
                return resultName(static_cast<std::int64_t>(mark.a[2]));
            });
            cell.executions = outcomes.result.executions;
            cell.races = 1;
            std::string last;
            for (const auto& [name, answer] : outcomes.answers) {
                cell.outcome += (cell.outcome.empty() ? "" : ", ") + name;
                last = name;
            }
            std::set<std::string> ends, broken;
            for (const ExploreEnd& end : outcomes.result.ends)
                if (const std::size_t at = end.results.find("access: "); at != std::string::npos)
                    ends.insert(end.results.substr(at + 8, end.results.find_first_of(",;", at) - at - 8));
            for (const ExploreFinding& finding : outcomes.result.findings)
                broken.insert(finding.rule);
            cell.why = fmt::format("the access ends with {}; {} executions", fmt::join(ends, " or "), cell.executions);
            if (!broken.empty())
                cell.why += fmt::format("; broken: {}", fmt::join(broken, ", "));
            if (!outcomes.result.findings.empty())
                cell.rule = outcomes.result.findings[0].rule;
            if (cell.outcome.empty())
                cell.outcome = outcomes.result.stopped ? "unknown" : fmt::format("no fault, {}", fmt::join(ends, " or "));
            else if (outcomes.result.stopped)
                cell.outcome += ", unknown";
            cell.witness = text;
            if (!last.empty()) {
                cell.witness = witnessOf(scenario, outcomes.answers.at(last), last);
                cell.step = outcomes.answers.at(last).step;
            }
        } catch (const InputError& error) {
            notThere(cell, error.message);
        }
    });
    for (Piece& piece : pieces)
        if (!piece.cell.outcome.empty())
            table.cells.push_back(std::move(piece.cell));
    return table;
}

} // namespace mirrorscope::review_tables
