// SPDX-License-Identifier: GPL-3.0-or-later
#include "trace/recipe.h"

#include "base/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <set>

namespace mirrorscope {

namespace {
constexpr WantedEvent kWanted[] = {
    {"kvmmmu", "kvm_tdp_mmu_spte_changed", "everything: each change of an entry"},
    {"kvmmmu", "kvm_mmu_get_page", "roles of tables, and which root is whose"},
    {"kvmmmu", "kvm_mmu_prepare_zap_page", "which root goes as a whole"},
    {"kvmmmu", "kvm_mmu_set_spte", "where an entry stands"},
    {"kvmmmu", "kvm_mmu_spte_requested", "what a fault asked for"},
    {"kvmmmu", "fast_page_fault", "what the fast path made writable"},
    {"kvmmmu", "kvm_mmu_zap_all_fast", "when all roots became invalid"},
    {"kvmmmu", "kvm_mmu_split_huge_page", "that a huge page was split, and not zapped"},
    {"kvmmmu", "mark_mmio_spte", "entries of MMIO"},
    {"kvmmmu", "handle_mmio_page_fault", "exits for MMIO"},
    {"kvm", "kvm_page_fault", "who faulted where"},
    {"kvm", "kvm_exit", "how long a fault took"},
    {"kvm", "kvm_entry", "how a fault ended"},
    {"kvm", "kvm_unmap_hva_range", "that the host took memory away"},
    {"kvm", "kvm_age_hva", "that the host asked what was used"},
    {"kvm", "kvm_userspace_exit", "what left to user space"},
};
constexpr Probe kSeamcalls[] = {
    {"tdh_mem_page_add", "tdh_mem_page_add", "td=$arg1 gpa=$arg2 page=$arg3"},
    {"tdh_mem_page_aug", "tdh_mem_page_aug", "td=$arg1 gpa=$arg2 level=$arg3:s32 page=$arg4"},
    {"tdh_mem_sept_add", "tdh_mem_sept_add", "td=$arg1 gpa=$arg2 level=$arg3:s32 page=$arg4"},
    {"tdh_mem_range_block", "tdh_mem_range_block", "td=$arg1 gpa=$arg2 level=$arg3:s32"},
    {"tdh_mem_track", "tdh_mem_track", "td=$arg1"},
    {"tdh_mem_page_remove", "tdh_mem_page_remove", "td=$arg1 gpa=$arg2 level=$arg3:s32"},
    {"tdh_phymem_page_reclaim", "tdh_phymem_page_reclaim", "page=$arg1"},
    {"tdh_mr_finalize", "tdh_mr_finalize", "td=$arg1"},
};
// struct kvm_userspace_memory_region2: slot, flags, guest_phys_addr, memory_size, userspace_addr.
constexpr std::string_view kRegion =
    "kvm=$arg1:x64 slot=+0($arg2):u32 flags=+4($arg2):x32 gpa=+8($arg2):x64 size=+16($arg2):x64 hva=+24($arg2):x64";
constexpr Probe kMemslots[] = {
    {"kvm_set_memory_region", "__kvm_set_memory_region", kRegion, false}, // up to v6.13
    {"kvm_set_memory_region", "kvm_set_memory_region", kRegion, false},
};

// A line of available_filter_functions is "name" or "name [module]".
std::set<std::string> functionsOf(const std::filesystem::path& tracing) {
    std::set<std::string> functions;
    std::ifstream in(tracing / "available_filter_functions");
    for (std::string line; std::getline(in, line);)
        functions.insert(line.substr(0, line.find(' ')));
    return functions;
}

} // namespace

std::span<const WantedEvent> wantedEvents() { return kWanted; }
std::span<const Probe> seamcallProbes() { return kSeamcalls; }
std::span<const Probe> memslotProbes() { return kMemslots; }

std::filesystem::path tracefs() {
    std::error_code ignored;
    for (const char* place : {"/sys/kernel/tracing", "/sys/kernel/debug/tracing"})
        if (std::filesystem::exists(std::filesystem::path(place) / "events", ignored))
            return place;
    return {};
}

Recipe recipeFor(const std::filesystem::path& tracing, bool seamcalls, bool memslots) {
    Recipe recipe;
    recipe.tracing = tracing.string();
    std::error_code ignored;
    for (const WantedEvent& event : kWanted) {
        const bool is = std::filesystem::exists(tracing / "events" / event.system / event.name / "enable", ignored);
        (is ? recipe.there : recipe.missing).push_back(event);
    }
    if (!seamcalls && !memslots)
        return recipe;
    const std::set<std::string> functions = functionsOf(tracing);
    const auto there = [&](const Probe& probe) { return functions.contains(std::string(probe.function)); };
    if (memslots)
        if (const auto first = std::find_if(std::begin(kMemslots), std::end(kMemslots), there); first != std::end(kMemslots))
            recipe.probes.push_back(*first);
    if (seamcalls)
        std::copy_if(std::begin(kSeamcalls), std::end(kSeamcalls), std::back_inserter(recipe.probes), there);
    return recipe;
}

std::vector<std::string> probeLines(const Probe& probe) {
    std::vector<std::string> lines{fmt::format("p:{}/{} {} {}", kProbeGroup, probe.event, probe.function, probe.arguments)};
    if (probe.answers)
        lines.push_back(fmt::format("r:{}/{}_status {} status=$retval:x64", kProbeGroup, probe.event, probe.function));
    return lines;
}

std::vector<std::string> unprobeLines(const Probe& probe) {
    std::vector<std::string> lines{fmt::format("-:{}/{}", kProbeGroup, probe.event)};
    if (probe.answers)
        lines.push_back(fmt::format("-:{}/{}_status", kProbeGroup, probe.event));
    return lines;
}

std::string scriptOf(const Recipe& recipe, const std::string& file) {
    std::string events, enable;
    for (const WantedEvent& event : recipe.there) {
        events += fmt::format(" -e {}:{}", event.system, event.name);
        enable += fmt::format("echo 1 >\"$T/events/{}/{}/enable\"\n", event.system, event.name);
    }
    std::string out = "#!/bin/sh\n# As root, while the guest runs; Ctrl-C ends it. With trace-cmd the same is:\n";
    out += fmt::format("#   trace-cmd record -b {}{}\n", recipe.kilobytes, events);
    for (const WantedEvent& event : recipe.missing)
        out += fmt::format("# Not in this kernel: {}:{} ({})\n", event.system, event.name, event.why);
    out += fmt::format("set -eu\nR={}\nT=$R/{}\n", singleQuoted(recipe.tracing), recipe.instance);
    std::string probes, undo;
    for (const Probe& probe : recipe.probes) {
        for (const std::string& line : probeLines(probe))
            probes += fmt::format("echo '{}' >>\"$R/kprobe_events\"\n", line);
        for (const std::string& line : unprobeLines(probe))
            undo += fmt::format("    echo '{}' >>\"$R/kprobe_events\" || true\n", line);
    }
    if (!recipe.probes.empty())
        out += "# What no tracepoint tells: `mirrorscope conform` checks more with it.\n" + probes;
    out += "[ -d \"$T\" ] || mkdir \"$T\"\n";
    out += "end() {\n    echo 0 >\"$T/tracing_on\"\n    echo 0 >\"$T/events/enable\"\n    rmdir \"$T\" || true\n" + undo + "}\n";
    out += "trap end EXIT\ntrap 'exit 0' INT TERM\n";
    out += fmt::format("echo {} >\"$T/buffer_size_kb\"\n", recipe.kilobytes);
    out += enable;
    if (!recipe.probes.empty())
        out += fmt::format("echo 1 >\"$T/events/{}/enable\"\n", kProbeGroup);
    out += fmt::format("cat \"$T/trace_pipe\" >{}\n", singleQuoted(file));
    return out;
}

} // namespace mirrorscope
