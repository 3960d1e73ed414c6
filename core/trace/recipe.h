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

// A function and what is told of its arguments, in the words of kprobe_events.
struct Probe {
    std::string_view event, function, arguments;
    bool answers = true; // a second probe tells what it returned
};
// Of arch/x86/virt/vmx/tdx/tdx.c (v6.16 and later): what SEAMCALLs are called with and answer.
std::span<const Probe> seamcallProbes();
// Of virt/kvm/kvm_main.c: memslots. One of them is there, by one name or the other.
std::span<const Probe> memslotProbes();

struct Recipe {
    std::string tracing;                            // the mounted tracefs
    std::string instance = "instances/mirrorscope"; // of its own, so that nobody else's tracing is disturbed
    std::vector<WantedEvent> there, missing;
    std::vector<Probe> probes;   // whose functions this kernel has
    unsigned kilobytes = 20'000; // of each CPU's buffer
    // Can anything be read from what it records?
    bool complete() const { return !there.empty() && there.front().name == wantedEvents().front().name; }
};
// What that tracefs offers; `seamcalls`, `memslots`: probes of the functions that it lists, too.
Recipe recipeFor(const std::filesystem::path& tracing, bool seamcalls = false, bool memslots = false);
// Where tracefs is mounted; empty if it is nowhere.
std::filesystem::path tracefs();

// Two lines of kprobe_events for a function: what it is called with, and its status. And those that take them away again.
std::vector<std::string> probeLines(const Probe& probe);
std::vector<std::string> unprobeLines(const Probe& probe);
inline constexpr std::string_view kProbeGroup = "mirrorscope"; // of events, in which they are
// To be run as root: records into `file` until Ctrl-C. The same for trace-cmd stands in a comment.
std::string scriptOf(const Recipe& recipe, const std::string& file);

} // namespace mirrorscope
