// SPDX-License-Identifier: GPL-3.0-or-later
#include "explore/rests_on.h"

#include <fmt/format.h>

namespace mirrorscope {

std::vector<std::string> restsOn(const Scenario& scenario, const ExploreOptions& options, const ExploreResult& result) {
    const MachineConfig& machine = scenario.machine;
    std::vector<std::string> out;
    out.push_back(machine.kernel == Kernel::Fixed  ? "Linux 6.16 with the fixes of resources/docs/fidelity.md"
                  : machine.kernel == Kernel::Next ? "Linux 7.2 and what is queued behind it (resources/docs/versions.md)"
                                                   : fmt::format("Linux {} as released", name(machine.kernel)));
    for (unsigned i = 0; i < kBreaks; ++i)
        if (machine.breaks[i])
            out.push_back(fmt::format("`break: [{}]`, which is not what that kernel does", info(static_cast<Break>(i)).name));
    if (machine.has(Feature::Private2M))
        out.push_back("2M private pages as the RFC has them, not merged");
    if (machine.has(Feature::NonBlockingResize))
        out.push_back("a what-if: DEMOTE of what was not blocked, as fidelity.md supposes it");
    if (machine.vm == VmType::Tdx)
        out.push_back(machine.module == ModuleLine::V2_0 ? "TDX module 2.0 as far as fidelity.md says, whose calls are never interrupted"
                                                         : "TDX module 1.5.01, whose calls are never interrupted");
    if (machine.vm == VmType::Snp)
        out.push_back("the RMP is looked at when a translation is cached");
    out.push_back(machine.storeBuffers
                      ? fmt::format("x86-TSO memory: store buffers of {} for the stores that fidelity.md lists", StoreBuffers::kStores)
                      : std::string("sequentially consistent memory: no store buffers"));
    out.push_back("actions as fine as fidelity.md says under \"One action\"");
    const auto guest = [](const Step& step) { return step.verb == Verb::Read || step.verb == Verb::Write || step.verb == Verb::Exec; };
    if (anyStep(scenario.script, guest))
        out.push_back("a CPU uses the table entries that it remembers for as long as it may");
    if (machine.nxHugePages && anyStep(scenario.script, [](const Step& step) { return step.verb == Verb::RecoverNxPages; }))
        out.push_back("NX recovery without its ratio and timer");
    switch (result.mode) {
    case ExploreMode::Stateless: out.push_back("of orders that differ by independent actions one is run (exploring.md)"); break;
    case ExploreMode::Stateful:
        if (result.reduced)
            out.push_back("actors whom the others cannot disturb go first (exploring.md)");
        if (result.slept)
            out.push_back("what was tried is not tried again behind what commutes with it (exploring.md)");
        out.push_back("states are compared by a hash of 64 bits");
        break;
    case ExploreMode::Plain:
    case ExploreMode::Auto: break;
    }
    if (result.compared)
        out.push_back("a stateful search found the same");
    if (options.preemptions)
        out.push_back(fmt::format("at most {} preemptions", *options.preemptions));
    return out;
}

double mistakenStates(const ExploreResult& result) {
    constexpr double kHashes = 18446744073709551616.0;
    const double n = static_cast<double>(result.states);
    return result.mode == ExploreMode::Stateful ? n * n / 2 / kHashes : 0;
}

} // namespace mirrorscope
