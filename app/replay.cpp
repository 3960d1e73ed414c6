// SPDX-License-Identifier: GPL-3.0-or-later
#include "replay.h"

#include "base/text.h"
#include "command.h"
#include "export/export.h"
#include "replay/compare.h"
#include "replay/scenario_of.h"
#include "scenario/diagnostic.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdio>

namespace mirrorscope::app {

namespace {
TraceKernel kernelOf(const ReplayArguments& args) { return traceKernelFromName(args.kernel).value_or(TraceKernel::Any); }

std::vector<RecordedVm> vmsOf(const ReplayArguments& args, TraceInput& input, u64* findings = nullptr) {
    std::vector<RecordedVm> vms =
        readVms(input, {.kernel = kernelOf(args), .one = false, .goOn = [](u64) { return !interrupted(); }}, findings);
    if (vms.empty() && !interrupted())
        throw InputError(input.name(), 1, 1, "no change of an entry is in it, which could be done again");
    if (args.vm > vms.size())
        throw InputError(input.name(), 1, 1,
                         fmt::format("there is no VM {}: {} told", args.vm, vms.size() == 1 ? "1 is" : fmt::format("{} are", vms.size())));
    return vms;
}

void putJson(std::size_t number, const RecordedVm& vm, const Replayed& r) {
    for (const ReplayDifference& d : r.differences) {
        const nlohmann::ordered_json json{{"kind", "difference"}, {"vm", number},       {"kernel", d.kernel},
                                          {"ours", d.ours},       {"mirror", d.mirror}, {"level", d.level},
                                          {"gfn", d.gfn},         {"line", d.line},     {"entries", d.entries}};
        std::printf("%s\n", json.dump().c_str());
    }
    const nlohmann::ordered_json end{{"kind", "replayed"},
                                     {"vm", number},
                                     {"steps", vm.deeds.size()},
                                     {"changes", r.changes},
                                     {"ours", r.ours},
                                     {"entries", r.entries},
                                     {"same", r.same},
                                     {"refused", r.refused},
                                     {"roots-go-whole", vm.rootsGoWhole},
                                     {"without-change", vm.withoutChange},
                                     {"unexplained", vm.unexplained},
                                     {"in-smm", vm.inSmm},
                                     {"left-out", r.leftOut},
                                     {"lost", vm.lost},
                                     {"violations", r.violations}};
    std::printf("%s\n", end.dump().c_str());
}

void putText(std::size_t number, const RecordedVm& vm, const Replayed& r, const std::string& kernel) {
    std::string text = fmt::format("{} changed {}, our machine {} times; of {} {} changed alike", kernel.empty() ? "the kernel" : kernel,
                                   counted(r.changes, "time"), r.ours, counted(r.entries, "entry", "entries"), r.same);
    if (vm.withoutChange != 0)
        text += fmt::format("; left out: {} that changed nothing", counted(vm.withoutChange, "fault"));
    if (vm.unexplained != 0)
        text += fmt::format("; not understood: {}, first line {}", counted(vm.unexplained, "change"), vm.unexplainedLine);
    if (r.leftOut != 0)
        text += fmt::format("; left out: {} of which lines are missing", counted(r.leftOut, "entry", "entries"));
    if (vm.lost != 0)
        text += "; lines were lost, so that what differs may be what they told";
    if (vm.inSmm != 0)
        text += fmt::format("; left out: {} in SMM", counted(vm.inSmm, "change"));
    if (r.violations != 0)
        text += fmt::format("; our machine breaks a rule meanwhile, first: {}", r.firstViolation);
    if (r.refused != 0)
        text += fmt::format("; refused by our machine: {}, the first is {}", counted(r.refused, "step"), r.firstRefused);
    if (vm.rootsGoWhole)
        text += "; its roots go at once by 1G (before 6.13, or CONFIG_KVM_PROVE_MMU), ours leaf by leaf first: taken as alike";
    std::fputs(wrapped(text, fmt::format("VM {} (lines {} to {}): ", number, vm.firstLine, vm.lastLine), 4).c_str(), stdout);
    const auto happens = [](const std::string& what) { return what.empty() ? std::string("nothing more") : what; };
    for (const ReplayDifference& d : r.differences)
        std::fputs(
            wrapped(fmt::format("{}: the kernel: {}; our machine: {}. First gfn {:x}{}",
                                (d.mirror ? "mirror, " : "") + (d.level == 0 ? std::string("a page") : fmt::format("level {}", d.level)),
                                happens(d.kernel), happens(d.ours), d.gfn, d.line == 0 ? "" : fmt::format(", line {}", d.line)),
                    fmt::format("  {:>7}  ", d.entries), 11)
                .c_str(),
            stdout);
}
} // namespace

int importAsScenario(const ReplayArguments& args) {
    TraceInput input(args.file);
    const std::vector<RecordedVm> vms = vmsOf(args, input);
    if (vms.empty())
        return kBounded;
    const auto most =
        std::max_element(vms.begin(), vms.end(), [](const auto& a, const auto& b) { return a.changes.size() < b.changes.size(); });
    const RecordedVm& vm = args.vm == 0 ? *most : vms[args.vm - 1];
    put(args.out, scenarioOf(vm, input.name(), kernelOf(args)));
    if (vms.size() > 1)
        std::fputs(
            wrapped(fmt::format("{} VMs are told; this is number {}. `--vm N` takes another.", vms.size(), &vm - vms.data() + 1), "", 0)
                .c_str(),
            stderr);
    return kOk;
}

int conformByReplay(const ReplayArguments& args) {
    TraceInput input(args.file);
    u64 findings = 0;
    const std::vector<RecordedVm> vms = vmsOf(args, input, &findings);
    bool differs = findings != 0;
    for (std::size_t n = 0; n < vms.size() && !interrupted(); ++n) {
        if (args.vm != 0 && args.vm != n + 1)
            continue;
        const RecordedVm& vm = vms[n];
        Replayed r;
        try {
            r = replayed(vm, scenarioOf(vm, input.name(), kernelOf(args)), [] { return !interrupted(); });
        } catch (const InputError& problem) {
            throw InputError(input.name(), vm.firstLine, 1, fmt::format("VM {} cannot be done again here: {}", n + 1, problem.message));
        }
        if (r.stopped)
            break;
        differs |= r.same != r.entries || vm.unexplained != 0;
        if (args.format == "jsonl")
            putJson(n + 1, vm, r);
        else
            putText(n + 1, vm, r, args.kernel);
    }
    if (findings != 0 && args.format != "jsonl")
        std::fputs(
            wrapped(counted(findings, "finding") + " by the rules alone; `conform` without --replay tells them", input.name() + ": ", 4)
                .c_str(),
            stdout);
    return interrupted() ? kBounded : differs ? kFailed : kOk;
}

} // namespace mirrorscope::app
