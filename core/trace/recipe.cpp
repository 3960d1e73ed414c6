// SPDX-License-Identifier: GPL-3.0-or-later
#include "trace/recipe.h"

#include "base/text.h"

#include <fmt/format.h>

#include <fstream>
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
constexpr SeamcallProbe kProbes[] = {
    {"tdh_mem_page_add", "td=$arg1 gpa=$arg2 page=$arg3"},
    {"tdh_mem_page_aug", "td=$arg1 gpa=$arg2 level=$arg3:s32 page=$arg4"},
    {"tdh_mem_sept_add", "td=$arg1 gpa=$arg2 level=$arg3:s32 page=$arg4"},
    {"tdh_mem_range_block", "td=$arg1 gpa=$arg2 level=$arg3:s32"},
    {"tdh_mem_track", "td=$arg1"},
    {"tdh_mem_page_remove", "td=$arg1 gpa=$arg2 level=$arg3:s32"},
    {"tdh_phymem_page_reclaim", "page=$arg1"},
    {"tdh_mr_finalize", "td=$arg1"},
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
std::span<const SeamcallProbe> seamcallProbes() { return kProbes; }

std::filesystem::path tracefs() {
    std::error_code ignored;
    for (const char* place : {"/sys/kernel/tracing", "/sys/kernel/debug/tracing"})
        if (std::filesystem::exists(std::filesystem::path(place) / "events", ignored))
            return place;
    return {};
}

Recipe recipeFor(const std::filesystem::path& tracing, bool seamcalls) {
    Recipe recipe;
    recipe.tracing = tracing.string();
    std::error_code ignored;
    for (const WantedEvent& event : kWanted) {
        const bool is = std::filesystem::exists(tracing / "events" / event.system / event.name / "enable", ignored);
        (is ? recipe.there : recipe.missing).push_back(event);
    }
    if (seamcalls) {
        const std::set<std::string> functions = functionsOf(tracing);
        for (const SeamcallProbe& probe : kProbes)
            if (functions.contains(std::string(probe.function)))
                recipe.probes.push_back(probe);
    }
    return recipe;
}

std::vector<std::string> probeLines(const SeamcallProbe& probe) {
    return {fmt::format("p:{0}/{1} {1} {2}", kProbeGroup, probe.function, probe.arguments),
            fmt::format("r:{0}/{1}_status {1} status=$retval:x64", kProbeGroup, probe.function)};
}

std::vector<std::string> unprobeLines(const SeamcallProbe& probe) {
    return {fmt::format("-:{}/{}", kProbeGroup, probe.function), fmt::format("-:{}/{}_status", kProbeGroup, probe.function)};
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
    for (const SeamcallProbe& probe : recipe.probes) {
        for (const std::string& line : probeLines(probe))
            probes += fmt::format("echo '{}' >>\"$R/kprobe_events\"\n", line);
        for (const std::string& line : unprobeLines(probe))
            undo += fmt::format("    echo '{}' >>\"$R/kprobe_events\" || true\n", line);
    }
    if (!recipe.probes.empty())
        out += "# What SEAMCALLs are called with and answer: `mirrorscope conform` holds the private table against the mirror by them.\n" +
               probes;
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
