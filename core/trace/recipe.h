// SPDX-License-Identifier: GPL-3.0-or-later
// How to record on a host: which of the events that are read here its kernel has, and the commands, as a shell script that records by
// itself. Of a host with TDX also probes of the functions that make SEAMCALLs, which have no tracepoint (Linux up to v7.2).
//
//   const Recipe recipe = recipeFor("/sys/kernel/tracing");
//   if (recipe.complete())
//       std::puts(scriptOf(recipe).c_str());
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace mirrorscope {

struct WantedEvent {
    std::string_view system, name;
    std::string_view why; // what is less known without it
};
// Of `kvmmmu` and `kvm`; the first is what all rests on.
std::span<const WantedEvent> wantedEvents();

// A function of arch/x86/virt/vmx/tdx/tdx.c and what is told of its arguments (v6.16 and later), in the words of kprobe_events.
struct SeamcallProbe {
    std::string_view function, arguments;
};
std::span<const SeamcallProbe> seamcallProbes();

struct Recipe {
    std::string tracing;                            // the mounted tracefs
    std::string instance = "instances/mirrorscope"; // of its own, so that nobody else's tracing is disturbed
    std::vector<WantedEvent> there, missing;
    std::vector<SeamcallProbe> probes; // whose functions this kernel has
    unsigned kilobytes = 20'000;       // of each CPU's buffer
    // Can anything be read from what it records?
    bool complete() const { return !there.empty() && there.front().name == wantedEvents().front().name; }
};
// What that tracefs offers; `seamcalls`: probes of the functions that it lists, too.
Recipe recipeFor(const std::filesystem::path& tracing, bool seamcalls = false);
// Where tracefs is mounted; empty if it is nowhere.
std::filesystem::path tracefs();

// Two lines of kprobe_events for a function: what it is called with, and its status. And those that take them away again.
std::vector<std::string> probeLines(const SeamcallProbe& probe);
std::vector<std::string> unprobeLines(const SeamcallProbe& probe);
inline constexpr std::string_view kProbeGroup = "mirrorscope"; // of events, in which they are
// To be run as root: records into `file` until Ctrl-C. The same for trace-cmd stands in a comment.
std::string scriptOf(const Recipe& recipe, const std::string& file);

} // namespace mirrorscope
